-- The messages to an address, newest first, and in which language their accounts are written to.
SELECT
    message.*,
    coalesce(account.language, '') AS account_language
FROM message
LEFT JOIN phone_ref ON phone_ref.phone_hash = message.address_hash AND message.account_id IS NULL
LEFT JOIN account ON account.id = coalesce(message.account_id, phone_ref.account_id)
WHERE message.address_hash = ANY ($1) AND message.parameters <> '' -- what was erased says nothing
ORDER BY message.id DESC
LIMIT 100
