-- Applied in one transaction, as all migrations are, so no index is made or dropped CONCURRENTLY; a way down drops columns.
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion, ban-drop-column

-- migrate:up

-- Callers' own numbers of accounts: unique, and what an account is looked up by. A table of its own, because uniqueness that is
-- not the primary key would not survive distribution over shards.
CREATE TABLE account_ref (
    external_id text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL
);

ALTER TABLE account ADD COLUMN external_id text COLLATE "C" NOT NULL DEFAULT '';

-- Lists are read newest first, which is by descending id (a UUIDv7). Each index is paid for by every payment, once when it is
-- made and once in each later state (`payment_due` changes with the state, so no update is "heap only"). So there are two: a
-- payer's payments and a payee's; those of either are two scans, merged. States, modes and times are filtered on the way, and
-- lists of everybody's payments, of accounts and of entries walk the primary keys. `state` is in the index so that an account's
-- open payments are found without a look at those that are over, of which a shop has millions.
CREATE INDEX payment_of_payer ON payment (payer_id, id) INCLUDE (state);
CREATE INDEX payment_of_payee ON payment (payee_id, id) INCLUDE (state);
-- They cover what these were for, at the same two insertions while a payment is open.
DROP INDEX IF EXISTS payment_open_of_payer;
DROP INDEX IF EXISTS payment_open_of_payee;

-- Paid for by fundings only.
CREATE INDEX funding_of_account ON funding (account_id, id);

-- migrate:down

DROP INDEX funding_of_account;
DROP INDEX payment_of_payee;
DROP INDEX payment_of_payer;
CREATE INDEX payment_open_of_payer ON payment (payer_id) WHERE state NOT IN (4, 5, 6);
CREATE INDEX payment_open_of_payee ON payment (payee_id) WHERE state NOT IN (4, 5, 6);
ALTER TABLE account DROP COLUMN external_id;
DROP TABLE account_ref;
