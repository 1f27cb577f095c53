-- Each side by its own index, no further than is looked at; no refund has the same account on both sides.
SELECT *
FROM (
    (
        SELECT *
        FROM refund
        WHERE
            payer_id = $5
            AND id < $1
        ORDER BY id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT *
        FROM refund
        WHERE
            payee_id = $5
            AND id < $1
        ORDER BY id DESC
        LIMIT $3
    )
) AS side
ORDER BY id DESC
LIMIT $3
