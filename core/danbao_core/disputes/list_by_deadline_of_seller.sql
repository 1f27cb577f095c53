SELECT *
FROM dispute
WHERE
    seller_id = $12
    AND respond_by IS NOT NULL
    AND respond_by < coalesce($6, 'infinity'::timestamptz)
    AND (respond_by, id) > ($1, $11)
ORDER BY respond_by, id
LIMIT $3
