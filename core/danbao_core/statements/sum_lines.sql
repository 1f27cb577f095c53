-- A balance's entries with versions above $2, up to $3, in sums: what kinds of movements there were, whether payments were to the
-- account ($4), the fee of those that were, and whether a dispute released them; each as `list_lines.sql` has it.
SELECT
    journal.kind,
    coalesce(payment.payee_id = $4, FALSE) AS payee,
    coalesce(journal.kind = 'dispute.settle' AND NOT dispute.released, FALSE) AS ends_escrow,
    count(*) AS count,
    sum(entry.amount_minor)::bigint AS amount_minor,
    coalesce(sum(fee.minor), 0)::bigint AS fee_minor,
    count(*) FILTER (WHERE fee.minor > 0) AS fee_count
FROM entry
JOIN journal ON journal.id = entry.journal_id
LEFT JOIN dispute ON dispute.id = journal.subject_id AND journal.kind LIKE 'dispute.%'
LEFT JOIN payment ON payment.id = CASE WHEN journal.kind LIKE 'payment.%' THEN journal.subject_id ELSE dispute.payment_id END
LEFT JOIN refund ON refund.id = journal.subject_id AND journal.kind = 'refund.release'
CROSS JOIN LATERAL (
    SELECT coalesce(sum(fee_kept_minor), 0) AS minor
    FROM refund AS late
    WHERE payment.refund_count > 0 AND late.payment_id = payment.id
) AS later
CROSS JOIN LATERAL (SELECT coalesce(refund.fee_kept_minor, payment.fee_minor - later.minor) AS minor) AS fee
WHERE
    entry.balance_id = $1
    AND entry.version > $2
    AND entry.version <= $3
GROUP BY 1, 2, 3
