-- A webhook endpoint is the platform's, or of an account that there is.
SELECT format('webhook endpoint %s belongs to account %s, which is missing', e.id, e.account_id)
FROM webhook_endpoint AS e
LEFT JOIN account ON account.id = e.account_id
WHERE e.account_id IS NOT NULL AND account.id IS NULL
ORDER BY e.id
LIMIT 1
