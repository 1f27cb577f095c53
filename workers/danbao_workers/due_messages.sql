SELECT
    id,
    attempts AS mark,
    extract(epoch FROM coalesce(now() - next_attempt_at, $1 - created_at))::float8 AS late_seconds
FROM message
WHERE state = 1 AND (next_attempt_at IS NULL OR next_attempt_at <= now())
ORDER BY next_attempt_at NULLS FIRST, id
LIMIT $2
