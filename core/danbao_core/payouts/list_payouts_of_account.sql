SELECT *
FROM payout
WHERE
    account_id = $3
    AND id < $1
ORDER BY id DESC
LIMIT $2
