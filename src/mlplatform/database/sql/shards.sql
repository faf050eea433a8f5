-- name: name
-- Raw: which raw server this is.
SELECT name FROM raw.shard;

-- name: set_name
-- Raw: tell a database which raw server it is; one that knows it stays as it is.
INSERT INTO raw.shard (name) VALUES (%(name)s) ON CONFLICT DO NOTHING;

-- name: begin_ids
-- Raw: ids of dead letters, which are this server's own. Those that are given stay.
ALTER TABLE raw.dead_letters ALTER COLUMN id RESTART WITH {first};

-- name: held
-- Raw: what this server knows of the queue's partitions.
SELECT topic, partition, next_offset, moves, coalesce(moved_to, ''), begins_at FROM raw.offsets
WHERE topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%';

-- name: horizon
-- Raw: the highest number of each outbox in a partition, from a log_offset on.
SELECT outbox_id::text, highest FROM raw.horizon(%(topic)s, %(partition)s, %(since)s);

-- name: log_end
-- Raw: the log_offset of the next row of a partition.
SELECT next_offset + shift FROM raw.offsets
WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: hand_over
-- Raw: end a partition here.
SELECT raw.hand_over(%(topic)s, %(partition)s, %(target)s);

-- name: place
-- Raw: where a partition ended here, once all before that is stored.
SELECT next_offset, moves, topic_id, last_offset, last_record FROM raw.offsets
WHERE topic = %(topic)s AND partition = %(partition)s AND ends_at = next_offset;

-- name: take_over
-- Raw: go on with a partition here.
SELECT raw.take_over(%(topic)s, %(partition)s, %(place)s, %(above)s, %(horizon)s);

-- name: repeated
-- Raw: what was put aside because it seems to lie on another server.
SELECT request_id::text, outbox_id::text, sequence FROM raw.repeated LIMIT %(most)s;

-- name: settle_repeated
-- Raw: what of it lies elsewhere, and what nowhere.
SELECT raw.settle_repeated(%(elsewhere)s::uuid[], %(nowhere)s::uuid[]);

-- name: repeated_letters
-- Raw: dead letters that seem to have come again, and to lie on another server.
SELECT id::text, outbox_id::text, sequence, request_id::text FROM raw.dead_letters
WHERE elsewhere IS NULL ORDER BY id LIMIT %(most)s;

-- name: known_letters
-- Raw: which of these letters of another server are records of this one: a row, a letter that
-- counts here, or one that retention removed. A letter may show no request id.
SELECT came.id FROM unnest(%(ids)s::text[], %(outboxes)s::uuid[], %(sequences)s::bigint[],
    %(requests)s::uuid[]) AS came (id, outbox_id, sequence, request_id)
WHERE EXISTS (
    SELECT FROM raw.requests AS request
    WHERE request.outbox_id = came.outbox_id AND request.sequence = came.sequence
      AND request.request_id = coalesce(came.request_id, request.request_id)
) OR EXISTS (
    SELECT FROM raw.dead_letters AS letter
    WHERE letter.outbox_id = came.outbox_id AND letter.sequence = came.sequence
      AND letter.elsewhere IS FALSE
      AND (letter.request_id = came.request_id) IS NOT FALSE
) OR EXISTS (
    SELECT FROM raw.removed_numbers AS removed
    WHERE removed.outbox_id = came.outbox_id
      AND came.sequence BETWEEN removed.first AND removed.last
);

-- name: settle_letters
-- Raw: letters that came again, and the server that has them; null where none has.
UPDATE raw.dead_letters AS letter
SET elsewhere = settled.shard IS NOT NULL,
    dropped_at = coalesce(dropped_at, CASE WHEN settled.shard IS NOT NULL THEN now() END),
    dropped_by = coalesce(dropped_by, CASE WHEN settled.shard IS NOT NULL THEN %(by)s::text END),
    dropped_why = coalesce(dropped_why, 'it has come again, and lies on ' || settled.shard)
FROM unnest(%(ids)s::bigint[], %(shards)s::text[]) AS settled (id, shard)
WHERE letter.id = settled.id AND letter.elsewhere IS NULL;

-- name: became_rows
-- Raw: letters of requests that came again, and become rows of another server. Returns which of
-- these requests had one here.
UPDATE raw.dead_letters AS letter
SET elsewhere = true, resolved_at = coalesce(resolved_at, now()),
    resolved_by = coalesce(resolved_by, %(by)s),
    resolved_why = coalesce(resolved_why, 'it has come again, and is a row of ' || %(shard)s::text)
FROM unnest(%(ids)s::uuid[], %(outboxes)s::uuid[], %(sequences)s::bigint[])
    AS came (request_id, outbox_id, sequence)
WHERE letter.outbox_id = came.outbox_id AND letter.sequence = came.sequence
  AND coalesce(letter.request_id, came.request_id) = came.request_id
RETURNING came.request_id::text;

-- name: segments
-- Warehouse: which raw server holds which part of the queue.
SELECT topic, partition, from_offset, shard FROM control.segments
ORDER BY topic, partition, moves;

-- name: add_segment
-- Warehouse: a partition goes on elsewhere.
INSERT INTO control.segments (topic, partition, moves, from_offset, shard)
VALUES (%(topic)s, %(partition)s, %(moves)s, %(from_offset)s, %(shard)s) ON CONFLICT DO NOTHING;

-- name: lock_moves
-- Warehouse: one moves partitions at a time.
SELECT pg_try_advisory_xact_lock(hashtext('mlplatform.shards'));

-- name: lock_repeats
-- Warehouse: one says at a time which server has a record that came again.
SELECT pg_advisory_xact_lock(hashtext('mlplatform.repeats'));

-- name: etl_place
-- Warehouse: the furthest place of etl in a partition of a server.
SELECT coalesce(max(next_offset), 0) FROM warehouse.progress
WHERE shard = %(shard)s AND topic = %(topic)s AND partition = %(partition)s;
