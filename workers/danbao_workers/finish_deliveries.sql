-- Writes what became of attempts ($1, as JSON), unless a delivery was changed meanwhile; answers which were written.
WITH told AS (
    SELECT *
    FROM json_to_recordset($1) AS t (
        id uuid, version bigint, state smallint, failures bigint, attempts bigint, due_at timestamptz, finished_at timestamptz,
        started_at timestamptz, milliseconds bigint, status bigint, failure text, body text
    )
),
written AS (
    UPDATE delivery AS d
    SET
        state = told.state, failures = told.failures, attempts = told.attempts, due_at = told.due_at,
        finished_at = told.finished_at, version = d.version + 1
    FROM told
    WHERE d.id = told.id AND d.version = told.version
    RETURNING d.id
),
kept AS (
    INSERT INTO delivery_attempt (delivery_id, number, started_at, milliseconds, status, failure, body)
    SELECT id, attempts, started_at, milliseconds, status, failure, body
    FROM told
    JOIN written USING (id)
    ON CONFLICT DO NOTHING
)
SELECT id FROM written
