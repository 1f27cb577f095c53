-- How many payments an account has under way; from the indexes alone, which hold the state.
SELECT
    (SELECT count(*) FROM payment WHERE payer_id = $1 AND state NOT IN (4, 5, 6))
    + (SELECT count(*) FROM payment WHERE payee_id = $1 AND state NOT IN (4, 5, 6))
