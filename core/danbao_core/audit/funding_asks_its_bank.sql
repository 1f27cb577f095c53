-- A funding that a bank is asked for (`attempts`, `next_attempt_at`) is of a card of its own account, bound then or still; while it is
-- open (2, 4) it knows when the bank is asked next, and never after. One whose answer is unknown (4) or was taken back (5) was asked
-- for.
WITH broken AS MATERIALIZED (
    SELECT
        funding.id,
        CASE
            WHEN funding.instrument_id IS NOT NULL AND instrument.id IS NULL THEN 'is of a card that there is not'
            WHEN instrument.account_id <> funding.account_id THEN 'is of a card of another account'
            WHEN funding.instrument_id IS NULL AND (funding.attempts <> 0 OR funding.next_attempt_at IS NOT NULL)
                THEN 'asks a bank, and is of no card'
            WHEN funding.state IN (4, 5) AND funding.attempts = 0 THEN 'has an answer, and no bank was asked'
            WHEN funding.state IN (2, 4) AND funding.attempts > 0 AND funding.next_attempt_at IS NULL
                THEN 'is open, and nobody asks the bank again'
            WHEN funding.state NOT IN (2, 4) AND funding.next_attempt_at IS NOT NULL THEN 'is settled, and asks its bank still'
        END AS breach
    FROM funding
    LEFT JOIN instrument ON instrument.id = funding.instrument_id
)
SELECT format('funding %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
