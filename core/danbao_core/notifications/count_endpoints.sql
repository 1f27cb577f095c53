-- How many endpoints an owner has; the platform's have no account.
SELECT k.owner_id, count(*) AS count
FROM unnest($1::uuid[]) AS k (owner_id)
JOIN webhook_endpoint AS e
    ON e.state <> 3 AND e.account_id IS NOT DISTINCT FROM nullif(k.owner_id, '00000000-0000-8000-8000-00000000da0b')
GROUP BY k.owner_id
