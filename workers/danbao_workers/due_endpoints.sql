-- Enabled endpoints to which something is due ($1 is business time; deliveries go by wall time) and that do not rest
-- or wait to be resumed.
SELECT e.id, floor(extract(epoch FROM d.due_at) * 1000)::bigint AS mark, extract(epoch FROM now() - d.due_at)::float8 AS late_seconds
FROM webhook_endpoint AS e
LEFT JOIN webhook_health AS h ON h.endpoint_id = e.id
CROSS JOIN LATERAL (
    SELECT due_at
    FROM delivery
    WHERE
        endpoint_id = e.id
        AND state = 1
        AND due_at <= now()
    ORDER BY due_at
    LIMIT 1
) AS d
WHERE
    e.state = 1
    AND e.resumes_at IS NULL
    AND $1::timestamptz IS NOT NULL
    AND (h.rests_until IS NULL OR h.rests_until <= now())
ORDER BY d.due_at
LIMIT $2
