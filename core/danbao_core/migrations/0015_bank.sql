-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid, ban-drop-column
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion

-- migrate:up

-- Fundings of cards: a worker asks the bank after the commit, at `next_attempt_at` (wall time; it lies ahead while a worker asks,
-- which is its claim). What the bank has done may be unknown (4), and it may take a top-up back (5).
ALTER TABLE funding
    ADD COLUMN instrument_id uuid,
    ADD COLUMN attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN next_attempt_at timestamptz,
    DROP CONSTRAINT funding_state_check,
    ADD CONSTRAINT funding_state_check CHECK (state IN (1, 2, 3, 4, 5)),
    ADD CONSTRAINT funding_failure_reason_check CHECK (failure_reason BETWEEN 0 AND 5),
    ADD CONSTRAINT funding_asks_while_open CHECK (next_attempt_at IS NULL OR (state IN (2, 4) AND instrument_id IS NOT NULL)),
    ADD CONSTRAINT funding_asked_is_asked_again CHECK (attempts = 0 OR state NOT IN (2, 4) OR next_attempt_at IS NOT NULL),
    ADD CONSTRAINT funding_was_asked CHECK (attempts > 0 OR state NOT IN (4, 5)),
    ADD CONSTRAINT funding_reversed_is_a_top_up CHECK (state <> 5 OR kind = 1);

CREATE INDEX funding_to_ask ON funding (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

DROP INDEX funding_pending_of_account;
CREATE INDEX funding_open_of_account ON funding (account_id) WHERE state IN (2, 4);

-- Days whose bank statement is matched with the books. The id follows from the day (days since 1970-01-01, in Asia/Shanghai).
CREATE TABLE reconciliation (
    id uuid PRIMARY KEY,
    day bigint NOT NULL,
    state smallint NOT NULL CHECK (state IN (1, 2)),
    lines bigint NOT NULL CHECK (lines >= 0),
    entries bigint NOT NULL CHECK (entries >= 0),
    differences bigint NOT NULL CHECK (differences >= 0),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    version bigint NOT NULL,
    CHECK (state = 1 OR finished_at IS NOT NULL)
);

CREATE INDEX reconciliation_pending ON reconciliation (id) WHERE state = 1;

-- What one side had on a day and the other had not. The id follows from transfer, movement and currency, so whichever side comes
-- later meets the other here.
CREATE TABLE difference (
    id uuid PRIMARY KEY,
    kind smallint NOT NULL CHECK (kind IN (1, 2, 3)),
    state smallint NOT NULL CHECK (state IN (1, 2)),
    day bigint NOT NULL,
    transfer_id uuid NOT NULL,
    movement smallint NOT NULL CHECK (movement IN (1, 2, 3)),
    currency text COLLATE "C" NOT NULL,
    here_minor bigint,
    there_minor bigint,
    created_at timestamptz NOT NULL,
    explained_at timestamptz,
    explained_by text COLLATE "C" NOT NULL,
    note text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    CHECK (here_minor IS NOT NULL OR there_minor IS NOT NULL),
    CHECK ((state = 2) = (explained_at IS NOT NULL)),
    CHECK ((state = 2) = (explained_by <> ''))
);

CREATE INDEX difference_open ON difference (id) WHERE state = 1;

-- migrate:down

-- Possible where no bank was ever asked for a card.
DROP TABLE difference;
DROP TABLE reconciliation;

DROP INDEX funding_open_of_account;
DROP INDEX funding_to_ask;
CREATE INDEX funding_pending_of_account ON funding (account_id) WHERE state = 2;

ALTER TABLE funding
    DROP CONSTRAINT funding_reversed_is_a_top_up,
    DROP CONSTRAINT funding_was_asked,
    DROP CONSTRAINT funding_asked_is_asked_again,
    DROP CONSTRAINT funding_asks_while_open,
    DROP CONSTRAINT funding_failure_reason_check,
    DROP CONSTRAINT funding_state_check,
    ADD CONSTRAINT funding_state_check CHECK (state IN (1, 2, 3)),
    DROP COLUMN next_attempt_at,
    DROP COLUMN attempts,
    DROP COLUMN instrument_id;
