-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file constraint-missing-not-valid, ban-drop-column, ban-drop-constraint

-- migrate:up

-- What a merchant pays. Payments read the account anyway, so the plan stands on it: the fee in basis points (none: the policy's),
-- and the one change that lies ahead, which may be back to the policy's.
ALTER TABLE account
    ADD COLUMN fee_bps bigint,
    ADD COLUMN next_fee_bps bigint,
    ADD COLUMN next_fee_at timestamptz,
    ADD CONSTRAINT account_fee_is_a_rate CHECK (fee_bps BETWEEN 0 AND 10000 AND next_fee_bps BETWEEN 0 AND 10000),
    ADD CONSTRAINT account_next_fee_has_a_time CHECK (next_fee_bps IS NULL OR next_fee_at IS NOT NULL),
    ADD CONSTRAINT account_with_plan_is_a_merchant CHECK (kind = 2 OR (fee_bps IS NULL AND next_fee_at IS NULL));

-- What the subject of an audit event is: the name of its table. Of a journal, its kind tells. Rows that were written before are told
-- by where their subjects are.
ALTER TABLE audit_event ADD COLUMN subject_kind text COLLATE "C" NOT NULL DEFAULT '';
UPDATE audit_event
SET subject_kind = CASE
    WHEN method = 'SandboxService/AdvanceClock' THEN 'installation'
    WHEN EXISTS (SELECT FROM payment WHERE id = subject_id) THEN 'payment'
    WHEN EXISTS (SELECT FROM service_key WHERE id = subject_id) THEN 'service_key'
    ELSE 'account'
END;

-- migrate:down

ALTER TABLE audit_event DROP COLUMN subject_kind;

ALTER TABLE account
    DROP CONSTRAINT account_with_plan_is_a_merchant,
    DROP CONSTRAINT account_next_fee_has_a_time,
    DROP CONSTRAINT account_fee_is_a_rate,
    DROP COLUMN next_fee_at,
    DROP COLUMN next_fee_bps,
    DROP COLUMN fee_bps;
