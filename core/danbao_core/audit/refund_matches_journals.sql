-- What the journals of a refund moved is what its source, state and destination say, in its currency. SUCCEEDED (3) brought its amount to
-- the payer (1) or, to a card (destination 2), outside (13): out of escrow (11) or, of what the payee has got (source 2), its part
-- from the payee (1) and the share from FEES (12). PENDING (1) of that source moved the payee's part into what it holds (2). One of
-- escrow that FAILED (4) left it there or moved all of it to the payee and, what it says was kept of it, FEES. Others moved nothing, or all of it back. No step was
-- taken twice. SUSPENSE (15) takes the place of an owner whose account is closed, as the open items say, and what an account is given
-- may repay what it owes (3).
WITH moved_by AS (
    SELECT entry.journal_id, entry.amount_minor, balance.currency, balance.purpose, balance.account_id
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    WHERE balance.purpose <> 15
    UNION ALL
    SELECT journal_id, amount_minor, currency, 15, account_id
    FROM open_item
), part AS (
    SELECT
        refund.id,
        journal.id AS journal_id,
        journal.kind,
        moved.amount_minor,
        CASE
            WHEN moved.currency <> refund.currency THEN 'astray'
            WHEN moved.purpose = 11 THEN 'escrow'
            WHEN moved.purpose = 12 THEN 'fees'
            WHEN moved.purpose = 13 AND refund.destination = 2 THEN 'payer'
            WHEN moved.purpose = 2 AND moved.account_id = refund.payee_id THEN 'held'
            WHEN moved.purpose IN (1, 3, 15) AND moved.account_id = refund.payee_id THEN 'payee'
            WHEN moved.purpose IN (1, 3, 15) AND moved.account_id = refund.payer_id AND refund.destination = 1 THEN 'payer'
            ELSE 'astray'
        END AS place
    FROM moved_by AS moved
    JOIN journal ON journal.id = moved.journal_id
    JOIN refund ON refund.id = journal.subject_id
), moved AS (
    SELECT
        id,
        count(DISTINCT journal_id) > count(DISTINCT kind) AS repeated,
        count(*) FILTER (WHERE place = 'astray') AS astray,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'escrow'), 0) AS escrow_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'fees'), 0) AS fees_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'held'), 0) AS held_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'payee'), 0) AS payee_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'payer'), 0) AS payer_minor
    FROM part
    GROUP BY id
), compared AS (
    SELECT
        refund.*,
        refund.amount_minor - refund.fee_share_minor AS part_minor,
        coalesce(moved.repeated, false) AS repeated,
        coalesce(moved.astray, 0) AS astray,
        coalesce(moved.escrow_minor, 0) AS escrow_minor,
        coalesce(moved.fees_minor, 0) AS fees_minor,
        coalesce(moved.held_minor, 0) AS held_minor,
        coalesce(moved.payee_minor, 0) AS payee_minor,
        coalesce(moved.payer_minor, 0) AS payer_minor
    FROM refund
    LEFT JOIN moved USING (id)
), broken AS MATERIALIZED (
    SELECT *
    FROM compared
    WHERE repeated
        OR astray > 0
        OR payer_minor <> CASE WHEN state = 3 THEN amount_minor ELSE 0 END
        OR held_minor <> CASE WHEN source = 2 AND state = 1 THEN part_minor ELSE 0 END
        OR (source = 2 AND (
            payee_minor <> CASE WHEN state IN (1, 3) THEN -part_minor ELSE 0 END
            OR fees_minor <> CASE WHEN state = 3 THEN -fee_share_minor ELSE 0 END
        ))
        OR (source = 1 AND state <> 4 AND (payee_minor <> 0 OR fees_minor <> 0))
        OR (source = 1 AND state = 4 AND (payee_minor + fees_minor <> -escrow_minor OR escrow_minor NOT IN (0, -amount_minor)))
        OR (source = 1 AND state = 4 AND fees_minor <> fee_kept_minor)
)
SELECT format(
    'refund %s of %s minor units of %s from source %s is %s, but its journals moved %s from escrow, %s to the payee, %s to what '
    'it holds, %s to the fees and %s to the payer, %s entries went astray%s',
    id,
    amount_minor,
    currency,
    source,
    (ARRAY['PENDING', 'AWAITING_FUNDS', 'SUCCEEDED', 'FAILED'])[state],
    -escrow_minor,
    payee_minor,
    held_minor,
    fees_minor,
    payer_minor,
    astray,
    CASE WHEN repeated THEN ', and a step was taken twice' ELSE '' END
)
FROM broken
ORDER BY id
LIMIT 1
