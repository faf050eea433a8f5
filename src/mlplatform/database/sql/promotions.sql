-- name: versions
-- All versions of a pipeline, oldest first; the caller holds the pipeline's lock when it is about
-- to change one.
SELECT pipeline, version, state, run_id, artifacts, manifest_sha256, features_digest, commit,
       format, receipt_id, gate_digest, metrics, created_at
FROM control.model_versions WHERE pipeline = %(pipeline)s ORDER BY created_at, version;

-- name: add_version
-- A version that was just registered.
INSERT INTO control.model_versions
    (pipeline, version, state, run_id, artifacts, manifest_sha256, features_digest, commit, format,
     receipt_id, metrics)
VALUES (%(pipeline)s, %(version)s, 'registered', %(run_id)s, %(artifacts)s, %(manifest_sha256)s,
        %(features_digest)s, %(commit)s, %(format)s, %(receipt_id)s, %(metrics)s)
RETURNING pipeline, version, state, run_id, artifacts, manifest_sha256, features_digest, commit,
          format, receipt_id, gate_digest, metrics, created_at;

-- name: set_state
-- A version's new state; a gate digest is kept once it is there.
UPDATE control.model_versions
SET state = %(state)s, gate_digest = coalesce(%(gate_digest)s, gate_digest)
WHERE pipeline = %(pipeline)s AND version = %(version)s;

-- name: add_promotion
-- One entry of the promotion record.
INSERT INTO control.promotions (pipeline, version, action, state, by, why, gate_digest, previous)
VALUES (%(pipeline)s, %(version)s, %(action)s, %(state)s, %(by)s, %(why)s, %(gate_digest)s,
    %(previous)s)
RETURNING id, pipeline, version, action, state, by, why, gate_digest, previous, at;

-- name: history
-- The whole promotion record of a pipeline, oldest first.
SELECT id, pipeline, version, action, state, by, why, gate_digest, previous, at
FROM control.promotions WHERE pipeline = %(pipeline)s ORDER BY id;

-- name: mirrored
-- MLflow's aliases were seen to be equal to the record up to this entry.
UPDATE control.promotions SET mirrored_at = now() WHERE pipeline = %(pipeline)s AND id <= %(id)s
    AND mirrored_at IS NULL;

-- name: promoted_pipelines
-- Pipelines that have a promotion record.
SELECT DISTINCT pipeline FROM control.promotions ORDER BY pipeline;
