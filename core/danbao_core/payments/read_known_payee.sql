-- For each pair of payer and payee itself where the payer has paid the payee, among the payer's newest 5,000 payments: what is
-- older does not vouch for anybody.
SELECT k.payer_id, k.payee_id
FROM unnest($1::uuid[], $2::uuid[]) AS k (payer_id, payee_id)
WHERE EXISTS (
    SELECT FROM (
        SELECT payment.payee_id, payment.paid_at
        FROM payment
        WHERE payment.payer_id = k.payer_id
        ORDER BY payment.id DESC
        LIMIT 5000
    ) AS newest
    WHERE newest.payee_id = k.payee_id AND newest.paid_at IS NOT NULL
)
