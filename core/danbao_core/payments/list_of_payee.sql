-- What is sought among the first $8 rows, and the last of those, to go on behind it.
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (ORDER BY id DESC) AS number,
        (
            state = ANY($4::smallint[])
            AND mode = ANY($5::smallint[])
            AND ($6::timestamptz IS NULL OR created_at >= $6)
            AND ($7::timestamptz IS NULL OR created_at < $7)
        ) AS sought
    FROM (
        SELECT *
        FROM payment
        WHERE
            payee_id = $9
            AND id < $1
            AND id >= $2
        ORDER BY id DESC
        LIMIT $8
    ) AS looked_at
) AS numbered
WHERE sought OR number = $8
ORDER BY id DESC
LIMIT $3
