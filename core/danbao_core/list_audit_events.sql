-- Everybody's doings, newest first: what is sought among the first $4 facts, and the last of those, to go on behind it.
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (ORDER BY id DESC) AS number,
        (
            ($5 = '' OR caller = $5)
            AND ($6 = '' OR method = $6)
            AND ($7::timestamptz IS NULL OR created_at >= $7)
            AND ($8::timestamptz IS NULL OR created_at < $8)
        ) AS sought
    FROM (
        (
            SELECT
                id, subject_kind AS kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
                false AS moves_money
            FROM audit_event
            WHERE
                id < $1
                AND id >= $2
            ORDER BY id DESC
            LIMIT $4
        )
        UNION ALL
        (
            SELECT
                id, kind, subject_id, method, caller, key_id, peer, request_id, memo, created_at,
                true AS moves_money
            FROM journal
            WHERE
                id < $1
                AND id >= $2
            ORDER BY id DESC
            LIMIT $4
        )
    ) AS fact
    ORDER BY id DESC
    LIMIT $4
) AS looked_at
WHERE sought OR number = $4
ORDER BY id DESC
LIMIT $3
