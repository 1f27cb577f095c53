-- What the journals of a dispute moved is what it says, in its currency. The buyer (1) got what was paid back and what the fund (14)
-- added. After the release, what was set aside of the seller's wallet (2) is what it holds, and the seller gave, out of that and the
-- wallet or as a debt (3), what was paid back less the share of the fee (12). Before it, a settled one (state 5) took what it moved
-- out of escrow (11), with the fee on the seller's part; nothing is held or owed then. No step was taken twice. SUSPENSE (15) takes the
-- place of an owner whose account is closed, as the open items say, and what an account is given may repay what it owes (3).
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
        dispute.id,
        journal.id AS journal_id,
        journal.kind,
        moved.amount_minor,
        CASE
            WHEN moved.currency <> dispute.currency THEN 'astray'
            WHEN moved.purpose = 11 AND NOT dispute.released THEN 'escrow'
            WHEN moved.purpose = 12 THEN 'fees'
            WHEN moved.purpose = 14 THEN 'fund'
            WHEN moved.purpose = 2 AND moved.account_id = dispute.seller_id THEN 'held'
            WHEN moved.purpose = 3 AND moved.account_id = dispute.seller_id AND moved.amount_minor < 0 THEN 'debt'
            WHEN moved.purpose IN (1, 3, 15) AND moved.account_id = dispute.seller_id THEN 'seller'
            WHEN moved.purpose IN (1, 3, 15) AND moved.account_id = dispute.buyer_id THEN 'buyer'
            ELSE 'astray'
        END AS place
    FROM moved_by AS moved
    JOIN journal ON journal.id = moved.journal_id
    JOIN dispute ON dispute.id = journal.subject_id
), moved AS (
    SELECT
        id,
        count(DISTINCT journal_id) > count(DISTINCT kind) AS repeated,
        count(*) FILTER (WHERE place = 'astray') AS astray,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'escrow'), 0) AS escrow_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'fees'), 0) AS fees_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'fund'), 0) AS fund_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'held'), 0) AS held_of_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'debt'), 0) AS debt_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'seller'), 0) AS seller_minor,
        coalesce(sum(amount_minor) FILTER (WHERE place = 'buyer'), 0) AS buyer_minor
    FROM part
    GROUP BY id
), compared AS (
    SELECT
        dispute.*,
        coalesce(moved.repeated, false) AS repeated,
        coalesce(moved.astray, 0) AS astray,
        coalesce(moved.escrow_minor, 0) AS escrow_minor,
        coalesce(moved.fees_minor, 0) AS fees_minor,
        coalesce(moved.fund_minor, 0) AS fund_minor,
        coalesce(moved.held_of_minor, 0) AS held_of_minor,
        coalesce(moved.debt_minor, 0) AS debt_minor,
        coalesce(moved.seller_minor, 0) AS seller_minor,
        coalesce(moved.buyer_minor, 0) AS buyer_minor
    FROM dispute
    LEFT JOIN moved USING (id)
), broken AS MATERIALIZED (
    SELECT *
    FROM compared
    WHERE repeated
        OR astray > 0
        OR fund_minor <> -compensated_minor
        OR buyer_minor <> paid_back_minor + compensated_minor
        OR held_of_minor <> held_minor
        OR debt_minor <> -owed_minor
        OR (released AND fees_minor <> -fee_returned_minor)
        OR (released AND seller_minor + held_of_minor + debt_minor <> fee_returned_minor - paid_back_minor)
        OR (NOT released AND (seller_minor < 0 OR fees_minor < 0))
        OR (NOT released AND state <> 5 AND escrow_minor <> 0)
)
SELECT format(
    'dispute %s paid back %s minor units of %s with %s of the fee and %s from the fund, holds %s and left a debt of %s, but its journals '
    'moved %s out of escrow, %s to the buyer, %s to the seller, %s to what it holds, %s to its debt, %s to the fees and %s to the fund, '
    '%s entries went astray%s',
    id,
    paid_back_minor,
    currency,
    fee_returned_minor,
    compensated_minor,
    held_minor,
    owed_minor,
    -escrow_minor,
    buyer_minor,
    seller_minor,
    held_of_minor,
    debt_minor,
    fees_minor,
    fund_minor,
    astray,
    CASE WHEN repeated THEN ', and a step was taken twice' ELSE '' END
)
FROM broken
ORDER BY id
LIMIT 1
