DELETE FROM outbox
WHERE sequence = ANY (ARRAY(SELECT sequence FROM outbox ORDER BY sequence LIMIT $1))
RETURNING sequence, id, topic, subject_id, subject_version, ordering_id, payload, created_at, traceparent
