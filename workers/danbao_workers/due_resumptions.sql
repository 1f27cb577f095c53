-- Endpoints that were enabled again, whose deliveries are to be taken up anew ($1 is business time; this is wall time).
SELECT id, version AS mark, extract(epoch FROM now() - resumes_at)::float8 AS late_seconds
FROM webhook_endpoint
WHERE
    resumes_at IS NOT NULL
    AND $1::timestamptz IS NOT NULL
ORDER BY resumes_at
LIMIT $2
