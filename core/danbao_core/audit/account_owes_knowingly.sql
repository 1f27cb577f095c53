-- An account that owes something (purpose 3) says that it may: only then do credits repay it.
WITH broken AS MATERIALIZED (
    SELECT account.id, balance.currency, balance.amount_minor
    FROM balance
    JOIN account ON account.id = balance.account_id
    WHERE balance.purpose = 3 AND balance.amount_minor < 0 AND NOT account.ever_owed
)
SELECT format('account %s owes %s minor units of %s, but says that it never owed anything', id, -amount_minor, currency)
FROM broken
ORDER BY id, currency
LIMIT 1
