-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column, prefer-text-field

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
CREATE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM device WHERE account_id = NEW.account_id;
    UPDATE session
        SET device_id = '', ended_at = coalesce(ended_at, now()), version = version + 1
        WHERE account_id = NEW.account_id;
    UPDATE challenge SET device_id = '', details = NULL, version = version + 1 WHERE account_id = NEW.account_id;
    UPDATE approval SET device_id = '', version = version + 1 WHERE account_id = NEW.account_id;
    DELETE FROM attempts WHERE substring(subject FOR 16) = uuid_send(NEW.account_id);
    DELETE FROM newest_code WHERE substring(sent_by FROM 2 FOR 16) = uuid_send(NEW.account_id);
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

-- migrate:down

DROP TRIGGER forget_person ON person;
DROP FUNCTION forget_person();
ALTER TABLE message DROP COLUMN version;
DROP TABLE instrument_ref;
DROP TABLE instrument;
DROP TABLE identity_ref;
