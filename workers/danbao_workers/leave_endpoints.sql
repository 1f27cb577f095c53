-- Frees endpoints ($1) that a worker ($2) has leased. What is due to them and waits behind something that is not is due with that.
WITH blocked AS (
    UPDATE delivery AS d
    SET due_at = first.due_at
    FROM unnest($1::uuid[]) AS k (endpoint_id)
    JOIN webhook_endpoint AS e ON e.id = k.endpoint_id AND NOT e.unordered
    CROSS JOIN LATERAL (
        SELECT id, ordering_id FROM delivery WHERE endpoint_id = k.endpoint_id AND state = 1 AND due_at <= now()
    ) AS late
    CROSS JOIN LATERAL (
        SELECT due_at FROM delivery
        WHERE endpoint_id IS NOT DISTINCT FROM k.endpoint_id AND ordering_id = late.ordering_id AND state = 1
        ORDER BY event_position
        LIMIT 1
    ) AS first
    WHERE d.id = late.id AND first.due_at > now()
)
UPDATE webhook_health SET leased_by = NULL, leased_until = NULL WHERE endpoint_id = ANY ($1) AND leased_by = $2
