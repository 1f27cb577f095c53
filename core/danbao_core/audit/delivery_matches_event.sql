-- A delivery is of an event that is kept or forgotten, to an endpoint that may know of it.
WITH broken AS MATERIALIZED (
    SELECT delivery.id
    FROM delivery
    CROSS JOIN event_log
    LEFT JOIN event ON event.position = delivery.event_position
    LEFT JOIN webhook_endpoint ON webhook_endpoint.id = delivery.endpoint_id
    WHERE
        webhook_endpoint.id IS NULL
        OR (event.position IS NULL AND delivery.event_position > event_log.forgotten_position)
        OR (event.id, event.topic, event.ordering_id) <> (delivery.event_id, delivery.topic, delivery.ordering_id)
        OR (
            event.position IS NOT NULL
            AND webhook_endpoint.account_id IS NOT NULL
            AND webhook_endpoint.account_id IS DISTINCT FROM event.account_id
            AND webhook_endpoint.account_id IS DISTINCT FROM event.other_account_id
        )
)
SELECT format('delivery %s is of no event that its endpoint may know of', id)
FROM broken
ORDER BY id
LIMIT 1
