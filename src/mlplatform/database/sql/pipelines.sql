-- name: former_target
-- The target of a pipeline that was applied before; locks it.
SELECT definition -> 'target' FROM control.pipelines WHERE name = %(name)s FOR UPDATE;

-- name: apply
-- Record a definition; the last one holds.
INSERT INTO control.pipelines (name, definition, commit, features_digest, applied_by)
VALUES (%(name)s, %(definition)s, %(commit)s, %(digest)s, %(caller)s)
ON CONFLICT (name) DO UPDATE
SET definition = excluded.definition, commit = excluded.commit,
    features_digest = excluded.features_digest, applied_at = now(),
    applied_by = excluded.applied_by;

-- name: find
-- One pipeline.
SELECT name, definition, commit, features_digest, applied_at, applied_by
FROM control.pipelines WHERE name = %(name)s;

-- name: lock
-- One pipeline, locked: changes of its model versions wait for each other here.
SELECT name, definition, commit, features_digest, applied_at, applied_by
FROM control.pipelines WHERE name = %(name)s FOR UPDATE;

-- name: all
-- All pipelines by name.
SELECT name, definition, commit, features_digest, applied_at, applied_by
FROM control.pipelines ORDER BY name;
