SELECT *
FROM dispute_step
WHERE
    dispute_id = $1
    AND ($2::bigint IS NULL OR version < $2)
ORDER BY version DESC
LIMIT $3
