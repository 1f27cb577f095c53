-- A journal moves money and makes none: its entries sum to zero in each currency.
WITH broken AS MATERIALIZED (
    SELECT entry.journal_id, balance.currency, sum(entry.amount_minor) AS sum_minor
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    GROUP BY entry.journal_id, balance.currency
    HAVING sum(entry.amount_minor) <> 0
)
SELECT format('journal %s sums to %s minor units of %s', journal_id, sum_minor, currency)
FROM broken
ORDER BY journal_id, currency
LIMIT 1
