-- Everybody's doings, newest first.
SELECT *
FROM (
    (
        SELECT
            id, subject_kind AS kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
            false AS moves_money
        FROM audit_event
        WHERE
            id < $1
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
            id < $1
            AND id >= $8
        ORDER BY id DESC
        LIMIT $3
    )
) AS fact
ORDER BY id DESC
LIMIT $3
