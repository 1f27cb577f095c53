-- Each side by its own index, no further than is looked at; no dispute has the same account on both sides.
SELECT *
FROM (
    (
        SELECT *
        FROM dispute
        WHERE
            buyer_id = $12
            AND respond_by IS NOT NULL
            AND respond_by < coalesce($6, 'infinity'::timestamptz)
            AND (respond_by, id) > ($1, $11)
        ORDER BY respond_by, id
        LIMIT $3
    )
    UNION ALL
    (
        SELECT *
        FROM dispute
        WHERE
            seller_id = $12
            AND respond_by IS NOT NULL
            AND respond_by < coalesce($6, 'infinity'::timestamptz)
            AND (respond_by, id) > ($1, $11)
        ORDER BY respond_by, id
        LIMIT $3
    )
) AS side
ORDER BY respond_by, id
LIMIT $3
