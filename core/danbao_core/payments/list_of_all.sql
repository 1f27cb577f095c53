SELECT *
FROM payment
WHERE
    id < $1
    AND id >= $2
    AND state = ANY($4::smallint[])
    AND mode = ANY($5::smallint[])
    AND ($6::timestamptz IS NULL OR created_at >= $6)
    AND ($7::timestamptz IS NULL OR created_at < $7)
ORDER BY id DESC
LIMIT $3
