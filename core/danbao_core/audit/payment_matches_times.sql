-- A payment has the times of what happened to it, and of nothing else: paid, but for one that was closed before; shipped, and
-- with that corrected or extended, if it is of escrow mode (1); succeeded, or closed and for a reason, which is VOIDED or
-- HOLD_EXPIRED (6, 7) for what was authorized (mode 3) and for nothing else. What refunds or a dispute closed (8, 9) may have been
-- shipped and may have succeeded before; what a dispute released, may never have been shipped.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE (state IN (2, 3, 4, 5, 7) AND paid_at IS NULL)
        OR (state = 1 AND paid_at IS NOT NULL)
        OR (shipped_at IS NOT NULL AND mode <> 1)
        OR (
            close_reason NOT IN (8, 9)
            AND (shipped_at IS NOT NULL) <> (state = 3 OR (state IN (4, 5) AND mode = 1))
            AND NOT (shipped_at IS NULL AND disputes_had > 0)
        )
        OR (close_reason NOT IN (8, 9) AND (succeeded_at IS NOT NULL) <> (state IN (4, 5)))
        OR (close_reason IN (8, 9) AND (succeeded_at IS NOT NULL) <> (released_minor > 0))
        OR (close_reason IN (8, 9) AND mode = 1 AND succeeded_at IS NOT NULL AND shipped_at IS NULL AND disputes_had = 0)
        OR (closed_at IS NOT NULL) <> (state = 6)
        OR (close_reason <> 0) <> (state = 6)
        OR (close_reason IN (6, 7)) <> (state = 6 AND mode = 3 AND paid_at IS NOT NULL AND succeeded_at IS NULL)
        OR (shipped_at IS NULL AND coalesce(shipment_corrected_at, confirmation_extended_at) IS NOT NULL)
)
SELECT format(
    'payment %s of mode %s is %s, but was paid %s, shipped %s, corrected %s, extended %s, succeeded %s, closed %s for reason %s',
    id,
    mode,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED', 'AUTHORIZED'])[state],
    coalesce(paid_at::text, 'never'),
    coalesce(shipped_at::text, 'never'),
    coalesce(shipment_corrected_at::text, 'never'),
    coalesce(confirmation_extended_at::text, 'never'),
    coalesce(succeeded_at::text, 'never'),
    coalesce(closed_at::text, 'never'),
    close_reason
)
FROM broken
ORDER BY id
LIMIT 1
