-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, ban-drop-column
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion

-- migrate:up

-- Accounts can be frozen (3).
ALTER TABLE account
    DROP CONSTRAINT account_state_check,
    ADD CONSTRAINT account_state_check CHECK (state IN (1, 2, 3));

-- Money goes out, too (kind 2), and a bank may take its time (state 2) or say no (3), for a reason.
ALTER TABLE funding
    ADD COLUMN failure_reason smallint NOT NULL DEFAULT 0,
    DROP CONSTRAINT funding_kind_check,
    DROP CONSTRAINT funding_state_check,
    ADD CONSTRAINT funding_kind_check CHECK (kind IN (1, 2)),
    ADD CONSTRAINT funding_state_check CHECK (state IN (1, 2, 3)),
    ADD CONSTRAINT funding_failed_for_a_reason CHECK ((state = 3) = (failure_reason <> 0));

-- What keeps an account from closing, in the words of `read_obligation.sql`.
CREATE INDEX funding_pending_of_account ON funding (account_id) WHERE state = 2;

-- How the sandbox's bank answers: one row, made when somebody first says so; without it the bank accepts.
CREATE TABLE bank (
    id bigint PRIMARY KEY CHECK (id = 1),
    behaviour smallint NOT NULL CHECK (behaviour IN (1, 2, 3)),
    version bigint NOT NULL
);

-- migrate:down

-- Possible where no money went out, every bank said yes and no account is frozen.
DROP TABLE bank;
DROP INDEX funding_pending_of_account;

ALTER TABLE funding
    DROP CONSTRAINT funding_failed_for_a_reason,
    DROP CONSTRAINT funding_kind_check,
    DROP CONSTRAINT funding_state_check,
    ADD CONSTRAINT funding_kind_check CHECK (kind = 1),
    ADD CONSTRAINT funding_state_check CHECK (state = 1),
    DROP COLUMN failure_reason;

ALTER TABLE account
    DROP CONSTRAINT account_state_check,
    ADD CONSTRAINT account_state_check CHECK (state IN (1, 2));
