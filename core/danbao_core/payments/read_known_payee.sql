-- For each pair of payer and payee when the payer first paid the payee, among the payer's newest 5,000 payments, and nothing where
-- they did not: what is older vouches for nobody.
SELECT k.payer_id, k.payee_id, first.paid_at
FROM unnest($1::uuid[], $2::uuid[]) AS k (payer_id, payee_id)
CROSS JOIN LATERAL (
    SELECT min(newest.paid_at) AS paid_at
    FROM (
        SELECT payment.payee_id, payment.paid_at
        FROM payment
        WHERE payment.payer_id = k.payer_id
        ORDER BY payment.id DESC
        LIMIT 5000
    ) AS newest
    WHERE newest.payee_id = k.payee_id
) AS first
WHERE first.paid_at IS NOT NULL
