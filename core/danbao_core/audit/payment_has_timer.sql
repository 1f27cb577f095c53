-- A payment that can still change has the event that time brings about next, and one that cannot (FINISHED, CLOSED) has none; while
-- a dispute of it is open, that event has no time.
-- That no timer is long past joins this when a worker carries timers out.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE due_event IS DISTINCT FROM CASE state
            WHEN 1 THEN 1 -- AWAITING_PAYMENT: EXPIRE
            WHEN 2 THEN 2 -- PAID: SHIP_BY
            WHEN 3 THEN 3 -- SHIPPED: AUTO_CONFIRM
            WHEN 4 THEN 4 -- SUCCEEDED: FINISH
            WHEN 7 THEN 5 -- AUTHORIZED: HOLD_EXPIRY
        END
        OR (due_at IS NULL) <> (state IN (5, 6) OR dispute_id IS NOT NULL)
)
SELECT format(
    'payment %s is %s and has the timer %s at %s',
    id,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED', 'AUTHORIZED'])[state],
    coalesce((ARRAY['EXPIRE', 'SHIP_BY', 'AUTO_CONFIRM', 'FINISH', 'HOLD_EXPIRY'])[due_event], 'none'),
    coalesce(due_at::text, 'no time')
)
FROM broken
ORDER BY id
LIMIT 1
