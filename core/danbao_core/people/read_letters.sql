-- For each address the messages that still have contents, but for those that name their account: they go with it.
SELECT k.address_hash, string_agg(m.id::text, ' ' ORDER BY m.id) AS message_ids
FROM unnest($1::bytea[]) AS k (address_hash)
JOIN message AS m ON m.address_hash = k.address_hash AND m.address <> '' AND m.account_id IS NULL
GROUP BY k.address_hash
