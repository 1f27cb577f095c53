-- Forgets the oldest events, $2 at most, that are older than $1 days and an hour, so that deliveries, which are made a moment later
-- and by the clocks of workers, are never without theirs; answers how many those were.
WITH old AS (
    SELECT position
    FROM (SELECT position, relayed_at FROM event ORDER BY position LIMIT $2) AS first  -- or all that is kept would be looked at
    WHERE relayed_at < now() - make_interval(days => $1, hours => 1)
),
gone AS (
    DELETE FROM event WHERE position IN (SELECT position FROM old) RETURNING position
),
told AS (
    UPDATE event_log
    SET forgotten_position = greatest(forgotten_position, coalesce((SELECT max(position) FROM gone), 0))
    WHERE id = 1
)
SELECT count(*) FROM gone
