-- What was done to one subject, newest first.
SELECT *
FROM (
    (
        SELECT
            id, subject_kind AS kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
            false AS moves_money
        FROM audit_event
        WHERE
            subject_id = $9
            AND subject_kind = $10
            AND id < $1
            AND id >= $8
        ORDER BY id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT
            id, kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
            true AS moves_money
        FROM journal
        WHERE
            subject_id = $9
            AND split_part(kind, '.', 1) = $10
            AND id < $1
            AND id >= $8
        ORDER BY id DESC
        LIMIT $3
    )
) AS fact
ORDER BY id DESC
LIMIT $3
