(
    SELECT position, id, topic, ordering_id, subject_id, account_id, other_account_id, payload
    FROM event
    WHERE
        account_id = $4
        AND position > $1
        AND position <= $2
    ORDER BY position
    LIMIT $3
)
UNION ALL
(
    SELECT position, id, topic, ordering_id, subject_id, account_id, other_account_id, payload
    FROM event
    WHERE
        other_account_id = $4
        AND account_id IS DISTINCT FROM $4
        AND position > $1
        AND position <= $2
    ORDER BY position
    LIMIT $3
)
ORDER BY position
LIMIT $3
