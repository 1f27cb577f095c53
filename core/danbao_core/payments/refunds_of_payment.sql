SELECT *
FROM refund
WHERE
    payment_id = $5
    AND id < $1
ORDER BY id DESC
LIMIT $3
