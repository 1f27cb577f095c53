-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column, ban-drop-function, require-concurrent-index-creation
-- squawk-ignore-file require-concurrent-index-deletion

-- migrate:up

-- Whose a document's number is: at most six accounts of one person.
CREATE TABLE identity_ref (
    number_hash bytea PRIMARY KEY CHECK (length(number_hash) = 32),
    account_ids text COLLATE "C" NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE instrument (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    token text COLLATE "C" NOT NULL,
    issuer_prefix text COLLATE "C" NOT NULL,
    last_four text COLLATE "C" NOT NULL,
    fingerprint_key_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    unbound_at timestamptz,
    version bigint NOT NULL
);

CREATE INDEX instrument_of_account ON instrument (account_id, id);

-- Which card of an account a number is, so that none is bound twice.
CREATE TABLE instrument_ref (
    fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
    instrument_id uuid NOT NULL,
    version bigint NOT NULL
);

CREATE INDEX instrument_ref_of_instrument ON instrument_ref (instrument_id);

-- What a message says can be erased.
ALTER TABLE message ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- A person whose number is erased is erased: whatever else says who it was goes in the same commit. The engine deletes no rows,
-- and the servers' role may not, so the database does it, as the owner of the tables.
CREATE INDEX challenge_of_account ON challenge (account_id);
CREATE INDEX challenge_of_device ON challenge (device_id) WHERE device_id <> '';
CREATE INDEX approval_of_account ON approval (account_id);
CREATE INDEX approval_of_device ON approval (device_id) WHERE device_id <> '';

CREATE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    prefix bytea := uuid_send(NEW.account_id);
    devices text[];
    registrations uuid[];
BEGIN
    SELECT array_agg(device_id) INTO devices FROM (
        SELECT device_id FROM device WHERE account_id = NEW.account_id
        UNION SELECT device_id FROM session WHERE account_id = NEW.account_id AND device_id <> ''
    ) AS known;
    -- A registration names no account, but the device. Others may register on a device of the family's at this moment: only one
    -- that was completed, or is void by now, goes.
    SELECT array_agg(challenge.id) INTO registrations
        FROM challenge LEFT JOIN approval ON approval.id = challenge.id
        WHERE challenge.account_id IS NULL AND challenge.device_id <> '' AND challenge.device_id = ANY (devices)
            AND (approval.used_at IS NOT NULL OR coalesce(approval.expires_at, challenge.expires_at) <= NEW.updated_at);
    -- Answers that were remembered for retries of the person's; none of these callers can come again.
    DELETE FROM request WHERE caller = 'account:' || NEW.account_id;
    DELETE FROM request WHERE caller IN (SELECT 'session:' || id FROM session WHERE account_id = NEW.account_id);
    DELETE FROM request WHERE caller IN (
        SELECT 'challenge:' || id FROM challenge
        WHERE account_id = NEW.account_id OR id = ANY (registrations)
    );
    -- Answers to others who closed the account, froze it or changed it, which have its name in them. All were to commands that a
    -- closed account refuses or that change nothing of it; the answer to this very one has no name.
    DELETE FROM request USING audit_event
        WHERE audit_event.subject_id = NEW.account_id AND audit_event.subject_kind = 'account'
            AND request.caller = audit_event.caller AND request.request_id = audit_event.request_id
            AND request.created_at < NEW.updated_at;
    DELETE FROM device WHERE account_id = NEW.account_id;
    UPDATE session
        SET device_id = '', ended_at = coalesce(ended_at, now()), version = version + 1
        WHERE account_id = NEW.account_id;
    UPDATE challenge
        SET device_id = '', details = NULL, guesses_by = '', sent_by = '', version = version + 1
        WHERE account_id = NEW.account_id OR id = ANY (registrations);
    UPDATE approval
        SET device_id = '', version = version + 1
        WHERE account_id = NEW.account_id OR id = ANY (registrations);
    -- What was counted begins with the account, behind the kind where that is no column; then comes the device.
    FOR kind_of IN 1..20 LOOP
        DELETE FROM attempts WHERE kind = kind_of AND subject >= prefix AND subject <= prefix || '\xff';
        DELETE FROM attempt
            WHERE subject >= set_byte('\x00', 0, kind_of) || prefix AND subject <= set_byte('\x00', 0, kind_of) || prefix || '\xff';
        DELETE FROM newest_code
            WHERE sent_by >= set_byte('\x00', 0, kind_of) || prefix AND sent_by <= set_byte('\x00', 0, kind_of) || prefix || '\xff';
    END LOOP;
    DELETE FROM recovery_code WHERE factor_id IN (SELECT id FROM factor WHERE account_id = NEW.account_id);
    UPDATE factor SET state = 3, secret = NULL, label = '', version = version + 1 WHERE account_id = NEW.account_id;
    DELETE FROM instrument_ref WHERE instrument_id IN (SELECT id FROM instrument WHERE account_id = NEW.account_id);
    UPDATE instrument
        SET token = '', issuer_prefix = '', last_four = '', unbound_at = coalesce(unbound_at, NEW.updated_at),
            version = version + 1
        WHERE account_id = NEW.account_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER forget_person AFTER UPDATE ON person
    FOR EACH ROW WHEN (OLD.phone IS NOT NULL AND NEW.phone IS NULL) EXECUTE FUNCTION forget_person();

-- What was answered to whom a number was given as theirs goes when it is given up.
CREATE FUNCTION forget_phone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM request WHERE caller = 'phone:' || encode(NEW.phone_hash, 'hex');
    RETURN NULL;
END
$$;

CREATE TRIGGER forget_phone AFTER UPDATE ON phone_ref
    FOR EACH ROW WHEN (OLD.account_id IS NOT NULL AND NEW.account_id IS NULL) EXECUTE FUNCTION forget_phone();

-- They work as the owner of the tables, so they look for tables in our schema alone, and last among those that a connection made
-- for itself: a path that leaves these out has them come first, and whoever made a table "device" with a trigger would have that
-- work as the owner, too.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION forget_person() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION forget_phone() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- migrate:down

DROP TRIGGER forget_phone ON phone_ref;
DROP FUNCTION forget_phone();

DROP TRIGGER forget_person ON person;
DROP FUNCTION forget_person();
DROP INDEX approval_of_device;
DROP INDEX approval_of_account;
DROP INDEX challenge_of_device;
DROP INDEX challenge_of_account;
ALTER TABLE message DROP COLUMN version;
DROP TABLE instrument_ref;
DROP TABLE instrument;
DROP TABLE identity_ref;
