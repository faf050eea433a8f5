-- name: former_target
-- The target of a pipeline that was applied before; locks it.
SELECT definition -> 'target' FROM control.pipelines WHERE name = %(name)s FOR UPDATE;

-- name: read_again
-- Let etl read the imports of a digest again, whose labels were overwritten by those of another target. What it wrote stays and is found there.
UPDATE warehouse.progress SET next_offset = 0, featured = 0, quarantined = 0, updated_at = now()
WHERE pipeline = %(name)s AND digest = %(digest)s AND topic = 'import:' || %(name)s;

-- name: next_mark
-- The next mark: batches of etl, which decide under it whose target holds, are over or see the new one.
SELECT warehouse.next_mark();

-- name: apply
-- Record a definition; the last one holds.
INSERT INTO control.pipelines (name, definition, commit, features_digest, applied_by)
VALUES (%(name)s, %(definition)s, %(commit)s, %(digest)s, %(caller)s)
ON CONFLICT (name) DO UPDATE
SET definition = excluded.definition, commit = excluded.commit, features_digest = excluded.features_digest,
    applied_at = now(), applied_by = excluded.applied_by;

-- name: apply_feature_set
-- Record its features digest. Applied again, it forgets the failure: etl tries once more, at the new commit.
INSERT INTO control.feature_sets (pipeline, digest, commit, definition)
VALUES (%(name)s, %(digest)s, %(commit)s, %(definition)s)
ON CONFLICT (pipeline, digest) DO UPDATE
SET commit = excluded.commit, definition = excluded.definition, failure = NULL;

-- name: find
-- One pipeline.
SELECT name, definition, commit, features_digest, applied_at, applied_by FROM control.pipelines WHERE name = %(name)s;

-- name: lock
-- One pipeline, locked: changes of its model versions wait for each other here.
SELECT name, definition, commit, features_digest, applied_at, applied_by FROM control.pipelines WHERE name = %(name)s FOR UPDATE;

-- name: all
-- All pipelines by name.
SELECT name, definition, commit, features_digest, applied_at, applied_by FROM control.pipelines ORDER BY name;

-- name: feature_set
-- What etl said of a features digest.
SELECT pipeline, digest, commit, table_name, features, failure, created_at
FROM control.feature_sets WHERE pipeline = %(pipeline)s AND digest = %(digest)s;

-- name: progress
-- How far etl is with a features digest.
SELECT topic, partition, next_offset, featured, quarantined
FROM warehouse.progress WHERE pipeline = %(pipeline)s AND digest = %(digest)s;

-- name: mark
-- The newest closed mark.
SELECT value FROM warehouse.mark;

-- name: waiting
-- Requests of a pipeline that etl has not passed, stored at or before a moment. `topics`, `partitions`, `nexts` are its progress. Road by road, so
-- that only what waits is read (index requests_road), however much lies behind; and no more than `most` of each, since it is asked every second.
SELECT coalesce(sum(road.waiting), 0)
FROM raw.offsets AS offsets
LEFT JOIN unnest(%(topics)s::text[], %(partitions)s::integer[], %(nexts)s::bigint[]) AS progress (topic, partition, next_offset)
       ON progress.topic = offsets.topic AND progress.partition = offsets.partition
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting FROM (
        SELECT FROM raw.requests AS request
        WHERE request.pipeline = %(pipeline)s AND request.topic = offsets.topic AND request.partition = offsets.partition
          AND request.log_offset >= coalesce(progress.next_offset, 0)
          AND request.stored_at <= coalesce(%(stored_before)s::timestamptz, 'infinity')
        ORDER BY request.log_offset LIMIT %(most)s
    ) AS first
) AS road;
