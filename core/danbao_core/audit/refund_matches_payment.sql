-- A refund is of a payment that was paid, between the same two accounts and in the same currency; of what the payee has got (source
-- 2) only where that was released. A card that was asked for is, or was, one of the payer's.
WITH broken AS MATERIALIZED (
    SELECT
        refund.id,
        CASE
            WHEN payment.id IS NULL THEN format('is of payment %s, which is missing', refund.payment_id)
            WHEN (refund.payer_id, refund.payee_id, refund.currency) <> (payment.payer_id, payment.payee_id, payment.currency)
                THEN format('is between other accounts or in another currency than payment %s', payment.id)
            WHEN payment.paid_at IS NULL THEN format('is of payment %s, which was not paid', payment.id)
            WHEN refund.source = 1 AND payment.mode <> 1 THEN format('is of escrow, but payment %s is of mode %s', payment.id, payment.mode)
            WHEN refund.source = 2 AND payment.succeeded_at IS NULL
                THEN format('is of what the payee has got, but payment %s was not released', payment.id)
            WHEN refund.instrument_id IS NOT NULL AND instrument.account_id IS DISTINCT FROM refund.payer_id
                THEN format('goes to card %s, which is none of the payer''s', refund.instrument_id)
        END AS breach
    FROM refund
    LEFT JOIN payment ON payment.id = refund.payment_id
    LEFT JOIN instrument ON instrument.id = refund.instrument_id
)
SELECT format('refund %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
