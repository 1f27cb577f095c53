-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, ban-drop-column, adding-not-nullable-field
-- squawk-ignore-file changing-column-type, renaming-column, ban-drop-default

-- migrate:up

-- What the platform kept of a refund of escrow that failed after the release, so that reports of payouts never change.
ALTER TABLE refund
    ADD COLUMN fee_kept_minor bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT refund_kept_fee_is_of_escrow
        CHECK (fee_kept_minor BETWEEN 0 AND amount_minor AND (fee_kept_minor = 0 OR (source = 1 AND state = 4)));
UPDATE refund
SET fee_kept_minor = kept.amount_minor
FROM (
    SELECT journal.subject_id AS refund_id, sum(entry.amount_minor) AS amount_minor
    FROM journal
    JOIN entry ON entry.journal_id = journal.id
    JOIN balance ON balance.id = entry.balance_id AND balance.purpose = 12
    WHERE journal.kind = 'refund.release'
    GROUP BY journal.subject_id
) AS kept
WHERE refund.id = kept.refund_id;

-- Refunds that wait hold back the wallet of their currency alone: how many wait in each. The column has a new name, because
-- answers that are remembered show accounts with the number that was here.
ALTER TABLE account DROP CONSTRAINT account_refunds_waiting_are_counted;
ALTER TABLE account RENAME COLUMN refunds_waiting TO waiting_refunds;
ALTER TABLE account
    ALTER COLUMN waiting_refunds DROP DEFAULT,
    ALTER COLUMN waiting_refunds TYPE text COLLATE "C" USING '',
    ALTER COLUMN waiting_refunds SET DEFAULT '';
UPDATE account
SET waiting_refunds = waiting.counts
FROM (
    SELECT payee_id, string_agg(currency || ':' || number, ' ' ORDER BY currency) AS counts
    FROM (
        SELECT payee_id, currency, count(*) AS number
        FROM refund
        WHERE state = 2
        GROUP BY payee_id, currency
    ) AS by_currency
    GROUP BY payee_id
) AS waiting
WHERE account.id = waiting.payee_id;

-- Since when what a moved clock made due has been due.
ALTER TABLE installation ADD COLUMN clock_moved_at timestamptz;

-- Sessions that are erased end by the time of the statement: the engine's transactions follow each other, so one may have begun a
-- second before its batch. Else it is the function of 0011_identity.
CREATE OR REPLACE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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
        SET device_id = '', ended_at = coalesce(ended_at, statement_timestamp()), version = version + 1
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

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION forget_person() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- migrate:down

CREATE OR REPLACE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION forget_person() SET search_path = %I, pg_temp', current_schema());
END
$$;

ALTER TABLE installation DROP COLUMN clock_moved_at;

ALTER TABLE account RENAME COLUMN waiting_refunds TO refunds_waiting;
ALTER TABLE account
    ALTER COLUMN refunds_waiting DROP DEFAULT,
    ALTER COLUMN refunds_waiting TYPE bigint USING 0,
    ALTER COLUMN refunds_waiting SET DEFAULT 0,
    ADD CONSTRAINT account_refunds_waiting_are_counted CHECK (refunds_waiting >= 0);
UPDATE account
SET refunds_waiting = (SELECT count(*) FROM refund WHERE refund.payee_id = account.id AND state = 2)
WHERE id IN (SELECT payee_id FROM refund WHERE state = 2);

ALTER TABLE refund
    DROP CONSTRAINT refund_kept_fee_is_of_escrow,
    DROP COLUMN fee_kept_minor;
