-- A funding has the journals that its kind and state ask for, one of each, and each moved its amount in its currency from one
-- place to another: "outside" is BANK_CLEARING (13), "owner" what its account can spend (1), or owed before (3), "held" what its
-- account holds (2). What a bank takes back, its account may owe (3). SUSPENSE (15) takes the place of an owner whose account is closed. Any other entry went astray.
WITH step (kind, state, journal_kind, source, target) AS (
    VALUES
        (1, 1, 'funding.top_up', 'outside', 'owner'),
        (1, 5, 'funding.top_up', 'outside', 'owner'),
        (1, 5, 'funding.reverse', 'owner', 'outside'),
        (2, 2, 'funding.withdraw', 'owner', 'held'),
        (2, 4, 'funding.withdraw', 'owner', 'held'),
        (2, 1, 'funding.withdraw', 'owner', 'held'),
        (2, 1, 'funding.settle', 'held', 'outside'),
        (2, 3, 'funding.withdraw', 'owner', 'held'),
        (2, 3, 'funding.fail', 'held', 'owner')
), expected AS (
    SELECT funding.id, step.journal_kind, moved.place, moved.amount_minor::numeric AS amount_minor
    FROM funding
    JOIN step USING (kind, state)
    CROSS JOIN LATERAL (
        VALUES (step.source, -funding.amount_minor), (step.target, funding.amount_minor)
    ) AS moved (place, amount_minor)
), part AS (
    SELECT
        funding.id,
        journal.id AS journal_id,
        journal.kind AS journal_kind,
        entry.amount_minor,
        CASE
            WHEN balance.currency <> funding.currency THEN 'astray'
            WHEN balance.purpose = 13 THEN 'outside'
            WHEN balance.purpose = 2 AND balance.account_id = funding.account_id THEN 'held'
            WHEN balance.purpose = 1 AND balance.account_id = funding.account_id THEN 'owner'
            WHEN
                balance.purpose = 3 AND balance.account_id = funding.account_id
                AND (entry.amount_minor > 0 OR journal.kind = 'funding.reverse')
                THEN 'owner'
            WHEN balance.purpose = 15 AND account.state = 2 AND entry.amount_minor > 0 THEN 'owner'
            ELSE 'astray'
        END AS place
    FROM entry
    JOIN journal ON journal.id = entry.journal_id
    JOIN balance ON balance.id = entry.balance_id
    JOIN funding ON funding.id = journal.subject_id
    LEFT JOIN account ON account.id = funding.account_id
), moved AS (
    SELECT id, journal_kind, place, count(DISTINCT journal_id) AS journals, sum(amount_minor) AS amount_minor
    FROM part
    GROUP BY id, journal_kind, place
), broken AS MATERIALIZED (
    SELECT
        id,
        journal_kind,
        place,
        coalesce(expected.amount_minor, 0) AS expected_minor,
        coalesce(moved.journals, 0) AS journals,
        coalesce(moved.amount_minor, 0) AS moved_minor
    FROM expected
    FULL JOIN moved USING (id, journal_kind, place)
    WHERE moved.journals IS DISTINCT FROM 1 OR moved.amount_minor IS DISTINCT FROM expected.amount_minor
)
SELECT format(
    'funding %s of kind %s is %s, so that its journal %s should have moved %s minor units of %s to "%s", '
    'but it has %s of them, which moved %s',
    funding.id,
    funding.kind,
    (ARRAY['SUCCEEDED', 'PENDING', 'FAILED', 'UNKNOWN', 'REVERSED'])[funding.state],
    broken.journal_kind,
    broken.expected_minor,
    funding.currency,
    broken.place,
    broken.journals,
    broken.moved_minor
)
FROM broken
JOIN funding USING (id)
ORDER BY funding.id, broken.journal_kind, broken.place
LIMIT 1
