-- Endpoints with a secret that nothing is signed with any more ($1 is business time; this is wall time).
SELECT id, version AS mark, extract(epoch FROM now() - old_secret_expires_at)::float8 AS late_seconds
FROM webhook_endpoint
WHERE
    old_secret_expires_at <= now()
    AND $1::timestamptz IS NOT NULL
ORDER BY old_secret_expires_at
LIMIT $2
