-- Each side by its own index, no further than the page goes; no payment has the same account on both sides.
SELECT *
FROM (
    (
        SELECT *
        FROM payment
        WHERE
            payer_id = $8
            AND id < $1
            AND id >= $2
            AND state = ANY($4::smallint[])
            AND mode = ANY($5::smallint[])
            AND ($6::timestamptz IS NULL OR created_at >= $6)
            AND ($7::timestamptz IS NULL OR created_at < $7)
        ORDER BY id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT *
        FROM payment
        WHERE
            payee_id = $8
            AND id < $1
            AND id >= $2
            AND state = ANY($4::smallint[])
            AND mode = ANY($5::smallint[])
            AND ($6::timestamptz IS NULL OR created_at >= $6)
            AND ($7::timestamptz IS NULL OR created_at < $7)
        ORDER BY id DESC
        LIMIT $3
    )
) AS side
ORDER BY id DESC
LIMIT $3
