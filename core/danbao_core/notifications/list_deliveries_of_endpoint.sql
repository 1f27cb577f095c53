SELECT *
FROM delivery
WHERE
    endpoint_id = $6
    AND id < $1
ORDER BY id DESC
LIMIT $3
