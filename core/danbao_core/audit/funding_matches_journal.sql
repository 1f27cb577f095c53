-- A funding that succeeded (state 1) has one journal, which moved its amount from BANK_CLEARING (13) to its account (1).
WITH moved AS (
    SELECT
        funding.id,
        count(DISTINCT journal.id) AS journals,
        coalesce(sum(entry.amount_minor) FILTER (WHERE balance.purpose = 13), 0) AS taken_minor,
        coalesce(sum(entry.amount_minor) FILTER (
            WHERE balance.purpose = 1 AND balance.account_id = funding.account_id
        ), 0) AS given_minor,
        count(*) FILTER (WHERE balance.currency = funding.currency) AS entries
    FROM funding
    JOIN journal ON journal.subject_id = funding.id
    JOIN entry ON entry.journal_id = journal.id
    JOIN balance ON balance.id = entry.balance_id
    GROUP BY funding.id
), broken AS MATERIALIZED (
    SELECT
        funding.*,
        coalesce(moved.journals, 0) AS journals,
        coalesce(moved.taken_minor, 0) AS taken_minor,
        coalesce(moved.given_minor, 0) AS given_minor
    FROM funding
    LEFT JOIN moved ON moved.id = funding.id
    WHERE moved.journals IS DISTINCT FROM 1
        OR moved.entries <> 2
        OR moved.taken_minor <> -funding.amount_minor
        OR moved.given_minor <> funding.amount_minor
)
SELECT format(
    'funding %s brought %s minor units of %s, but has %s journals, which took %s from outside and gave %s to its account',
    id, amount_minor, currency, journals, -taken_minor, given_minor
)
FROM broken
ORDER BY id
LIMIT 1
