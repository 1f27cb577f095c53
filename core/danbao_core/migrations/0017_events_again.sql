-- Nothing is released yet, so no table is full and nobody waits for these locks:
-- squawk-ignore-file ban-drop-column, constraint-missing-not-valid, require-concurrent-index-creation
-- squawk-ignore-file require-concurrent-index-deletion

-- migrate:up

-- An endpoint that was enabled again is called when what had not been delivered to it has been made due anew.
ALTER TABLE webhook_endpoint
    ADD COLUMN resumes_at timestamptz,
    ADD CONSTRAINT webhook_endpoint_resumes_check CHECK (resumes_at IS NULL OR state = 1);
CREATE INDEX webhook_endpoint_resumes ON webhook_endpoint (resumes_at) WHERE resumes_at IS NOT NULL;
CREATE INDEX webhook_endpoint_old_secret ON webhook_endpoint (old_secret_expires_at) WHERE old_secret_expires_at IS NOT NULL;
CREATE INDEX delivery_failed ON delivery (endpoint_id, id) WHERE state = 3;

-- migrate:down

DROP INDEX delivery_failed;
DROP INDEX webhook_endpoint_old_secret;
ALTER TABLE webhook_endpoint DROP COLUMN resumes_at;
