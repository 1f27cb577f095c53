-- What a payment says was held, released and returned is what its journals, and those of its refunds and disputes of what was held
-- (source 1, not released), moved, in its currency: into escrow (11) or, in authorization mode (3), into what the payer's account
-- holds (2), to the payee (1) and FEES (12), back to the payer (1), or by a refund to the payer's bank (13). What the fund (14) adds
-- to an award is none of it. SUSPENSE (15) takes the place of an owner whose account is closed; whose, the open items say, in the
-- place of its entries. What the payer paid is the rest, because every journal sums to zero. What they are given may repay what
-- they owe (3). Any other entry went astray.
WITH moved_by AS (
    SELECT entry.journal_id, entry.amount_minor, balance.currency, balance.purpose, balance.account_id
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    WHERE balance.purpose <> 15
    UNION ALL
    SELECT journal_id, amount_minor, currency, 15, account_id
    FROM open_item
), part AS (
    SELECT
        payment.id,
        balance.amount_minor,
        CASE
            WHEN balance.currency <> payment.currency THEN 'astray'
            WHEN balance.purpose = 11 AND payment.mode = 1 THEN 'held'
            WHEN balance.purpose = 2 AND payment.mode = 3 AND balance.account_id = payment.payer_id THEN 'held'
            WHEN balance.purpose = 12 THEN 'fee'
            WHEN balance.purpose = 13 AND journal.kind = 'refund.succeed' THEN 'returned'
            WHEN balance.purpose = 14 AND journal.kind LIKE 'dispute.%' THEN 'returned'
            WHEN balance.purpose = 15 AND balance.account_id = payment.payee_id THEN 'credited'
            WHEN balance.purpose = 15 AND balance.account_id = payment.payer_id THEN 'returned'
            WHEN balance.purpose = 3 AND balance.account_id = payment.payee_id AND balance.amount_minor > 0 THEN 'credited'
            WHEN balance.purpose = 3 AND balance.account_id = payment.payer_id AND balance.amount_minor > 0 THEN 'returned'
            WHEN balance.purpose = 1 AND balance.account_id = payment.payee_id THEN 'credited'
            WHEN balance.purpose = 1 AND balance.account_id = payment.payer_id AND balance.amount_minor < 0 THEN 'paid'
            WHEN balance.purpose = 1 AND balance.account_id = payment.payer_id THEN 'returned'
            ELSE 'astray'
        END AS part
    FROM moved_by AS balance
    JOIN journal ON journal.id = balance.journal_id
    LEFT JOIN refund ON refund.id = journal.subject_id AND refund.source = 1
    LEFT JOIN dispute ON dispute.id = journal.subject_id AND NOT dispute.released
    JOIN payment ON payment.id = coalesce(refund.payment_id, dispute.payment_id, journal.subject_id)
), moved AS (
    SELECT
        id,
        coalesce(sum(amount_minor) FILTER (WHERE part = 'held'), 0) AS held_minor,
        coalesce(sum(amount_minor) FILTER (WHERE part = 'credited'), 0) AS credited_minor,
        coalesce(sum(amount_minor) FILTER (WHERE part = 'fee'), 0) AS fee_minor,
        coalesce(sum(amount_minor) FILTER (WHERE part = 'returned'), 0) AS returned_minor,
        count(*) FILTER (WHERE part = 'astray') AS astray
    FROM part
    GROUP BY id
), expected AS (
    SELECT
        id,
        currency,
        held_minor,
        CASE WHEN released_minor > 0 THEN fee_minor ELSE 0 END AS fee_minor,
        released_minor::numeric AS released_minor,
        returned_minor
    FROM payment
), broken AS MATERIALIZED (
    SELECT
        id,
        CASE
            WHEN moved.astray > 0
                THEN format('%s entries of its journals are on balances that it has nothing to do with', moved.astray)
            WHEN coalesce(moved.held_minor, 0) <> expected.held_minor
                THEN format('holds %s minor units of %s, but its journals left %s held',
                    expected.held_minor, currency, coalesce(moved.held_minor, 0))
            WHEN coalesce(moved.fee_minor, 0) <> expected.fee_minor
                THEN format('paid a fee of %s minor units of %s, but its journals moved %s',
                    expected.fee_minor, currency, coalesce(moved.fee_minor, 0))
            WHEN coalesce(moved.credited_minor, 0) <> expected.released_minor - expected.fee_minor
                THEN format('released %s minor units of %s to the payee, but its journals moved %s',
                    expected.released_minor - expected.fee_minor, currency, coalesce(moved.credited_minor, 0))
            WHEN coalesce(moved.returned_minor, 0) <> expected.returned_minor
                THEN format('returned %s minor units of %s, but its journals moved %s',
                    expected.returned_minor, currency, coalesce(moved.returned_minor, 0))
        END AS breach
    FROM expected
    LEFT JOIN moved USING (id)
)
SELECT format('payment %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
