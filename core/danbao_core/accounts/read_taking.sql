-- For each account the moment when money of a payment last reached it, in any of its wallets, to be spent (purpose 1) or against
-- what it owes (3); nothing where none ever did. What comes back to a payer is none of its takings. Each balance's entries are
-- walked from the newest back to the first that is one: OFFSET 0 and the subquery keep the planner from beginning at the payments,
-- of which a shop has many.
SELECT k.account_id, max(newest.created_at)
FROM unnest($1::uuid[]) AS k (account_id)
JOIN balance ON balance.account_id = k.account_id AND balance.purpose IN (1, 3)
CROSS JOIN LATERAL (
    SELECT taking.created_at
    FROM entry
    CROSS JOIN LATERAL (
        SELECT journal.created_at
        FROM journal
        WHERE journal.id = entry.journal_id
            AND (
                (
                    journal.kind IN ('payment.pay', 'payment.confirm', 'payment.auto_confirm', 'payment.capture')
                    AND (SELECT payment.payee_id FROM payment WHERE payment.id = journal.subject_id) = k.account_id
                )
                OR (
                    journal.kind = 'refund.release'
                    AND (SELECT refund.payee_id FROM refund WHERE refund.id = journal.subject_id) = k.account_id
                )
                OR (
                    journal.kind = 'dispute.settle'
                    AND (SELECT dispute.seller_id FROM dispute WHERE dispute.id = journal.subject_id AND NOT dispute.released)
                        = k.account_id
                )
            )
        OFFSET 0
    ) AS taking
    WHERE entry.balance_id = balance.id AND entry.amount_minor > 0
    ORDER BY entry.version DESC
    LIMIT 1
) AS newest
GROUP BY k.account_id
