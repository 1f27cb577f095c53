-- What is sought among the first $4 rows, and the last of those, to go on behind it.
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (ORDER BY id DESC) AS number,
        (
            state = ANY($3::smallint[])
        ) AS sought
    FROM (
        SELECT *
        FROM open_item
        WHERE
            id < $1
        ORDER BY id DESC
        LIMIT $4
    ) AS looked_at
) AS numbered
WHERE sought OR number = $4
ORDER BY id DESC
LIMIT $2
