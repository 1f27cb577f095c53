-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file require-concurrent-index-creation

-- migrate:up

-- When what a merchant can spend in a currency is paid out. The id follows from account and currency.
CREATE TABLE payout_schedule (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    cadence smallint NOT NULL CHECK (cadence BETWEEN 1 AND 4),
    weekday bigint NOT NULL,
    least_minor bigint NOT NULL CHECK (least_minor > 0),
    instrument_id uuid,
    due_at timestamptz,
    covered_version bigint NOT NULL CHECK (covered_version >= 0),
    covered_minor bigint NOT NULL CHECK (covered_minor >= 0),
    open_payout_id uuid,
    skip smallint NOT NULL CHECK (skip BETWEEN 0 AND 7),
    skipped_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK ((cadence = 1) = (due_at IS NULL)),
    CHECK (CASE WHEN cadence = 3 THEN weekday BETWEEN 1 AND 7 ELSE weekday = 0 END),
    CHECK ((skip = 0) = (skipped_at IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX payout_schedule_due ON payout_schedule (due_at) WHERE due_at IS NOT NULL;

-- What was paid out: a withdrawal, and the entries of the wallet that it is made of.
CREATE TABLE payout (
    id uuid PRIMARY KEY,
    schedule_id uuid NOT NULL,
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    carried_minor bigint NOT NULL CHECK (carried_minor >= 0),
    after_version bigint NOT NULL CHECK (after_version >= 0),
    until_version bigint NOT NULL CHECK (until_version >= after_version),
    funding_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE INDEX payout_of_account ON payout (account_id, id);
CREATE INDEX payout_pending ON payout (id) WHERE state = 1;
CREATE UNIQUE INDEX payout_of_funding ON payout (funding_id);

-- migrate:down

DROP TABLE payout;
DROP TABLE payout_schedule;
