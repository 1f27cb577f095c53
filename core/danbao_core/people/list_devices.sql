-- The devices that an account knows or was called from.
SELECT device_id FROM device WHERE account_id = $1 UNION SELECT device_id FROM session WHERE account_id = $1 AND device_id <> ''
ORDER BY device_id
