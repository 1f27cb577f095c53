-- What an account was told and has not read, before a position, newest first.
SELECT *
FROM inbox_message
WHERE account_id = $1 AND position < $2 AND read_at IS NULL
ORDER BY position DESC
LIMIT $3
