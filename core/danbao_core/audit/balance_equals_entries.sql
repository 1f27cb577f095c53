-- A balance is the sum of its entries.
WITH summed AS (
    SELECT balance_id, sum(amount_minor) AS sum_minor
    FROM entry
    GROUP BY balance_id
), broken AS MATERIALIZED (
    SELECT balance.id, balance.amount_minor, balance.currency, coalesce(summed.sum_minor, 0) AS sum_minor
    FROM balance
    LEFT JOIN summed ON summed.balance_id = balance.id
    WHERE balance.amount_minor <> coalesce(summed.sum_minor, 0)
)
SELECT format(
    'balance %s is %s minor units of %s, but its entries sum to %s', id, amount_minor, currency, sum_minor
)
FROM broken
ORDER BY id
LIMIT 1
