-- Leases endpoints ($1) for a worker ($3), for $4 seconds, unless another has them or they rest, and answers the deliveries that
-- may be sent to them now: as many as there is room for ($2), one alone where the endpoint keeps failing (for $6 times), and of
-- each subject the first that has not arrived. $5 are those that are on their way. An endpoint with none is answered, too.
--
-- What comes before a delivery is found by its subject, of which few are pending. An endpoint may have thousands, so its index must
-- not be taken for that, whatever the planner believes: for IS NOT DISTINCT FROM none is.
WITH free AS (
    SELECT h.endpoint_id, k.room
    FROM unnest($1::uuid[], $2::bigint[]) AS k (endpoint_id, room)
    JOIN webhook_health AS h ON h.endpoint_id = k.endpoint_id
    WHERE
        (h.leased_by = $3 OR h.leased_until IS NULL OR h.leased_until < now())
        AND (h.rests_until IS NULL OR h.rests_until <= now())
    ORDER BY h.endpoint_id
    FOR UPDATE OF h SKIP LOCKED
),
leased AS (
    UPDATE webhook_health AS h
    SET leased_by = $3, leased_until = now() + make_interval(secs => $4)
    FROM free
    WHERE h.endpoint_id = free.endpoint_id
    RETURNING h.endpoint_id, h.failures, CASE WHEN h.failures >= $6 THEN 1 ELSE free.room END AS room
)
SELECT
    leased.endpoint_id, d.id, d.version, d.failures, d.attempts, d.ordering_id,
    e.url, e.unordered, e.secret, e.old_secret, e.old_secret_expires_at,
    v.id AS event_id, v.position AS event_position, v.topic, v.payload, v.created_at, v.traceparent, leased.failures = 0 AS healthy
FROM leased
LEFT JOIN LATERAL (
    SELECT w.*, row_number() OVER (ORDER BY w.due_at, w.event_position) AS number
    FROM (
        SELECT f.id, f.version, f.failures, f.attempts, f.ordering_id, f.event_position, f.due_at
        FROM delivery AS f
        JOIN webhook_endpoint AS o ON o.id = f.endpoint_id AND o.state = 1 AND o.resumes_at IS NULL
        WHERE
            f.endpoint_id = leased.endpoint_id
            AND f.state = 1
            AND f.due_at <= now()
            AND f.id <> ALL ($5::uuid[])
            AND (
                o.unordered
                OR NOT EXISTS (
                    SELECT FROM delivery AS before
                    WHERE
                        before.endpoint_id IS NOT DISTINCT FROM f.endpoint_id
                        AND before.ordering_id = f.ordering_id
                        AND before.state = 1
                        AND before.event_position < f.event_position
                )
            )
        ORDER BY f.due_at, f.event_position
        LIMIT 64
    ) AS w
) AS d ON d.number <= leased.room
LEFT JOIN webhook_endpoint AS e ON e.id = leased.endpoint_id
LEFT JOIN event AS v ON v.position = d.event_position
ORDER BY d.due_at, d.event_position
