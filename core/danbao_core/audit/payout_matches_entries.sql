-- A payout takes all that the wallet (purpose 1) held: what it held after the entry before the payout's first one was carried over,
-- after its last one it is the amount, and the next entry is the withdrawal.
SELECT format('payout %s is not what entries %s to %s came to', payout.id, payout.after_version + 1, payout.until_version)
FROM payout
LEFT JOIN balance
    ON balance.account_id = payout.account_id AND balance.currency = payout.currency AND balance.purpose = 1
LEFT JOIN entry AS before ON before.balance_id = balance.id AND before.version = payout.after_version
LEFT JOIN entry AS last ON last.balance_id = balance.id AND last.version = payout.until_version
LEFT JOIN entry AS paid ON paid.balance_id = balance.id AND paid.version = payout.until_version + 1
LEFT JOIN journal ON journal.id = paid.journal_id
WHERE coalesce(before.balance_after_minor, 0) <> payout.carried_minor
    OR last.balance_after_minor IS DISTINCT FROM payout.amount_minor
    OR paid.amount_minor IS DISTINCT FROM -payout.amount_minor
    OR journal.subject_id IS DISTINCT FROM payout.funding_id
LIMIT 1
