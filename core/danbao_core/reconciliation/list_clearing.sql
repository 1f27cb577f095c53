-- The stripes of one of the platform's balances, in every currency.
SELECT id, currency FROM balance WHERE account_id = $1 AND purpose = $2 ORDER BY id
