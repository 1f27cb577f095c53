-- For each account one payment under way, on either side of it, or else one pending funding, open refund or open dispute. A payment that nobody paid in time is
-- not under way: time has closed it, although nobody may have come by to write it down.
SELECT k.account_id, open.payment_id, open.funding_id, open.refund_id, open.dispute_id
FROM unnest($1::uuid[]) AS k (account_id)
CROSS JOIN (
    SELECT statement_timestamp() + make_interval(secs => clock_offset_seconds) AS now FROM installation WHERE id = 1
) AS clock
CROSS JOIN LATERAL (
    (
        SELECT id AS payment_id, NULL::uuid AS funding_id, NULL::uuid AS refund_id, NULL::uuid AS dispute_id FROM payment
        WHERE payer_id = k.account_id AND state NOT IN (4, 5, 6) AND NOT (state = 1 AND due_at <= clock.now)
        LIMIT 1
    )
    UNION ALL
    (
        SELECT id, NULL, NULL, NULL FROM payment
        WHERE payee_id = k.account_id AND state NOT IN (4, 5, 6) AND NOT (state = 1 AND due_at <= clock.now)
        LIMIT 1
    )
    UNION ALL
    (SELECT NULL, id, NULL, NULL FROM funding WHERE account_id = k.account_id AND state IN (2, 4) LIMIT 1)
    UNION ALL
    (SELECT payment_id, NULL, id, NULL FROM refund WHERE payer_id = k.account_id AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT payment_id, NULL, id, NULL FROM refund WHERE payee_id = k.account_id AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT payment_id, NULL, NULL, id FROM dispute WHERE buyer_id = k.account_id AND respond_by IS NOT NULL ORDER BY respond_by LIMIT 1)
    UNION ALL
    (SELECT payment_id, NULL, NULL, id FROM dispute WHERE seller_id = k.account_id AND respond_by IS NOT NULL ORDER BY respond_by LIMIT 1)
    LIMIT 1
) AS open
