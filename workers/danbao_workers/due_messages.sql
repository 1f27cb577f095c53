-- Messages that wait to be sent: those that nobody has tried yet, then those that are to be tried again.
SELECT
    waiting.id,
    waiting.attempts AS mark,
    waiting.late_seconds
FROM (
    (
        SELECT id, attempts, extract(epoch FROM $1 - created_at)::float8 AS late_seconds
        FROM message
        WHERE state = 1 AND next_attempt_at IS NULL
        ORDER BY id
        LIMIT $2
    )
    UNION ALL
    (
        SELECT id, attempts, extract(epoch FROM now() - next_attempt_at)::float8 AS late_seconds
        FROM message
        WHERE state = 1 AND next_attempt_at <= now()
        ORDER BY next_attempt_at, id
        LIMIT $2
    )
) AS waiting
LIMIT $2
