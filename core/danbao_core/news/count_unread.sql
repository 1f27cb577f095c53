-- How many messages of an account were not read; at most $2 are counted.
SELECT count(*)
FROM (SELECT FROM inbox_message WHERE account_id = $1 AND read_at IS NULL LIMIT $2) AS unread
