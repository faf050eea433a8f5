-- name: places
-- What is stored of the queue's topics.
SELECT topic, partition, next_offset, topic_id, refused FROM raw.offsets
WHERE topic NOT LIKE 'import:%%' AND topic NOT LIKE 'redrive:%%'
  AND topic = coalesce(%(topic)s, topic) AND ends_at IS NULL
ORDER BY topic, partition;

-- name: refused
-- Why nothing more is read from a topic.
SELECT DISTINCT refused FROM raw.offsets WHERE refused IS NOT NULL ORDER BY refused;

-- name: resets
-- How often the queue's offsets were given up.
SELECT coalesce(max(resets), 0) FROM raw.offsets
WHERE topic NOT LIKE 'import:%%' AND topic NOT LIKE 'redrive:%%';

-- name: etl_places
-- Warehouse: the furthest place of etl in each partition of a topic.
SELECT partition::text, max(next_offset) FROM warehouse.progress
WHERE shard = %(shard)s AND topic = %(topic)s
GROUP BY partition;

-- name: reset
-- Give up the stored offsets of a topic; how many they were.
SELECT raw.reset_queue(%(topic)s, %(places)s);
