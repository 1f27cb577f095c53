-- A payment with an order number is the one that its payee's order number leads to.
WITH broken AS MATERIALIZED (
    SELECT payment.id, payment.payee_id, payment.order_no, order_ref.payment_id
    FROM payment
    LEFT JOIN order_ref ON order_ref.payee_id = payment.payee_id AND order_ref.order_no = payment.order_no
    WHERE payment.order_no <> '' AND order_ref.payment_id IS DISTINCT FROM payment.id
)
SELECT format(
    'payment %s has order number %L of payee %s, which leads to %s',
    id, order_no, payee_id, coalesce('payment ' || payment_id, 'no payment')
)
FROM broken
ORDER BY id
LIMIT 1
