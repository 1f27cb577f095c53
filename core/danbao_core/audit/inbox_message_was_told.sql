-- People were told of events up to the cursor and of none behind it, and the cursor is at an event that there was.
WITH broken AS MATERIALIZED (
    SELECT
        0 AS rank,
        format('people were told up to position %s, and events go up to %s', news_cursor.position, event_log.last_position) AS what
    FROM news_cursor, event_log
    WHERE news_cursor.position > event_log.last_position
    UNION ALL
    SELECT
        1 AS rank,
        format('account %s was told of event %s, to which nobody has come yet', inbox_message.account_id, inbox_message.id) AS what
    FROM inbox_message, news_cursor
    WHERE inbox_message.position > news_cursor.position
)
SELECT what
FROM broken
ORDER BY rank, what
LIMIT 1
