-- A dispute that is open has the event that time brings about next, which is one of its state, and a deadline that is not before it
-- but where supervisors are called (26); one that has ended (SETTLED 5, CLOSED 6) has none of it. A deadline is announced (21), then
-- it ends the wait for the seller (22) or the buyer (23), the time for evidence (24) or for appeals (27); reviews go on with 25, 26.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM dispute
    WHERE coalesce(
            due_event = ANY (
                CASE state
                    WHEN 1 THEN ARRAY[21, 22]
                    WHEN 2 THEN ARRAY[21, 23]
                    WHEN 3 THEN ARRAY[21, 24, 25, 26]
                    WHEN 4 THEN ARRAY[21, 27]
                    ELSE ARRAY[]::integer[]
                END
            ),
            false
        ) <> (state BETWEEN 1 AND 4)
        OR (due_event IS NULL) <> (state IN (5, 6))
        OR (due_event IS NULL) <> (due_at IS NULL)
        OR (due_event IS NULL) <> (respond_by IS NULL)
        OR (due_event IN (21, 22, 23, 24, 25, 27) AND due_at > respond_by)
        OR (due_event IN (22, 23, 24, 27) AND due_at <> respond_by)
)
SELECT format(
    'dispute %s is %s and has the timer %s at %s, with the deadline %s',
    id,
    (ARRAY['AWAITING_SELLER', 'AWAITING_BUYER', 'UNDER_REVIEW', 'DECIDED', 'SETTLED', 'CLOSED'])[state],
    coalesce(due_event::text, 'none'),
    coalesce(due_at::text, 'no time'),
    coalesce(respond_by::text, 'none')
)
FROM broken
ORDER BY id
LIMIT 1
