SELECT *
FROM payment
WHERE
    id < $1
    AND id >= $8
ORDER BY id DESC
LIMIT $3
