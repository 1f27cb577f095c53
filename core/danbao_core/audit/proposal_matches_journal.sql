-- A proposal that moves money has one journal where it was approved (state 2), which moved its amount in its currency from where
-- it says to where it says: an account's wallet (1), or what it owes (3), or a balance of the platform. Any other has none. And
-- nobody approved what he or she proposed: the two keys have two roots.
WITH term AS (
    SELECT
        proposal.*,
        CASE proposal.terms ->> 'type'
            WHEN 'adjustment' THEN 'proposal.adjust'
            WHEN 'open_item_settlement' THEN 'proposal.settle'
            WHEN 'fee_payout' THEN 'proposal.pay_out_fees'
        END AS kind,
        coalesce(proposal.terms -> 'amount' ->> 'currency', item.currency) AS currency,
        coalesce((proposal.terms -> 'amount' ->> 'amount_minor')::numeric, item.amount_minor) AS amount_minor,
        CASE proposal.terms ->> 'type'
            WHEN 'fee_payout' THEN 12::smallint
            ELSE coalesce((proposal.terms -> 'debit' ->> 'purpose')::smallint, 15::smallint)
        END AS source,
        (proposal.terms -> 'debit' ->> 'account_id')::uuid AS source_account,
        (proposal.terms -> 'credit' ->> 'purpose')::smallint AS target,
        coalesce(proposal.terms -> 'credit' ->> 'account_id', proposal.terms ->> 'account_id')::uuid AS target_account,
        item.settled_by
    FROM proposal
    LEFT JOIN open_item AS item ON item.id = (proposal.terms ->> 'open_item_id')::uuid
), moved AS (
    SELECT
        journal.subject_id AS id,
        journal.id AS journal_id,
        journal.kind,
        coalesce(sum(entry.amount_minor) FILTER (
            WHERE balance.currency = term.currency AND entry.amount_minor < 0
                AND CASE
                    WHEN term.source_account IS NULL THEN balance.purpose = term.source
                    ELSE balance.account_id = term.source_account AND balance.purpose IN (1, 3)
                END
        ), 0) AS taken_minor,
        coalesce(sum(entry.amount_minor) FILTER (
            WHERE balance.currency = term.currency AND entry.amount_minor > 0
                AND CASE
                    WHEN term.target_account IS NULL THEN balance.purpose = term.target
                    ELSE balance.account_id = term.target_account AND balance.purpose IN (1, 3)
                END
        ), 0) AS given_minor
    FROM journal
    JOIN entry ON entry.journal_id = journal.id
    JOIN balance ON balance.id = entry.balance_id
    LEFT JOIN term ON term.id = journal.subject_id
    WHERE journal.kind LIKE 'proposal.%'
    GROUP BY journal.id, journal.subject_id, journal.kind
), broken AS MATERIALIZED (
    SELECT
        term.id,
        CASE
            WHEN term.state = 2 AND (term.proposer_root_id = decider.root_id) IS DISTINCT FROM FALSE
                THEN 'was approved by its own proposer, or by a key that is missing'
            WHEN moved.id IS NOT NULL AND (term.state <> 2 OR term.kind IS NULL)
                THEN format('moved money by a journal of kind %s', moved.kind)
            WHEN moved.id IS NULL AND term.state = 2 AND term.kind IS NOT NULL THEN 'was approved, but has no journal'
            WHEN moved.kind <> term.kind OR moved.taken_minor <> -term.amount_minor OR moved.given_minor <> term.amount_minor
                THEN format('is about %s minor units of %s, but its journal of kind %s took %s from where it says and gave %s',
                    term.amount_minor, term.currency, moved.kind, -moved.taken_minor, moved.given_minor)
            WHEN moved.kind = 'proposal.settle' AND term.settled_by IS DISTINCT FROM moved.journal_id
                THEN 'settled another open item than it says'
        END AS breach
    FROM term
    LEFT JOIN moved ON moved.id = term.id
    LEFT JOIN service_key AS decider ON decider.id = term.decider_key_id
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
