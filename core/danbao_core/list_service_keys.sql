SELECT *
FROM service_key
WHERE id < $1
ORDER BY id DESC
LIMIT $2
