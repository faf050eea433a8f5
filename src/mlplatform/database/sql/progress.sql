-- name: all
-- How far all digests are.
SELECT pipeline, digest, topic, partition, next_offset, featured, quarantined, setbacks, shard
FROM warehouse.progress;

-- name: of_digest
-- How far etl is with a features digest.
SELECT pipeline, digest, topic, partition, next_offset, featured, quarantined, shard
FROM warehouse.progress WHERE pipeline = %(pipeline)s AND digest = %(digest)s;

-- name: of_current_digests
-- How far etl is with the current digests, of one pipeline or of all.
SELECT progress.pipeline, progress.digest, progress.topic, progress.partition, progress.next_offset,
    progress.featured, progress.quarantined, progress.shard
FROM warehouse.progress AS progress
JOIN control.pipelines AS pipelines ON pipelines.name = progress.pipeline
    AND pipelines.features_digest = progress.digest
WHERE %(pipeline)s::text IS NULL OR progress.pipeline = %(pipeline)s;

-- name: begin
-- Begin partitions at 0; those that have begun stay.
INSERT INTO warehouse.progress (pipeline, digest, topic, partition, shard)
SELECT * FROM unnest(%(pipelines)s::text[], %(digests)s::text[], %(topics)s::text[],
    %(partitions)s::integer[], %(shards)s::text[])
ON CONFLICT DO NOTHING;

-- name: claim
-- Take a cursor for this transaction; nothing when another etl has it.
SELECT next_offset FROM warehouse.progress
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND shard = %(shard)s
  AND topic = %(topic)s AND partition = %(partition)s FOR UPDATE SKIP LOCKED;

-- name: advance
-- Move a cursor on, in the transaction of the rows before it.
UPDATE warehouse.progress
SET next_offset = %(next_offset)s, featured = featured + %(featured)s,
    quarantined = quarantined + %(quarantined)s, updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND shard = %(shard)s
  AND topic = %(topic)s AND partition = %(partition)s;

-- name: set_back
-- Rows were stored below a cursor: it reads from there again, and finds what it has written.
UPDATE warehouse.progress
SET next_offset = least(next_offset, %(lowest)s), setbacks = %(seen)s, updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND shard = %(shard)s
  AND topic = %(topic)s AND partition = %(partition)s AND setbacks < %(seen)s;

-- name: recount
-- Rows that a redrive turned from quarantined to featured.
UPDATE warehouse.progress SET featured = featured + %(rows)s, quarantined = quarantined - %(rows)s,
    updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND shard = %(shard)s
  AND topic = %(topic)s AND partition = %(partition)s;

-- name: restart_imports
-- Let etl read the imports of a digest again, whose labels were overwritten by those of another
-- target. What it wrote stays and is found there.
UPDATE warehouse.progress SET next_offset = 0, featured = 0, quarantined = 0, updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND topic = 'import:' || %(pipeline)s;
