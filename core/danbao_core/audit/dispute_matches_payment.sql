-- A dispute is of a payment that was paid, between the same two accounts, in the same currency and of no more than was paid; of what
-- the seller has got (released) only where that succeeded, and before it only of escrow (mode 1). While one is open, what is disputed
-- is in nobody's way: no refund and no award has given it back.
WITH broken AS MATERIALIZED (
    SELECT
        dispute.id,
        CASE
            WHEN payment.id IS NULL THEN format('is of payment %s, which is missing', dispute.payment_id)
            WHEN (dispute.buyer_id, dispute.seller_id, dispute.currency) <> (payment.payer_id, payment.payee_id, payment.currency)
                THEN format('is between other accounts or in another currency than payment %s', payment.id)
            WHEN payment.paid_at IS NULL THEN format('is of payment %s, which was not paid', payment.id)
            WHEN dispute.released AND payment.succeeded_at IS NULL
                THEN format('is of what the seller has got, but payment %s was not released', payment.id)
            WHEN NOT dispute.released AND payment.mode <> 1 THEN format('is of escrow, but payment %s is of mode %s', payment.id, payment.mode)
            WHEN dispute.amount_minor > payment.amount_minor
                THEN format('is of %s minor units of %s, but payment %s of %s',
                    dispute.amount_minor, dispute.currency, payment.id, payment.amount_minor)
            WHEN dispute.state BETWEEN 1 AND 4
                AND dispute.amount_minor > CASE payment.mode WHEN 3 THEN payment.released_minor ELSE payment.amount_minor END
                    - payment.refund_reserved_minor - payment.refunded_minor - payment.awarded_minor
                THEN format('is of %s minor units of %s, of which payment %s has given some back', dispute.amount_minor, dispute.currency, payment.id)
            WHEN dispute.state BETWEEN 1 AND 4 AND dispute.released <> (payment.state = 4)
                THEN format('was opened %s the release, but payment %s is in state %s',
                    CASE WHEN dispute.released THEN 'after' ELSE 'before' END, payment.id, payment.state)
        END AS breach
    FROM dispute
    LEFT JOIN payment ON payment.id = dispute.payment_id
)
SELECT format('dispute %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
