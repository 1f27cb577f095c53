-- A service key descends from a key that there is and that is its own root.
WITH broken AS MATERIALIZED (
    SELECT service_key.id, service_key.root_id
    FROM service_key
    LEFT JOIN service_key AS root ON root.id = service_key.root_id
    WHERE root.root_id IS DISTINCT FROM service_key.root_id
)
SELECT format('service key %s descends from %s, which is no first key', id, root_id)
FROM broken
ORDER BY id
LIMIT 1
