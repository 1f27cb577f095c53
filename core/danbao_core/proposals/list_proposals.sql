SELECT *
FROM proposal
WHERE
    id < $1
    AND state = ANY($3::smallint[])
ORDER BY id DESC
LIMIT $2
