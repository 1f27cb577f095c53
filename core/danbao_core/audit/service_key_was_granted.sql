-- A key that another key made reaches into every wallet only where that was granted: by a proposal that was approved (state 2).
WITH reaching AS (
    SELECT service_key.id, scope
    FROM service_key
    CROSS JOIN unnest(string_to_array(service_key.scopes, ' ')) AS scope
    WHERE service_key.root_id <> service_key.id AND scope IN ('fundings.withdraw_any', 'payments.pay_any')
), granted AS (
    SELECT (terms ->> 'key_id')::uuid AS id, jsonb_array_elements_text(terms -> 'scopes') AS scope
    FROM proposal
    WHERE state = 2 AND terms ->> 'type' = 'grant'
), broken AS MATERIALIZED (
    SELECT id, scope
    FROM reaching
    LEFT JOIN granted USING (id, scope)
    WHERE granted.id IS NULL
)
SELECT format('service key %s has the scope %s, which nobody granted', id, scope)
FROM broken
ORDER BY id, scope
LIMIT 1
