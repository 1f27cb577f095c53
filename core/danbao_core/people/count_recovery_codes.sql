-- How many recovery codes of an authenticator are left, of those made last.
SELECT count(*) AS left
FROM recovery_code
WHERE recovery_code.factor_id = $1 AND recovery_code.generation = $2 AND recovery_code.used_at IS NULL
