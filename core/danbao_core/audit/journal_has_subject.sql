-- A journal belongs to a payment, a refund, a dispute, a funding or a proposal, as its kind says.
WITH broken AS MATERIALIZED (
    SELECT journal.id, journal.kind, journal.subject_id
    FROM journal
    LEFT JOIN payment ON payment.id = journal.subject_id AND journal.kind LIKE 'payment.%'
    LEFT JOIN refund ON refund.id = journal.subject_id AND journal.kind LIKE 'refund.%'
    LEFT JOIN dispute ON dispute.id = journal.subject_id AND journal.kind LIKE 'dispute.%'
    LEFT JOIN funding ON funding.id = journal.subject_id AND journal.kind LIKE 'funding.%'
    LEFT JOIN proposal ON proposal.id = journal.subject_id AND journal.kind LIKE 'proposal.%'
    WHERE coalesce(payment.id, refund.id, dispute.id, funding.id, proposal.id) IS NULL
)
SELECT format('journal %s of kind %s has the subject %s, which is no %s', id, kind, subject_id, split_part(kind, '.', 1))
FROM broken
ORDER BY id
LIMIT 1
