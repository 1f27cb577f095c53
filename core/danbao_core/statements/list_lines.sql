-- A balance's entries with versions above $2, up to $3, oldest first: why the money moved, and who was on the other side.
SELECT
    entry.version,
    entry.amount_minor,
    entry.balance_after_minor,
    journal.kind,
    journal.subject_id,
    refund.payment_id AS refunded_id,
    journal.created_at,
    payment.order_no,
    payment.subject,
    payment.fee_minor,
    payment.payee_id = $4 AS payee,
    journal.kind = 'dispute.settle' AND NOT dispute.released AS ends_escrow,
    other.kind AS other_kind,
    other.display_name AS other_name
FROM entry
JOIN journal ON journal.id = entry.journal_id
LEFT JOIN refund ON refund.id = journal.subject_id AND journal.kind LIKE 'refund.%'
LEFT JOIN dispute ON dispute.id = journal.subject_id AND journal.kind LIKE 'dispute.%'
LEFT JOIN payment
    ON payment.id
    = CASE WHEN journal.kind LIKE 'payment.%' THEN journal.subject_id ELSE coalesce(refund.payment_id, dispute.payment_id) END
LEFT JOIN account AS other ON other.id = CASE WHEN payment.payee_id = $4 THEN payment.payer_id ELSE payment.payee_id END
WHERE
    entry.balance_id = $1
    AND entry.version > $2
    AND entry.version <= $3
ORDER BY entry.version
LIMIT $5
