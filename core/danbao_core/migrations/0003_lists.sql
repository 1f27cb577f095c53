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
-- lists of everybody's payments, of accounts and of entries walk the primary keys. The partial indexes of open payments stay:
-- an account closes while its rows are locked, and in these the few open ones would be sought among all that a shop ever had
-- (of 300,000, 0.4 s instead of 1 ms).
CREATE INDEX payment_of_payer ON payment (payer_id, id);
CREATE INDEX payment_of_payee ON payment (payee_id, id);

-- Paid for by fundings only.
CREATE INDEX funding_of_account ON funding (account_id, id);

-- migrate:down

DROP INDEX funding_of_account;
DROP INDEX payment_of_payee;
DROP INDEX payment_of_payer;
ALTER TABLE account DROP COLUMN external_id;
DROP TABLE account_ref;
