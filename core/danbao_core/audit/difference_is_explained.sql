-- A difference is explained (2) by itself where both sides are there and alike, and by nobody but an operator, with a note, where they
-- are not; it is open (1) otherwise. What it names as booked here is what is booked: the journals of its transfer in BANK_CLEARING
-- (13) by their way, where "funding.reverse" is a reversal (3), money that came in a debit (1), and all else a credit (2). The day on
-- which it was found was reconciled, or is being so.
WITH booked AS (
    SELECT
        journal.subject_id AS transfer_id,
        balance.currency,
        CASE WHEN journal.kind = 'funding.reverse' THEN 3 WHEN entry.amount_minor < 0 THEN 1 ELSE 2 END AS movement,
        sum(abs(entry.amount_minor::numeric)) AS amount_minor
    FROM entry
    JOIN balance ON balance.id = entry.balance_id AND balance.purpose = 13
    JOIN journal ON journal.id = entry.journal_id
    WHERE journal.subject_id IN (SELECT transfer_id FROM difference)
    GROUP BY 1, 2, 3
), broken AS MATERIALIZED (
    SELECT
        difference.id,
        CASE
            WHEN reconciliation.id IS NULL THEN 'is of a day that nobody reconciled'
            WHEN difference.here_minor IS NOT NULL AND booked.amount_minor IS DISTINCT FROM difference.here_minor
                THEN format('says that %s is booked, and %s is', difference.here_minor, coalesce(booked.amount_minor, 0))
            WHEN difference.state = 1 AND difference.here_minor = difference.there_minor THEN 'is open, and its sides are alike'
            WHEN difference.state = 2 AND difference.here_minor IS DISTINCT FROM difference.there_minor AND difference.note = ''
                THEN 'is explained, and nobody said how'
        END AS breach
    FROM difference
    LEFT JOIN reconciliation ON reconciliation.day = difference.day
    LEFT JOIN booked USING (transfer_id, currency, movement)
)
SELECT format('difference %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
