-- The last attempts of each of these deliveries, $2 at most.
SELECT a.*
FROM unnest($1::uuid[]) AS k (delivery_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM delivery_attempt
    WHERE delivery_attempt.delivery_id = k.delivery_id
    ORDER BY number DESC
    LIMIT $2
) AS a
