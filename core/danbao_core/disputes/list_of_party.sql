-- Each side by its own index, no further than is looked at; no dispute has the same account on both sides.
SELECT *
FROM (
    (
        SELECT *
        FROM dispute
        WHERE
            buyer_id = $11
            AND id < $1
        ORDER BY id DESC
        LIMIT $3
    )
    UNION ALL
    (
        SELECT *
        FROM dispute
        WHERE
            seller_id = $11
            AND id < $1
        ORDER BY id DESC
        LIMIT $3
    )
) AS side
ORDER BY id DESC
LIMIT $3
