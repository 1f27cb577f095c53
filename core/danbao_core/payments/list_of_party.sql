-- Each side by its own index, no further than is looked at; no payment has the same account on both sides.
SELECT *
FROM (
    (
        SELECT *
        FROM payment
        WHERE
            payer_id = $9
            AND id < $1
            AND id >= $8
        ORDER BY id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT *
        FROM payment
        WHERE
            payee_id = $9
            AND id < $1
            AND id >= $8
        ORDER BY id DESC
        LIMIT $3
    )
) AS side
ORDER BY id DESC
LIMIT $3
