-- The events after one position up to another that concern somebody who registered an account as theirs.
SELECT event.position, event.id, event.topic, event.payload, event.created_at
FROM event
WHERE
    event.position > $1
    AND event.position <= $2
    AND EXISTS (
        SELECT
        FROM account
        WHERE account.personal AND account.id IN (event.account_id, event.other_account_id)
    )
ORDER BY event.position
