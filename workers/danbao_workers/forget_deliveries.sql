-- Forgets the oldest deliveries, $2 at most, whose ids are before $1, with their attempts; answers how many those were.
WITH old AS (
    SELECT id
    FROM delivery
    WHERE id < $1
    ORDER BY id
    LIMIT $2
),
attempts AS (
    DELETE FROM delivery_attempt WHERE delivery_id IN (SELECT id FROM old)
),
gone AS (
    DELETE FROM delivery WHERE id IN (SELECT id FROM old) RETURNING id
)
SELECT count(*) FROM gone
