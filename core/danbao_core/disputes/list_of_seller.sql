SELECT *
FROM dispute
WHERE
    seller_id = $11
    AND id < $1
ORDER BY id DESC
LIMIT $3
