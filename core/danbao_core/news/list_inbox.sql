-- What an account was told, before a position, newest first.
SELECT *
FROM inbox_message
WHERE account_id = $1 AND position < $2
ORDER BY position DESC
LIMIT $3
