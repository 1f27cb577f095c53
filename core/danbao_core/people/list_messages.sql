-- The messages to a number, newest first.
SELECT *
FROM message
WHERE address_hash = ANY ($1)
ORDER BY id DESC
LIMIT 100
