-- The sessions of an account that have not ended, newest first; its person's epoch tells those that were ended all at once.
SELECT session.*
FROM session
JOIN person ON person.account_id = session.account_id
WHERE session.account_id = $1
  AND session.epoch = person.session_epoch
  AND session.ended_at IS NULL
  AND session.expires_at > $2
ORDER BY session.id DESC
LIMIT 100
