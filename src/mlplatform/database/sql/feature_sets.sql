-- name: in_use
-- The features digests in use, the pipelines' current ones first: those, and of the versions that
-- serve, wait for their approval, or served before. Others rest where they are; in use again they
-- go on from there.
SELECT sets.pipeline, sets.digest, sets.commit, sets.definition, sets.table_name, sets.features,
       sets.failure, warehouse.holds_labels(sets.table_name) IS TRUE AS holds_labels,
       sets.digest = pipelines.features_digest AS current
FROM control.feature_sets AS sets JOIN control.pipelines AS pipelines
    ON pipelines.name = sets.pipeline
WHERE sets.digest = pipelines.features_digest OR EXISTS (
    SELECT FROM control.model_versions AS version
    WHERE version.pipeline = sets.pipeline AND version.features_digest = sets.digest AND (
        version.state IN ('champion', 'candidate') OR version.version = (
            SELECT previous FROM control.promotions WHERE pipeline = sets.pipeline
                AND state = 'champion' ORDER BY id DESC LIMIT 1
        )
    )
)
ORDER BY current DESC, sets.created_at, sets.pipeline;

-- name: find
-- What is known of a features digest.
SELECT sets.pipeline, sets.digest, sets.commit, sets.definition, sets.table_name, sets.features,
       sets.failure, warehouse.holds_labels(sets.table_name) IS TRUE AS holds_labels,
       sets.digest = pipelines.features_digest AS current
FROM control.feature_sets AS sets JOIN control.pipelines AS pipelines
    ON pipelines.name = sets.pipeline
WHERE sets.pipeline = %(pipeline)s AND sets.digest = %(digest)s;

-- name: current_tables
-- Every applied pipeline with its current features digest and the table of its rows, if etl has
-- made it.
SELECT pipelines.name AS pipeline, pipelines.features_digest AS digest, sets.table_name
FROM control.pipelines AS pipelines
LEFT JOIN control.feature_sets AS sets ON sets.pipeline = pipelines.name
    AND sets.digest = pipelines.features_digest
WHERE %(pipeline)s::text IS NULL OR pipelines.name = %(pipeline)s
ORDER BY pipelines.name;

-- name: record
-- Record the features digest of an applied definition. Applied again, it forgets the failure: etl
-- tries once more, at the new commit.
INSERT INTO control.feature_sets (pipeline, digest, commit, definition)
VALUES (%(pipeline)s, %(digest)s, %(commit)s, %(definition)s)
ON CONFLICT (pipeline, digest) DO UPDATE
SET commit = excluded.commit, definition = excluded.definition, failure = NULL;

-- name: label_tables
-- Feature tables of a pipeline that have columns for labels.
SELECT table_name FROM control.feature_sets
WHERE pipeline = %(pipeline)s AND warehouse.holds_labels(table_name) ORDER BY digest;

-- name: label_rules
-- Whether a digest reads the target that the pipeline has now, and whether its table has columns
-- for labels. Asked under the mark, which a change of the target takes too.
SELECT sets.definition -> 'target' = pipelines.definition -> 'target' AS reads_target,
       warehouse.holds_labels(sets.table_name) IS TRUE AS holds_labels
FROM control.feature_sets AS sets JOIN control.pipelines AS pipelines
    ON pipelines.name = sets.pipeline
WHERE sets.pipeline = %(pipeline)s AND sets.digest = %(digest)s;

-- name: lock_set
-- The table of a digest, if one was made; locked, so that only one etl makes it.
SELECT table_name FROM control.feature_sets WHERE pipeline = %(pipeline)s
    AND digest = %(digest)s FOR UPDATE;

-- name: count_by_mark
-- Have a new table counted by its marks, and removals from it noted, for the balance.
SELECT warehouse.count_by_mark(%(table)s);

-- name: set_table
-- Say that a digest can be worked on, with the types that its code was found to give.
UPDATE control.feature_sets SET table_name = %(table)s, features = %(features)s, failure = NULL
WHERE pipeline = %(pipeline)s AND digest = %(digest)s;

-- name: set_failure
-- Say why a digest can't be worked on.
UPDATE control.feature_sets SET failure = %(failure)s
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND failure IS DISTINCT FROM %(failure)s;
