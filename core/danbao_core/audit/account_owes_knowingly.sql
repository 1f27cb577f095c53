-- An account that owes something (purpose 3) says that it may: only then do credits repay it. While it owes in a currency, it
-- has nothing of that to spend (1).
WITH broken AS MATERIALIZED (
    SELECT account.id, owed.currency, owed.amount_minor, account.ever_owed, available.amount_minor AS available_minor
    FROM balance AS owed
    JOIN account ON account.id = owed.account_id
    LEFT JOIN balance AS available
        ON available.account_id = owed.account_id AND available.currency = owed.currency AND available.purpose = 1
    WHERE owed.purpose = 3 AND owed.amount_minor < 0 AND (NOT account.ever_owed OR available.amount_minor <> 0)
)
SELECT format(
    CASE
        WHEN ever_owed THEN 'account %s owes %s minor units of %s, but has %s to spend'
        ELSE 'account %s owes %s minor units of %s, but says that it never owed anything'
    END,
    id, -amount_minor, currency, available_minor
)
FROM broken
ORDER BY id, currency
LIMIT 1
