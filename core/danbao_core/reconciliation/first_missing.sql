-- The first day from $1 on that nobody asked for; operators may have asked for later ones.
SELECT min(day) AS day
FROM (
    SELECT $1::bigint AS day
    UNION ALL
    SELECT day + 1 FROM reconciliation WHERE day >= $1
) AS follower
WHERE NOT EXISTS (SELECT FROM reconciliation WHERE reconciliation.day = follower.day)
