-- The cards of an account, newest first: those that are bound, or all of them ($2).
SELECT * FROM instrument WHERE account_id = $1 AND ($2 OR unbound_at IS NULL) ORDER BY id DESC LIMIT 1000
