-- A payout is a withdrawal (kind 2) of its account: the same amount, and the same end. It may end a moment after the withdrawal.
SELECT format('payout %s is no withdrawal of %s %s that ended as it did', payout.id, payout.amount_minor, payout.currency)
FROM payout
LEFT JOIN funding ON funding.id = payout.funding_id
WHERE funding.id IS NULL
    OR funding.kind <> 2
    OR funding.account_id <> payout.account_id
    OR funding.currency <> payout.currency
    OR funding.amount_minor <> payout.amount_minor
    OR (payout.state = 2 AND funding.state <> 1)
    OR (payout.state = 3 AND funding.state <> 3)
LIMIT 1
