-- What refunds and disputes after the release gave back of the fee is in proportion, fee * refunded // released, and all of it where they gave back
-- all of what was released. Where one failed for another reason than that the payee lacked the money (failure 3), what was
-- rounded before stays, so the proportion is not exact.
WITH uneven AS (
    SELECT DISTINCT payment_id
    FROM refund
    WHERE failure = 3
), broken AS MATERIALIZED (
    SELECT
        payment.*,
        CASE WHEN released_minor > 0 THEN div(fee_minor::numeric * refund_taken_minor, released_minor) ELSE 0 END AS expected_minor
    FROM payment
    LEFT JOIN uneven ON uneven.payment_id = payment.id
    WHERE fee_returned_minor NOT BETWEEN 0 AND fee_minor
        OR (released_minor > 0 AND refund_taken_minor = released_minor AND fee_returned_minor <> fee_minor)
        OR (
            uneven.payment_id IS NULL
            AND fee_returned_minor
                <> CASE WHEN released_minor > 0 THEN div(fee_minor::numeric * refund_taken_minor, released_minor) ELSE 0 END
        )
)
SELECT format(
    'payment %s gave back %s of a fee of %s minor units of %s, with %s of %s released; it should be %s',
    id, fee_returned_minor, fee_minor, currency, refund_taken_minor, released_minor, expected_minor
)
FROM broken
ORDER BY id
LIMIT 1
