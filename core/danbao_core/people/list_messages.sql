-- The messages to a number, newest first.
SELECT *
FROM message
WHERE address_hash = ANY ($1) AND parameters <> '' -- what was erased says nothing
ORDER BY id DESC
LIMIT 100
