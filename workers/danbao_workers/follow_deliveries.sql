-- What waits behind deliveries and has not been tried itself is due when these are: $1 endpoints, $2 ordering ids, $3 positions of
-- their events, $4 times.
UPDATE delivery AS d
SET due_at = k.due_at
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[]) AS k (endpoint_id, ordering_id, event_position, due_at)
WHERE
    d.endpoint_id IS NOT DISTINCT FROM k.endpoint_id
    AND d.ordering_id = k.ordering_id
    AND d.event_position > k.event_position
    AND d.state = 1
    AND d.failures = 0
    AND d.due_at <> k.due_at
