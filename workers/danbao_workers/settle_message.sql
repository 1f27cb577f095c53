-- What an attempt has come to: state, why it failed, and in how many seconds there is another. What was sent is sent, whoever has
-- the message by now; a failure counts only for the worker that still has it, of attempt $5.
UPDATE message
SET state = $2, failure = $3, next_attempt_at = now() + $4 * interval '1 second', version = version + 1
WHERE id = $1 AND state = 1 AND ($2 = 2 OR attempts = $5)
