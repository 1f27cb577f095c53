SELECT *
FROM dispute
WHERE
    payment_id = $11
    AND id < $1
ORDER BY id DESC
LIMIT $3
