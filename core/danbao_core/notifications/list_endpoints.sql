SELECT *
FROM webhook_endpoint
WHERE
    state <> 3
    AND id < $1
ORDER BY id DESC
LIMIT $2
