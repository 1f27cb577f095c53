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

-- migrate:down

ALTER TABLE account
    DROP CONSTRAINT account_with_plan_is_a_merchant,
    DROP CONSTRAINT account_next_fee_has_a_time,
    DROP CONSTRAINT account_fee_is_a_rate,
    DROP COLUMN next_fee_at,
    DROP COLUMN next_fee_bps,
    DROP COLUMN fee_bps;
