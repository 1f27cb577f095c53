-- An open item came by a journal of a payment, refund, dispute or funding of its owner; such a journal moved the sum of its open
-- items into SUSPENSE (15). One that was settled (state 2) went by a journal that moved just its amount out again.
WITH moved AS (
    SELECT entry.journal_id, balance.currency, sum(entry.amount_minor) AS amount_minor
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    WHERE balance.purpose = 15
    GROUP BY entry.journal_id, balance.currency
), kept AS (
    SELECT journal_id, currency, sum(amount_minor) AS amount_minor
    FROM open_item
    GROUP BY journal_id, currency
), broken AS MATERIALIZED (
    SELECT
        item.*,
        account.id IS NULL AS has_no_owner,
        item.account_id IN (
            payment.payer_id, payment.payee_id, refund.payer_id, refund.payee_id, dispute.buyer_id, dispute.seller_id, funding.account_id
        ) IS NOT TRUE AS is_anothers,
        coalesce(came.amount_minor, 0) AS came_minor,
        coalesce(-went.amount_minor, 0) AS went_minor,
        kept.amount_minor AS kept_minor
    FROM open_item AS item
    JOIN kept ON kept.journal_id = item.journal_id AND kept.currency = item.currency
    LEFT JOIN account ON account.id = item.account_id
    LEFT JOIN journal ON journal.id = item.journal_id
    LEFT JOIN payment ON payment.id = journal.subject_id
    LEFT JOIN refund ON refund.id = journal.subject_id
    LEFT JOIN dispute ON dispute.id = journal.subject_id
    LEFT JOIN funding ON funding.id = journal.subject_id
    LEFT JOIN moved AS came ON came.journal_id = item.journal_id AND came.currency = item.currency
    LEFT JOIN moved AS went ON went.journal_id = item.settled_by AND went.currency = item.currency
    WHERE account.id IS NULL
        OR item.account_id IN (
            payment.payer_id, payment.payee_id, refund.payer_id, refund.payee_id, dispute.buyer_id, dispute.seller_id, funding.account_id
        ) IS NOT TRUE
        OR came.amount_minor IS DISTINCT FROM kept.amount_minor
        OR (item.state = 2 AND went.amount_minor IS DISTINCT FROM -item.amount_minor)
)
SELECT format(
    CASE
        WHEN has_no_owner THEN 'open item %1$s is for account %6$s, which is missing'
        WHEN came_minor <> kept_minor OR (state = 2 AND went_minor <> amount_minor)
            THEN 'open item %1$s is of %2$s minor units of %3$s, but %4$s came by its journal and %5$s went'
        ELSE 'open item %1$s is for account %6$s, which its journal has nothing to do with'
    END,
    id, amount_minor, currency, came_minor, went_minor, account_id
)
FROM broken
ORDER BY id
LIMIT 1
