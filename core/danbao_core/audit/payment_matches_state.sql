-- Where a payment stands says where its money is: PAID and SHIPPED (2, 3) hold all of it, and only in escrow mode (1);
-- AUTHORIZED (7) holds all of it, and only in authorization mode (3); SUCCEEDED and FINISHED (4, 5) released all of it, or in
-- authorization mode what was captured, and returned the rest; CLOSED (6) returned all of it, if it was paid; otherwise
-- nothing moved.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE held_minor <> CASE WHEN state IN (2, 3, 7) THEN amount_minor ELSE 0 END
        OR (state IN (4, 5) AND mode <> 3 AND released_minor <> amount_minor)
        OR (state IN (4, 5) AND mode = 3 AND released_minor NOT BETWEEN 1 AND amount_minor)
        OR (state NOT IN (4, 5) AND released_minor <> 0)
        OR returned_minor <> CASE
            WHEN state = 6 AND paid_at IS NOT NULL THEN amount_minor
            WHEN state IN (4, 5) AND mode = 3 THEN amount_minor - released_minor
            ELSE 0
        END
        OR (state IN (2, 3) AND mode <> 1)
        OR (state = 7 AND mode <> 3)
)
SELECT format(
    'payment %s of mode %s is %s, but of %s minor units of %s it holds %s, released %s and returned %s',
    id,
    mode,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED', 'AUTHORIZED'])[state],
    amount_minor, currency, held_minor, released_minor, returned_minor
)
FROM broken
ORDER BY id
LIMIT 1
