-- name: begin
-- Note an import on its first use; later ones find it.
INSERT INTO raw.imports (pipeline, key, caller, body_sha256)
VALUES (%(pipeline)s, %(key)s, %(caller)s, %(body_sha256)s)
ON CONFLICT (pipeline, key) DO NOTHING;

-- name: find
-- How far an import is.
SELECT key, body_sha256, records, accepted, quarantined, reasons, last_offset, finished
FROM raw.imports WHERE pipeline = %(pipeline)s AND key = %(key)s;

-- name: lock
-- The same, locked: two requests with one key take turns.
SELECT key, body_sha256, records, accepted, quarantined, reasons, last_offset, finished
FROM raw.imports WHERE pipeline = %(pipeline)s AND key = %(key)s FOR UPDATE;

-- name: advance
-- How far it is now, in the transaction of its rows.
UPDATE raw.imports
SET records = %(records)s, accepted = %(accepted)s, quarantined = %(quarantined)s,
    reasons = %(reasons)s, last_offset = %(last_offset)s, finished = %(finished)s,
    updated_at = now()
WHERE pipeline = %(pipeline)s AND key = %(key)s;

-- name: make_offset
-- The position of this pipeline's imports, on its first use.
INSERT INTO raw.offsets (topic, partition, next_offset) VALUES (%(topic)s, 0, 0)
    ON CONFLICT DO NOTHING;

-- name: lock_offset
-- The next offset, locked until commit: rows become visible in the order of their offsets. At least
-- the clock in microseconds, so that a failover that lost commits can't give an offset twice.
SELECT greatest(next_offset, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
FROM raw.offsets WHERE topic = %(topic)s AND partition = 0 FOR UPDATE;

-- name: set_offset
-- The offset behind the rows of this transaction.
UPDATE raw.offsets SET next_offset = %(next)s, updated_at = now() WHERE topic = %(topic)s
    AND partition = 0;

-- name: copy_requests
-- Requests of an import, of many rows each.
COPY raw.requests (request_id, pipeline, source, topic, partition, log_offset, caller, received_at,
    rows, inputs) FROM STDIN;
