-- An order number leads to a payment that has it, to the same payee.
WITH broken AS MATERIALIZED (
    SELECT order_ref.*, payment.id IS NULL AS is_missing
    FROM order_ref
    LEFT JOIN payment ON payment.id = order_ref.payment_id
    WHERE payment.id IS NULL
        OR payment.payee_id <> order_ref.payee_id
        OR payment.order_no <> order_ref.order_no
)
SELECT format(
    'order number %L of payee %s leads to payment %s, which %s',
    order_no, payee_id, payment_id, CASE WHEN is_missing THEN 'is missing' ELSE 'has another order number or payee' END
)
FROM broken
ORDER BY payee_id, order_no
LIMIT 1
