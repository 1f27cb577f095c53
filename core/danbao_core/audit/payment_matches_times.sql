-- A payment has the times of what happened to it, and of nothing else: paid, but for one that was closed before; shipped,
-- but for one of instant mode (2); succeeded, or closed and for a reason.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE (state IN (2, 3, 4, 5) AND paid_at IS NULL)
        OR (state = 1 AND paid_at IS NOT NULL)
        OR (shipped_at IS NOT NULL) <> (state = 3 OR (state IN (4, 5) AND mode = 1))
        OR (succeeded_at IS NOT NULL) <> (state IN (4, 5))
        OR (closed_at IS NOT NULL) <> (state = 6)
        OR (close_reason <> 0) <> (state = 6)
)
SELECT format(
    'payment %s of mode %s is %s, but was paid %s, shipped %s, succeeded %s and closed %s for reason %s',
    id,
    mode,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED'])[state],
    coalesce(paid_at::text, 'never'),
    coalesce(shipped_at::text, 'never'),
    coalesce(succeeded_at::text, 'never'),
    coalesce(closed_at::text, 'never'),
    close_reason
)
FROM broken
ORDER BY id
LIMIT 1
