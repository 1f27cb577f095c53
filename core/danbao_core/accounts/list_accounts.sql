SELECT *
FROM account
WHERE
    id < $1
    AND kind = ANY($3::smallint[])
    AND state = ANY($4::smallint[])
ORDER BY id DESC
LIMIT $2
