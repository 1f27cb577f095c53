-- All balances of a currency sum to zero: money outside is negative in BANK_CLEARING.
WITH broken AS MATERIALIZED (
    SELECT currency, sum(amount_minor) AS sum_minor
    FROM balance
    GROUP BY currency
    HAVING sum(amount_minor) <> 0
)
SELECT format('all balances in %s sum to %s minor units', currency, sum_minor)
FROM broken
ORDER BY currency
LIMIT 1
