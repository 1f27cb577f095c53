SELECT currency, purpose, amount_minor
FROM balance
WHERE account_id = $1
ORDER BY currency, purpose
