SELECT *
FROM payment
WHERE
    payee_id = $9
    AND id < $1
    AND id >= $8
ORDER BY id DESC
LIMIT $3
