SELECT count(*)
FROM payment
WHERE (payer_id = $1 OR payee_id = $1) AND state NOT IN (4, 5, 6)
