-- Forgets the oldest messages, $2 at most, whose ids are before $1 and that are not to be sent; answers how many those were.
WITH old AS (
    SELECT id
    FROM message
    WHERE id < $1 AND state <> 1
    ORDER BY id
    LIMIT $2
),
gone AS (
    DELETE FROM message WHERE id IN (SELECT id FROM old) RETURNING id
)
SELECT count(*) FROM gone
