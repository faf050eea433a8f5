-- name: positions
-- Where to go on reading.
SELECT partition, next_offset FROM raw.offsets WHERE topic = %(topic)s
    AND partition = ANY(%(partitions)s);

-- name: begin_partitions
-- A partition that was never read begins at 0.
INSERT INTO raw.offsets (topic, partition, next_offset)
SELECT %(topic)s, partition, 0 FROM unnest(%(partitions)s::integer[]) AS partition
ON CONFLICT DO NOTHING;

-- name: lock_positions
-- The same as positions, and nobody else may store records of these partitions until this
-- transaction ends. Ordered against deadlocks.
SELECT partition, next_offset FROM raw.offsets
WHERE topic = %(topic)s AND partition = ANY(%(partitions)s) ORDER BY partition FOR UPDATE;

-- name: make_incoming
-- Where COPY puts a batch; made once per session (COPY itself knows no ON CONFLICT).
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    request_id uuid, pipeline text, partition integer, log_offset bigint, outbox_id uuid,
    sequence bigint, version text, caller text,
    client_id text, received_at timestamptz, rows integer, inputs json, outputs json
) ON COMMIT DELETE ROWS;

-- name: copy_incoming
-- One batch of decoded records.
COPY incoming (
    request_id, pipeline, partition, log_offset, outbox_id, sequence, version, caller, client_id,
    received_at, rows, inputs, outputs
) FROM STDIN;

-- name: keep_incoming
-- Into the raw rows, in the order of the log. A request that the queue delivered twice is already
-- there.
INSERT INTO raw.requests (
    request_id, pipeline, source, topic, partition, log_offset, outbox_id, sequence, version,
    caller, client_id, received_at, rows, inputs, outputs
)
SELECT
    request_id, pipeline, 'serving', %(topic)s, partition, log_offset, outbox_id, sequence, version,
    caller, client_id, received_at, rows, inputs, outputs
FROM incoming ORDER BY partition, log_offset
ON CONFLICT DO NOTHING;

-- name: keep_dead_letter
-- A record that can't become a row.
INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, sequence, request_id, reason,
    payload)
VALUES (%(topic)s, %(partition)s, %(offset)s, %(outbox_id)s, %(sequence)s, %(request_id)s,
    %(reason)s, %(payload)s)
ON CONFLICT DO NOTHING;

-- name: move_position
-- Everything before next_offset is stored.
UPDATE raw.offsets SET next_offset = %(next_offset)s, updated_at = now() WHERE topic = %(topic)s
    AND partition = %(partition)s;

-- name: dead_letters_in_a_row
-- How many of the last records of a partition are dead letters, looking back over `limit` records.
SELECT count(*) FROM (
    SELECT log_offset, row_number() OVER (ORDER BY log_offset DESC) AS back
    FROM raw.dead_letters
    WHERE topic = %(topic)s AND partition = %(partition)s
      AND log_offset >= %(next_offset)s - %(limit)s AND log_offset < %(next_offset)s
) AS recent
WHERE log_offset = %(next_offset)s - back;

-- name: make_partitions
-- Partitions of raw.requests for this month and the coming ones; those that exist stay.
SELECT raw.make_partitions(%(months)s);
