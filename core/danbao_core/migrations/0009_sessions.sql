-- migrate:up

CREATE TABLE device (
    account_id uuid NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    known_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (account_id, device_id)
);

-- migrate:down

DROP TABLE device;
