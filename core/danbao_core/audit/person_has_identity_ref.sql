-- Who was verified is counted with the document's number, among six accounts at most.
WITH named AS (
    SELECT number_hash, string_to_array(account_ids, ' ') AS account_ids FROM identity_ref
),
broken AS MATERIALIZED (
    SELECT person.account_id, cardinality(named.account_ids) AS accounts
    FROM person
    LEFT JOIN named ON named.number_hash = person.number_hash
    WHERE person.number_hash IS NOT NULL
        AND (named.number_hash IS NULL OR NOT person.account_id::text = ANY (named.account_ids) OR cardinality(named.account_ids) > 6)
)
SELECT format(
    'person %s was verified by a document that %s',
    account_id, CASE WHEN accounts > 6 THEN format('verifies %s accounts', accounts) ELSE 'does not lead to them' END
)
FROM broken
ORDER BY account_id
LIMIT 1
