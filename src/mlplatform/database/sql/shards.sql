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
SELECT request_id::text FROM raw.repeated LIMIT %(most)s;

-- name: settle_repeated
-- Raw: what of it lies elsewhere, and what nowhere.
SELECT raw.settle_repeated(%(elsewhere)s::uuid[], %(nowhere)s::uuid[]);

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

-- name: etl_place
-- Warehouse: the furthest place of etl in a partition of a server.
SELECT coalesce(max(next_offset), 0) FROM warehouse.progress
WHERE shard = %(shard)s AND topic = %(topic)s AND partition = %(partition)s;
