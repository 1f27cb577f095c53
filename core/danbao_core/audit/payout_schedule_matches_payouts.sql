-- The payouts of a schedule follow each other without sharing or missing an entry, the schedule goes on where the last one ended
-- (behind its withdrawal), and knows the one to which no bank has answered (state 1).
WITH followed AS (
    SELECT
        id,
        schedule_id,
        after_version,
        until_version,
        lag(until_version) OVER by_entries AS before_version,
        lead(id) OVER by_entries IS NULL AS is_last
    FROM payout
    WINDOW by_entries AS (PARTITION BY schedule_id ORDER BY until_version)
), breach AS (
    SELECT format('payout %s does not begin where the one before it ended', id) AS words
    FROM followed
    WHERE before_version + 1 <> after_version
    UNION ALL
    SELECT format('payout %s has no schedule that goes on behind it', followed.id)
    FROM followed
    LEFT JOIN payout_schedule ON payout_schedule.id = followed.schedule_id
    WHERE followed.is_last AND payout_schedule.covered_version IS DISTINCT FROM followed.until_version + 1
    UNION ALL
    SELECT format('payout %s is pending, and its schedule does not know', payout.id)
    FROM payout
    LEFT JOIN payout_schedule ON payout_schedule.open_payout_id = payout.id
    WHERE payout.state = 1 AND payout_schedule.id IS NULL
    UNION ALL
    SELECT format('payout schedule %s waits for a payout that is not pending', payout_schedule.id)
    FROM payout_schedule
    LEFT JOIN payout ON payout.id = payout_schedule.open_payout_id AND payout.state = 1
    WHERE payout_schedule.open_payout_id IS NOT NULL AND payout.id IS NULL
)
SELECT words
FROM breach
LIMIT 1
