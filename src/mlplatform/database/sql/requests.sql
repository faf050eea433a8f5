-- name: positions
-- Where to go on reading; null for a partition that another server goes on with.
SELECT partition, CASE WHEN next_offset < coalesce(ends_at, next_offset + 1) THEN next_offset END
FROM raw.offsets WHERE topic = %(topic)s AND partition = ANY(%(partitions)s);

-- name: topic_ids
-- The ids of the topics that the stored offsets are of, and none may change them meanwhile. What
-- another server goes on with stays as it was when it ended here.
SELECT topic_id FROM raw.offsets WHERE topic = %(topic)s
    AND next_offset < coalesce(ends_at, next_offset + 1) ORDER BY partition FOR UPDATE;

-- name: bind
-- These offsets are of this topic from now on (null: the queue tells no id). After a reset the
-- reading begins where the queue does, and rows go on above all that were stored before. Returns
-- for which of these partitions it is known what lies right before next_offset.
UPDATE raw.offsets AS offsets
SET topic_id = coalesce(%(topic_id)s, offsets.topic_id),
    next_offset = CASE WHEN resume_at IS NULL THEN next_offset ELSE queue.first END,
    shift = CASE WHEN resume_at IS NULL THEN shift
        ELSE greatest(shift, resume_at - queue.first) END,
    resume_at = NULL
FROM unnest(%(partitions)s::integer[], %(firsts)s::bigint[]) AS queue (partition, first)
WHERE offsets.topic = %(topic)s AND offsets.partition = queue.partition
  AND next_offset < coalesce(ends_at, next_offset + 1)
RETURNING offsets.partition, offsets.last_offset IS NOT DISTINCT FROM offsets.next_offset - 1;

-- name: begin_partitions
-- A partition that was never read begins at 0.
INSERT INTO raw.offsets (topic, partition, next_offset, topic_id)
SELECT %(topic)s, partition, 0, %(topic_id)s FROM unnest(%(partitions)s::integer[]) AS partition
ON CONFLICT DO NOTHING;

-- name: lock_positions
-- The same as positions, and nobody else may store records of these partitions until this
-- transaction ends. Ordered against deadlocks. A topic of another id is not the one that the
-- records came from, nor is one that was reset after they were read. Then what lies right before
-- next_offset, if that is known; where the partition ends here; and whether it came from another
-- server, so that some of its records may lie there.
SELECT partition, next_offset,
    topic_id IS DISTINCT FROM coalesce(%(topic_id)s, topic_id) OR resume_at IS NOT NULL,
    CASE WHEN last_offset = next_offset - 1 THEN last_record END, refused IS NOT NULL, ends_at,
    EXISTS (SELECT FROM raw.horizons AS horizon
        WHERE horizon.topic = offsets.topic AND horizon.partition = offsets.partition)
FROM raw.offsets AS offsets
WHERE topic = %(topic)s AND partition = ANY(%(partitions)s) ORDER BY partition FOR UPDATE;

-- name: shifts
-- By how much offsets of these partitions are raised, and whether one of these requests is there.
SELECT partition, shift, EXISTS (SELECT FROM raw.requests WHERE request_id = ANY(%(ids)s::uuid[]))
FROM raw.offsets WHERE topic = %(topic)s AND partition = ANY(%(partitions)s);

-- name: copy_requests
-- One batch of decoded records, none of which is there.
COPY raw.requests (
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
) FROM STDIN (FORMAT BINARY);

-- name: make_incoming
-- Where COPY puts a batch some of which may be there; made once per session (COPY itself knows no
-- ON CONFLICT).
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    request_id uuid, outbox_id uuid, partition integer, log_offset bigint, sequence bigint,
    received_at timestamptz, rows integer, source text, topic text, pipeline text, version text,
    caller text, client_id text, inputs json, outputs json, form text, salt bytea, digest bytea,
    chain bytea, begins text
) ON COMMIT DELETE ROWS;

-- name: copy_incoming
-- The same batch.
COPY incoming (
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
) FROM STDIN (FORMAT BINARY);

-- name: keep_repeated
-- What has come again, and lies on the server that had the partition before: put aside.
WITH again AS (
    DELETE FROM incoming USING raw.horizons AS horizon
    WHERE horizon.topic = incoming.topic AND horizon.partition = incoming.partition
      AND horizon.outbox_id = incoming.outbox_id AND incoming.sequence <= horizon.highest
    RETURNING incoming.*
)
INSERT INTO raw.repeated (
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
)
SELECT
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
FROM again
ON CONFLICT DO NOTHING;

-- name: keep_incoming
-- Into the raw rows, in the order of the log. A request that the queue delivered twice is already
-- there.
INSERT INTO raw.requests (
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
)
SELECT
    request_id, outbox_id, partition, log_offset, sequence, received_at, rows, source, topic,
    pipeline, version, caller, client_id, inputs, outputs, form, salt, digest, chain, begins
FROM incoming
ORDER BY partition, log_offset
ON CONFLICT DO NOTHING;

-- name: keep_dead_letter
-- A record that can't become a row. One that has come again, and lies on the server that had the
-- partition before, is not counted until that was asked.
INSERT INTO raw.dead_letters (topic, partition, log_offset, outbox_id, sequence, request_id, kind,
    pipeline, reason, payload, elsewhere)
SELECT topic, partition, %(offset)s + shift, %(outbox_id)s, %(sequence)s, %(request_id)s, %(kind)s,
    %(pipeline)s, %(reason)s, %(payload)s,
    CASE WHEN EXISTS (
        SELECT FROM raw.horizons AS horizon
        WHERE horizon.topic = offsets.topic AND horizon.partition = offsets.partition
          AND horizon.outbox_id = %(outbox_id)s::uuid AND horizon.highest >= %(sequence)s::bigint
    ) THEN NULL ELSE false END
FROM raw.offsets AS offsets WHERE topic = %(topic)s AND partition = %(partition)s
ON CONFLICT DO NOTHING;

-- name: move_position
-- Everything before next_offset is stored, and this is the last of it.
UPDATE raw.offsets SET next_offset = %(next_offset)s, last_offset = %(next_offset)s - 1,
    last_record = %(last_record)s, updated_at = now()
WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: resets
-- How often the offsets of this topic were given up.
SELECT coalesce(max(resets), 0) FROM raw.offsets WHERE topic = %(topic)s;

-- name: note_refusal
-- Why nothing more is read from this topic; null: it is read.
UPDATE raw.offsets SET refused = %(why)s
WHERE topic = %(topic)s AND refused IS DISTINCT FROM %(why)s;

-- name: dead_letters_in_a_row
-- How many of the last records of a partition are dead letters, looking back over `limit` records.
WITH next AS (
    SELECT topic, partition, %(next_offset)s + shift AS log_offset FROM raw.offsets
    WHERE topic = %(topic)s AND partition = %(partition)s
)
SELECT count(*) FROM (
    SELECT next.log_offset - letters.log_offset AS distance,
        row_number() OVER (ORDER BY letters.log_offset DESC) AS back
    FROM raw.dead_letters AS letters JOIN next USING (topic, partition)
    WHERE letters.log_offset >= next.log_offset - %(limit)s
      AND letters.log_offset < next.log_offset
) AS recent
WHERE distance = back;

-- name: make_partitions
-- Partitions of raw.requests for this month and the coming ones; those that exist stay.
SELECT raw.make_partitions(%(months)s);
