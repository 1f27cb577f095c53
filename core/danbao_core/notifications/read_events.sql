SELECT position, id, topic, ordering_id, subject_id, account_id, other_account_id, payload
FROM event
WHERE
    position > $1
    AND position <= $2
ORDER BY position
LIMIT $3
