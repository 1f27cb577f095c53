-- Disputes in which time has brought something about.
SELECT id, version AS mark, extract(epoch FROM $1 - due_at)::float8 AS late_seconds
FROM dispute
WHERE due_at <= $1
ORDER BY due_at
LIMIT $2
