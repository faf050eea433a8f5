-- The staging database: every accepted request, as it came.
CREATE SCHEMA raw;

-- One row per request. Partitioned by the request id itself: a UUIDv7 begins with its time, so the id can stay the whole primary key.
CREATE TABLE raw.requests (
    request_id    uuid        NOT NULL,
    pipeline      text        NOT NULL,
    source        text        NOT NULL CHECK (source IN ('serving', 'import')),
    topic         text        NOT NULL,  -- Kafka topic, or 'import:<pipeline>' for rows that came through the data API
    partition     integer     NOT NULL,
    log_offset    bigint      NOT NULL,  -- position in (topic, partition); grows with commit order, which is what etl relies on
    outbox_id     uuid,
    sequence      bigint,
    version       text,                  -- model version that answered; null for imports
    caller        text        NOT NULL,
    client_id     text,
    received_at   timestamptz NOT NULL,
    rows          integer     NOT NULL CHECK (rows > 0),
    inputs        json        NOT NULL,  -- columnar: name -> list
    outputs       json,                  -- columnar; null for imports
    stored_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (request_id)
) PARTITION BY RANGE (request_id);
CREATE TABLE raw.requests_default PARTITION OF raw.requests DEFAULT;
CREATE INDEX requests_road ON raw.requests (pipeline, topic, partition, log_offset);
CREATE INDEX requests_outbox ON raw.requests (outbox_id, sequence) WHERE outbox_id IS NOT NULL;

-- Where the consumer goes on reading: written in the transaction of the rows it belongs to. Kafka's own offsets are for monitoring.
CREATE TABLE raw.offsets (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

-- Records that can't become rows, with the reason; they count in the balance.
CREATE TABLE raw.dead_letters (
    topic      text        NOT NULL,
    partition  integer     NOT NULL,
    log_offset bigint      NOT NULL,
    outbox_id  uuid,
    sequence   bigint,
    request_id uuid,
    reason     text        NOT NULL,
    payload    bytea       NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, log_offset)
);
CREATE INDEX dead_letters_outbox ON raw.dead_letters (outbox_id, sequence) WHERE outbox_id IS NOT NULL;

-- What each outbox last said of itself. The numbers are lower bounds; the rows above are the truth.
CREATE TABLE raw.outboxes (
    outbox_id    uuid        PRIMARY KEY,
    host         text        NOT NULL,
    accepted     bigint      NOT NULL DEFAULT 0,
    acknowledged bigint      NOT NULL DEFAULT 0,
    versions     jsonb       NOT NULL DEFAULT '{}',  -- pipeline -> version that answers there
    closed       boolean     NOT NULL DEFAULT false,  -- drained and gone for good
    seen_at      timestamptz NOT NULL DEFAULT now()
);
