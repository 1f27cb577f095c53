-- Of no payment goes out more than came in: over all its journals, with those of its refunds and disputes, the payer never has more
-- than before, and the payee, the platform's fees (12) and its escrow (11) never less, nor is more in escrow than was paid. What the
-- fund (14) adds to an award is not of the payment. What an account holds (2) or owes (3) is part of what it has, SUSPENSE (15) takes
-- the place of an owner whose account is closed, as the open items say, and a card is the payer's (13).
WITH moved_by AS (
    SELECT entry.journal_id, entry.amount_minor, balance.purpose, balance.account_id
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    WHERE balance.purpose <> 15
    UNION ALL
    SELECT journal_id, amount_minor, 15, account_id
    FROM open_item
), moved AS (
    SELECT
        payment.id,
        sum(moved_by.amount_minor) FILTER (WHERE moved_by.account_id = payment.payer_id OR moved_by.purpose IN (13, 14)) AS payer_minor,
        sum(moved_by.amount_minor) FILTER (WHERE moved_by.account_id = payment.payee_id) AS payee_minor,
        sum(moved_by.amount_minor) FILTER (WHERE moved_by.purpose = 11) AS escrow_minor,
        sum(moved_by.amount_minor) FILTER (WHERE moved_by.purpose = 12) AS fees_minor
    FROM moved_by
    JOIN journal ON journal.id = moved_by.journal_id
    LEFT JOIN refund ON refund.id = journal.subject_id
    LEFT JOIN dispute ON dispute.id = journal.subject_id
    JOIN payment ON payment.id = coalesce(refund.payment_id, dispute.payment_id, journal.subject_id)
    GROUP BY payment.id
), broken AS MATERIALIZED (
    SELECT payment.id, payment.currency, payment.amount_minor, payer_minor, payee_minor, escrow_minor, fees_minor
    FROM moved
    JOIN payment USING (id)
    WHERE coalesce(payer_minor, 0) NOT BETWEEN -amount_minor AND 0
        OR coalesce(payee_minor, 0) < 0
        OR coalesce(fees_minor, 0) < 0
        OR coalesce(escrow_minor, 0) NOT BETWEEN 0 AND amount_minor
)
SELECT format(
    'payment %s of %s minor units of %s moved in all %s to the payer, %s to the payee, %s into escrow and %s to the fees',
    id, amount_minor, currency, coalesce(payer_minor, 0), coalesce(payee_minor, 0), coalesce(escrow_minor, 0), coalesce(fees_minor, 0)
)
FROM broken
ORDER BY id
LIMIT 1
