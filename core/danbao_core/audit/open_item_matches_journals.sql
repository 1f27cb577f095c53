-- An open item came by a journal that moved its amount into SUSPENSE (15), and one that was settled (state 2) went by a journal
-- that moved it out again; it is for an account that there is.
WITH moved AS (
    SELECT entry.journal_id, balance.currency, sum(entry.amount_minor) AS amount_minor
    FROM entry
    JOIN balance ON balance.id = entry.balance_id
    WHERE balance.purpose = 15
    GROUP BY entry.journal_id, balance.currency
), broken AS MATERIALIZED (
    SELECT
        item.*,
        account.id IS NULL AS has_no_owner,
        coalesce(came.amount_minor, 0) AS came_minor,
        coalesce(-went.amount_minor, 0) AS went_minor
    FROM open_item AS item
    LEFT JOIN account ON account.id = item.account_id
    LEFT JOIN moved AS came ON came.journal_id = item.journal_id AND came.currency = item.currency
    LEFT JOIN moved AS went ON went.journal_id = item.settled_by AND went.currency = item.currency
    WHERE account.id IS NULL
        OR came.amount_minor IS DISTINCT FROM item.amount_minor
        OR (item.state = 2 AND went.amount_minor IS DISTINCT FROM -item.amount_minor)
)
SELECT format(
    CASE
        WHEN has_no_owner THEN 'open item %1$s is for account %6$s, which is missing'
        ELSE 'open item %1$s is of %2$s minor units of %3$s, but %4$s came by its journal and %5$s went'
    END,
    id, amount_minor, currency, came_minor, went_minor, account_id
)
FROM broken
ORDER BY id
LIMIT 1
