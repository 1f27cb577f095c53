SELECT *
FROM webhook_endpoint
WHERE
    account_id = $3
    AND state <> 3
    AND id < $1
ORDER BY id DESC
LIMIT $2
