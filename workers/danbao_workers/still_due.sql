-- Those of the endpoints $1 to which something is due.
SELECT k.endpoint_id
FROM unnest($1::uuid[]) AS k (endpoint_id)
JOIN webhook_endpoint AS e ON e.id = k.endpoint_id AND e.state = 1 AND e.resumes_at IS NULL
JOIN webhook_health AS h ON h.endpoint_id = k.endpoint_id AND (h.rests_until IS NULL OR h.rests_until <= now())
WHERE EXISTS (
    SELECT FROM delivery
    WHERE
        endpoint_id = k.endpoint_id
        AND state = 1
        AND due_at <= now()
)
