-- Where a payment stands says where its money is: PAID and SHIPPED (2, 3) hold all of it, and only in escrow mode (1);
-- SUCCEEDED and FINISHED (4, 5) released all of it; CLOSED (6) returned all of it, if it was paid; otherwise nothing moved.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE held_minor <> CASE WHEN state IN (2, 3) THEN amount_minor ELSE 0 END
        OR released_minor <> CASE WHEN state IN (4, 5) THEN amount_minor ELSE 0 END
        OR returned_minor <> CASE WHEN state = 6 AND paid_at IS NOT NULL THEN amount_minor ELSE 0 END
        OR (state IN (2, 3) AND mode <> 1)
)
SELECT format(
    'payment %s of mode %s is %s, but of %s minor units of %s it holds %s, released %s and returned %s',
    id,
    mode,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED'])[state],
    amount_minor, currency, held_minor, released_minor, returned_minor
)
FROM broken
ORDER BY id
LIMIT 1
