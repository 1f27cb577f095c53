-- A dispute has a step for each of its versions, from the first, by which it was opened (event 1), to the last, which led to the state in
-- which it stands; a step belongs to a dispute.
WITH stepped AS (
    SELECT
        dispute_id,
        count(*) AS steps,
        min(version) AS first,
        max(version) AS last,
        count(*) FILTER (WHERE (version = 1) <> (event = 1)) AS misplaced,
        (array_agg(state ORDER BY version DESC))[1] AS state
    FROM dispute_step
    GROUP BY dispute_id
), broken AS MATERIALIZED (
    SELECT
        coalesce(dispute.id, stepped.dispute_id) AS id,
        CASE
            WHEN dispute.id IS NULL THEN 'is missing, but has steps'
            WHEN (stepped.steps, stepped.first, stepped.last) IS DISTINCT FROM (dispute.version, 1::bigint, dispute.version)
                THEN format('is version %s, but has %s steps from %s to %s',
                    dispute.version, coalesce(stepped.steps, 0), coalesce(stepped.first, 0), coalesce(stepped.last, 0))
            WHEN stepped.misplaced > 0 THEN 'was not opened once, by its first step'
            WHEN stepped.state <> dispute.state THEN format('is in state %s, but its last step led to %s', dispute.state, stepped.state)
        END AS breach
    FROM dispute
    FULL JOIN stepped ON stepped.dispute_id = dispute.id
)
SELECT format('dispute %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
