-- The fee is the payment's rate of its amount or, once something was released or captured, of that, rounded half up, once.
WITH payment_and_base AS (
    SELECT id, currency, fee_bps, fee_minor, CASE WHEN released_minor > 0 THEN released_minor ELSE amount_minor END AS base
    FROM payment
),
broken AS MATERIALIZED (
    SELECT *
    FROM payment_and_base
    WHERE fee_bps NOT BETWEEN 0 AND 10000
        OR fee_minor <> div(base::numeric * fee_bps + 5000, 10000)
)
SELECT format('payment %s has a fee of %s minor units of %s at %s bps of %s', id, fee_minor, currency, fee_bps, base)
FROM broken
ORDER BY id
LIMIT 1
