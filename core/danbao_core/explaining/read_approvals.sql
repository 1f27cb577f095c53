-- The approvals that the account $1 gave for what is named $2.
SELECT approval.id, approval.account_id, approval.factor, approval.created_at, approval.used_at
FROM challenge
JOIN approval ON approval.id = challenge.id
WHERE
    challenge.account_id = $1
    AND challenge.subject = $2
ORDER BY approval.id
LIMIT $3
