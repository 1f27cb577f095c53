-- Who is behind these accounts, where they were not erased.
SELECT account_id, phone, email
FROM person
WHERE account_id = ANY ($1::uuid[]) AND phone IS NOT NULL
