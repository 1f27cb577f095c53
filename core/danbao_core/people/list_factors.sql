-- The authenticators of an account that were not removed, oldest first.
SELECT factor.*
FROM factor
WHERE factor.account_id = $1 AND factor.state <> 3
ORDER BY factor.id
LIMIT 100
