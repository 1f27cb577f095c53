-- What was done to the subjects $1, oldest first. Each is sought by itself, or the primary keys might be walked for all.
SELECT fact.*
FROM unnest($1::uuid[]) AS subject (id)
CROSS JOIN LATERAL (
    (
        SELECT
            id, subject_kind AS kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
            false AS moves_money
        FROM audit_event
        WHERE subject_id = subject.id
        ORDER BY id
        LIMIT $2
    )
    UNION ALL
    (
        SELECT
            id, kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
            true AS moves_money
        FROM journal
        WHERE subject_id = subject.id
        ORDER BY id
        LIMIT $2
    )
) AS fact
ORDER BY fact.id
LIMIT $2
