SELECT *
FROM dispute
WHERE payment_id = $1
ORDER BY id
LIMIT $2
