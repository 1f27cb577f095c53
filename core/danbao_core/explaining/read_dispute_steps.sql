SELECT step.*
FROM unnest($1::uuid[]) AS subject (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM dispute_step
    WHERE dispute_id = subject.id
    ORDER BY version
    LIMIT $2
) AS step
ORDER BY step.dispute_id, step.version
LIMIT $2
