-- The events of the payment $1 and what belongs to it; those that wait to be told are sought among the newest 5,000 that do. One
-- statement, so that none is met twice or missed while the relay takes it from there to here.
SELECT *
FROM (
    (
        SELECT id, topic, subject_id, payload, created_at, true AS told
        FROM event
        WHERE ordering_id = $1
        ORDER BY position
        LIMIT $2
    )
    UNION ALL
    (
        SELECT id, topic, subject_id, payload, created_at, false AS told
        FROM (SELECT * FROM outbox ORDER BY sequence DESC LIMIT 5000) AS waiting
        WHERE ordering_id = $1
    )
) AS found
ORDER BY id
LIMIT $2
