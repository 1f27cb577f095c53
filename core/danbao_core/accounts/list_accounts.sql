-- What is sought among the first $5 rows, and the last of those, to go on behind it.
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (ORDER BY id DESC) AS number,
        (
            kind = ANY($3::smallint[])
            AND state = ANY($4::smallint[])
        ) AS sought
    FROM (
        SELECT *
        FROM account
        WHERE
            id < $1
        ORDER BY id DESC
        LIMIT $5
    ) AS looked_at
) AS numbered
WHERE sought OR number = $5
ORDER BY id DESC
LIMIT $2
