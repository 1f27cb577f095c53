-- Where a payment stands says where its money is: once it is paid, all of it is held, released or returned. PAID and SHIPPED (2, 3)
-- hold what no refund returned, and only in escrow mode (1); AUTHORIZED (7) holds all of it, and only in authorization mode (3).
-- SUCCEEDED and FINISHED (4, 5) released some, all of it in instant mode (2); what one that succeeded or was closed still holds is
-- for open refunds of escrow mode. CLOSED (6) released nothing but what came back, all of it, by refunds (reason 8) or at last by a
-- dispute (9), which leaves open refunds to bring back the rest; and what brings back all of it closes it. Disputes award nothing
-- before the release but where they end in it. Nothing moved before it was paid.
WITH broken AS MATERIALIZED (
    SELECT *
    FROM payment
    WHERE held_minor::numeric + released_minor + returned_minor 
            <> CASE WHEN state = 1 OR (state = 6 AND paid_at IS NULL) THEN 0 ELSE amount_minor END
        OR (state IN (2, 3) AND (held_minor = 0 OR released_minor <> 0 OR mode <> 1))
        OR (state = 7 AND (held_minor <> amount_minor OR mode <> 3))
        OR (state IN (4, 6) AND held_minor > CASE mode WHEN 1 THEN refund_reserved_minor ELSE 0 END)
        OR (state = 5 AND (held_minor <> 0 OR refund_reserved_minor <> 0))
        OR (state IN (2, 3) AND (returned_minor <> refunded_minor OR awarded_minor <> 0))
        OR (state IN (4, 5) AND mode = 1 AND returned_minor > refunded_minor + awarded_minor)
        OR (state IN (4, 5) AND (released_minor = 0 OR (mode = 2 AND released_minor <> amount_minor)))
        OR (state = 6 AND close_reason NOT IN (8, 9) AND released_minor <> 0)
        OR (
            (close_reason IN (8, 9) OR state IN (2, 3, 4, 5))
            AND (close_reason IN (8, 9)) <> (
                refunded_minor + awarded_minor + CASE close_reason WHEN 9 THEN refund_reserved_minor ELSE 0 END
                    = CASE mode WHEN 3 THEN released_minor ELSE amount_minor END
            )
        )
)
SELECT format(
    'payment %s of mode %s is %s, but of %s minor units of %s it holds %s, released %s and returned %s, with %s refunded and %s awarded',
    id,
    mode,
    (ARRAY['AWAITING_PAYMENT', 'PAID', 'SHIPPED', 'SUCCEEDED', 'FINISHED', 'CLOSED', 'AUTHORIZED'])[state],
    amount_minor, currency, held_minor, released_minor, returned_minor, refunded_minor, awarded_minor
)
FROM broken
ORDER BY id
LIMIT 1
