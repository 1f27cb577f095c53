-- An approval is what its challenge was answered with, and approves the same to the same caller.
WITH broken AS MATERIALIZED (
    SELECT approval.id
    FROM approval
    LEFT JOIN challenge ON challenge.id = approval.id
    WHERE challenge.answered_at IS NULL
        OR (approval.purpose, approval.binding) <> (challenge.purpose, challenge.binding)
        OR approval.account_id IS DISTINCT FROM challenge.account_id
        OR approval.session_id IS DISTINCT FROM challenge.session_id
)
SELECT format('approval %s is not what a challenge was answered with', id)
FROM broken
ORDER BY id
LIMIT 1
