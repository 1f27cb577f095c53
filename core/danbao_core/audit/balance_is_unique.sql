-- An account has one balance per currency and purpose, the platform one per stripe of them.
WITH broken AS MATERIALIZED (
    SELECT account_id, currency, purpose, stripe, count(*) AS balances
    FROM balance
    GROUP BY account_id, currency, purpose, stripe
    HAVING count(*) > 1
)
SELECT format('account %s has %s balances in %s of purpose %s, stripe %s', account_id, balances, currency, purpose, stripe)
FROM broken
ORDER BY account_id, currency, purpose, stripe
LIMIT 1
