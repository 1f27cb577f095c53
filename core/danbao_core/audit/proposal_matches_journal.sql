-- A proposal that moves money has one journal, of that kind, where it was approved (state 2), which moved its amount; any other
-- has none. And nobody approved what he or she proposed: the two keys have two roots.
WITH moved AS (
    SELECT journal.subject_id AS id, journal.kind, sum(entry.amount_minor) FILTER (WHERE entry.amount_minor > 0) AS amount_minor
    FROM journal
    JOIN entry ON entry.journal_id = journal.id
    WHERE journal.kind LIKE 'proposal.%'
    GROUP BY journal.id, journal.subject_id, journal.kind
), expected AS (
    SELECT
        proposal.id,
        proposal.state,
        CASE WHEN proposal.state = 2 THEN
            CASE proposal.terms ->> 'type'
                WHEN 'adjustment' THEN 'proposal.adjust'
                WHEN 'open_item_settlement' THEN 'proposal.settle'
            END
        END AS kind,
        coalesce((proposal.terms -> 'amount' ->> 'amount_minor')::numeric, item.amount_minor) AS amount_minor,
        proposal.proposer_root_id = decider.root_id AS is_of_one
    FROM proposal
    LEFT JOIN open_item AS item ON item.id = (proposal.terms ->> 'open_item_id')::uuid
    LEFT JOIN service_key AS decider ON decider.id = proposal.decider_key_id
), broken AS MATERIALIZED (
    SELECT
        expected.id,
        CASE
            WHEN expected.state = 2 AND expected.is_of_one IS DISTINCT FROM FALSE
                THEN 'was approved by its own proposer, or by a key that is missing'
            WHEN expected.kind IS NULL AND moved.id IS NOT NULL THEN format('moved money by a journal of kind %s', moved.kind)
            WHEN expected.kind IS NOT NULL AND moved.id IS NULL THEN 'was approved, but has no journal'
            WHEN expected.kind IS NOT NULL AND (moved.kind <> expected.kind OR moved.amount_minor <> expected.amount_minor)
                THEN format('is about %s minor units, but its journal of kind %s moved %s',
                    expected.amount_minor, moved.kind, moved.amount_minor)
        END AS breach
    FROM expected
    LEFT JOIN moved ON moved.id = expected.id
    UNION ALL
    SELECT id, format('has %s journals', count(*))
    FROM moved
    GROUP BY id
    HAVING count(*) > 1
)
SELECT format('proposal %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id, breach
LIMIT 1
