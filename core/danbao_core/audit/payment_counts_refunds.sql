-- A payment counts its refunds: what open ones (1, 2) are to give back, and which these are; what those that succeeded (3) gave back;
-- what of what the payee has got (source 2) was taken for pending ones and those that succeeded, and the fee on it, each with what
-- disputes took back after the release. What is held
-- of one that was released or closed (4, 6) is for open refunds of it (source 1), and of one that is PAID or SHIPPED (2, 3) no
-- refund is of anything else.
WITH counted AS (
    SELECT
        payment_id,
        count(*) AS refunds,
        coalesce(sum(amount_minor) FILTER (WHERE state IN (1, 2)), 0) AS reserved_minor,
        coalesce(sum(amount_minor) FILTER (WHERE state = 3), 0) AS refunded_minor,
        coalesce(sum(amount_minor) FILTER (WHERE source = 2 AND state IN (1, 3)), 0) AS taken_minor,
        coalesce(sum(fee_share_minor), 0) AS share_minor,
        coalesce(sum(amount_minor) FILTER (WHERE source = 1 AND state = 1), 0) AS of_held_minor,
        count(*) FILTER (WHERE source = 2) AS of_payee,
        coalesce(array_agg(id::text ORDER BY id::text) FILTER (WHERE state IN (1, 2)), '{}') AS open_refunds
    FROM refund
    GROUP BY payment_id
), disputed AS (
    SELECT payment_id, sum(paid_back_minor) AS taken_minor, sum(fee_returned_minor) AS share_minor
    FROM dispute
    WHERE released AND paid_back_minor <> 0
    GROUP BY payment_id
), counting AS (
    SELECT *
    FROM payment
    WHERE refund_count <> 0 OR refund_reserved_minor <> 0 OR refunded_minor <> 0 OR refund_taken_minor <> 0
        OR fee_returned_minor <> 0 OR open_refunds <> ''
), broken AS MATERIALIZED (
    SELECT
        coalesce(counting.id, counted.payment_id) AS id,
        CASE
            WHEN counting.id IS NULL THEN format('has %s refunds, but counts none', coalesce(counted.refunds, 0))
            WHEN counting.refund_count <> coalesce(counted.refunds, 0)
                THEN format('counts %s refunds, but has %s', counting.refund_count, coalesce(counted.refunds, 0))
            WHEN counting.refund_reserved_minor <> coalesce(counted.reserved_minor, 0)
                THEN format('reserves %s for refunds, but the open ones are %s', counting.refund_reserved_minor, coalesce(counted.reserved_minor, 0))
            WHEN counting.refunded_minor <> coalesce(counted.refunded_minor, 0)
                THEN format('refunded %s, but its refunds gave back %s', counting.refunded_minor, coalesce(counted.refunded_minor, 0))
            WHEN counting.refund_taken_minor <> coalesce(counted.taken_minor, 0) + coalesce(disputed.taken_minor, 0)
                OR counting.fee_returned_minor <> coalesce(counted.share_minor, 0) + coalesce(disputed.share_minor, 0)
                THEN format('took %s back from its payee and %s from the fee, but its refunds %s and %s, and its disputes %s and %s',
                    counting.refund_taken_minor, counting.fee_returned_minor, coalesce(counted.taken_minor, 0), coalesce(counted.share_minor, 0),
                    coalesce(disputed.taken_minor, 0), coalesce(disputed.share_minor, 0))
            WHEN ARRAY(SELECT unnest(string_to_array(counting.open_refunds, ' ')) ORDER BY 1) <> coalesce(counted.open_refunds, '{}')
                THEN format('names the open refunds %L', counting.open_refunds)
            WHEN counting.state IN (4, 6) AND counting.held_minor <> coalesce(counted.of_held_minor, 0)
                THEN format('holds %s for refunds, but the open ones of it are %s', counting.held_minor, coalesce(counted.of_held_minor, 0))
            WHEN counting.state IN (2, 3) AND counted.of_payee > 0 THEN 'is not released, but its payee has given some of it back'
        END AS breach
    FROM counting
    FULL JOIN counted ON counted.payment_id = counting.id
    LEFT JOIN disputed ON disputed.payment_id = coalesce(counting.id, counted.payment_id)
)
SELECT format('payment %s %s', id, breach)
FROM broken
WHERE breach IS NOT NULL
ORDER BY id
LIMIT 1
