-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file adding-not-nullable-field, ban-drop-column, require-concurrent-index-creation
-- squawk-ignore-file constraint-missing-not-valid, ban-drop-constraint

-- migrate:up

-- What takes two operators.
CREATE TABLE proposal (
    id uuid PRIMARY KEY,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    terms jsonb NOT NULL,
    reason text COLLATE "C" NOT NULL,
    proposer_key_id uuid NOT NULL,
    proposer_root_id uuid NOT NULL,
    decider_key_id uuid,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    version bigint NOT NULL,
    CHECK ((state = 1) = (due_at IS NOT NULL)),
    CHECK ((state = 1) = (decided_at IS NULL)),
    CHECK ((state IN (2, 3)) = (decider_key_id IS NOT NULL))
);

CREATE INDEX proposal_due ON proposal (due_at) WHERE due_at IS NOT NULL;

-- Money in SUSPENSE, until operators say where it goes.
CREATE TABLE open_item (
    id uuid PRIMARY KEY,
    state smallint NOT NULL CHECK (state IN (1, 2)),
    account_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    journal_id uuid NOT NULL,
    settled_by uuid,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    version bigint NOT NULL,
    CHECK ((state = 2) = (settled_by IS NOT NULL)),
    CHECK ((state = 2) = (settled_at IS NOT NULL))
);

CREATE INDEX open_item_open ON open_item (id) WHERE state = 1;

-- The key from which a key descends by the keys that made one another; keys from before are their own.
ALTER TABLE service_key ADD COLUMN root_id uuid;
UPDATE service_key SET root_id = id;
ALTER TABLE service_key ALTER COLUMN root_id SET NOT NULL;

-- What is owed is shown without its sign, so it is one less than the smallest bigint.
UPDATE balance SET floor_minor = -9223372036854775807 WHERE purpose = 3;

ALTER TABLE account ADD COLUMN ever_owed boolean NOT NULL DEFAULT false;

-- The fund for losses is one balance, which does not go below zero; all other platform balances are striped.
ALTER TABLE balance ADD CONSTRAINT balance_fund_is_one CHECK (purpose <> 14 OR (stripe = 0 AND floor_minor = 0));

-- migrate:down

ALTER TABLE balance DROP CONSTRAINT balance_fund_is_one;
UPDATE balance SET floor_minor = -9223372036854775808 WHERE purpose = 3;
ALTER TABLE account DROP COLUMN ever_owed;
ALTER TABLE service_key DROP COLUMN root_id;
DROP TABLE open_item;
DROP TABLE proposal;
