-- A balance's entries with versions above $2, up to $3, in sums: what kinds of movements there were, whether payments were to the
-- account ($4), the fee of those that were, and whether a dispute released them.
SELECT
    journal.kind,
    coalesce(payment.payee_id = $4, FALSE) AS payee,
    coalesce(journal.kind = 'dispute.settle' AND NOT dispute.released, FALSE) AS ends_escrow,
    count(*) AS count,
    sum(entry.amount_minor)::bigint AS amount_minor,
    coalesce(sum(payment.fee_minor), 0)::bigint AS fee_minor,
    count(*) FILTER (WHERE payment.fee_minor > 0) AS fee_count
FROM entry
JOIN journal ON journal.id = entry.journal_id
LEFT JOIN dispute ON dispute.id = journal.subject_id AND journal.kind LIKE 'dispute.%'
LEFT JOIN payment ON payment.id = CASE WHEN journal.kind LIKE 'payment.%' THEN journal.subject_id ELSE dispute.payment_id END
WHERE
    entry.balance_id = $1
    AND entry.version > $2
    AND entry.version <= $3
GROUP BY 1, 2, 3
