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
    xact          bigint      NOT NULL DEFAULT pg_current_xact_id()::text::bigint,  -- leads to its mark in raw.batches; left to its default
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

-- Partitions by month, made ahead. A row whose month has none lies in the default partition; making that month's partition later moves it.
-- Runs with the owner's rights, so that the consumer needs no right to make tables.
CREATE FUNCTION raw.make_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
    last  timestamptz := month + make_interval(months => months_ahead);
    name  text;
    low   uuid;
    high  uuid;
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('raw.make_partitions'));
    WHILE month <= last LOOP
        name := 'requests_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
        low := raw.first_request_id(month);
        month := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        high := raw.first_request_id(month);
        CONTINUE WHEN to_regclass('raw.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE raw.%I (LIKE raw.requests INCLUDING ALL)', name);
        EXECUTE format(
            'WITH moved AS (DELETE FROM raw.requests_default WHERE request_id >= %L AND request_id < %L RETURNING *) '
            'INSERT INTO raw.%I SELECT * FROM moved', low, high, name);
        EXECUTE format('ALTER TABLE raw.requests ATTACH PARTITION raw.%I FOR VALUES FROM (%L) TO (%L)', name, low, high);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- The least UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
CREATE FUNCTION raw.first_request_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

REVOKE EXECUTE ON FUNCTION raw.make_partitions(integer) FROM PUBLIC;
SELECT raw.make_partitions(2);

-- Marks, as in the warehouse: what a dataset of raw requests stands for. A transaction gets its mark at commit (a deferred trigger), and the
-- row lock on raw.mark makes marks commit in order; so everything at or below a visible mark is complete, and writers wait for each other
-- during their commits only, not while they copy rows.
CREATE TABLE raw.mark (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    value bigint  NOT NULL
);
INSERT INTO raw.mark (value) VALUES (0);
CREATE TABLE raw.batches (
    xact bigint PRIMARY KEY,
    mark bigint
);

CREATE FUNCTION raw.open_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO raw.batches (xact) VALUES (pg_current_xact_id()::text::bigint) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE FUNCTION raw.close_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    next bigint;
BEGIN
    UPDATE raw.mark SET value = greatest(value + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) RETURNING value INTO next;
    UPDATE raw.batches SET mark = next WHERE xact = NEW.xact;
    RETURN NULL;
END
$$;
CREATE TRIGGER open_batch AFTER INSERT ON raw.requests FOR EACH STATEMENT EXECUTE FUNCTION raw.open_batch();
CREATE CONSTRAINT TRIGGER close_batch AFTER INSERT ON raw.batches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raw.close_batch();
REVOKE EXECUTE ON FUNCTION raw.open_batch(), raw.close_batch() FROM PUBLIC;
