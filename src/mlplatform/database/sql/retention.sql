-- name: long
-- What is counted here may take longer than an answer to a request.
SELECT set_config('statement_timeout', %(ms)s::text, true);

-- name: holds
-- The legal holds that stand.
SELECT pipeline, why, by, at FROM control.holds ORDER BY pipeline;

-- name: hold
-- Put a pipeline under a legal hold; a second one changes the reason.
INSERT INTO control.holds (pipeline, why, by) VALUES (%(pipeline)s, %(why)s, %(by)s)
ON CONFLICT DO NOTHING
RETURNING pipeline, why, by, at;

-- name: release
-- End it.
DELETE FROM control.holds WHERE pipeline = %(pipeline)s RETURNING pipeline, why, by, at;

-- name: sets
-- Features digests of a pipeline, when each was recorded.
SELECT digest, created_at FROM control.feature_sets WHERE pipeline = %(pipeline)s;

-- name: feature_rows
-- Feature rows of removed requests that no receipt needs.
SELECT items, size, kept FROM warehouse.remove_feature_rows(%(pipeline)s, %(below)s, %(keep)s,
    %(failed_before)s, %(most)s, %(remove)s);

-- name: labels
-- Labels that no receipt needs.
SELECT items, size, kept FROM warehouse.remove_labels(%(pipeline)s, %(before)s, %(below)s,
    %(keep)s, %(failed_before)s, %(most)s, %(remove)s);

-- name: quarantine
-- Entries of the quarantine that were decided.
SELECT items, size, kept FROM warehouse.remove_quarantine(%(pipeline)s, %(before)s, %(below)s,
    %(keep)s, %(failed_before)s, false, %(most)s, %(remove)s);

-- name: quarantine_open
-- Entries of the quarantine that nobody decided.
SELECT items, size, kept FROM warehouse.remove_quarantine(%(pipeline)s, %(before)s, %(below)s,
    %(keep)s, %(failed_before)s, true, %(most)s, %(remove)s);

-- name: corrections
-- Corrections of rows whose requests are gone.
SELECT warehouse.remove_corrections(%(pipeline)s, %(below)s);

-- name: features
-- Feature tables that nothing uses.
SELECT name, items, size FROM warehouse.remove_feature_sets(%(pipeline)s, %(before)s, %(keep)s,
    %(failed_before)s, %(remove)s);

-- name: receipts
-- Receipts that no version needs.
SELECT items, size, kept FROM control.remove_receipts(%(pipeline)s, %(before)s,
    %(failed_before)s, %(most)s, %(remove)s);

-- name: ledger
-- Old entries of the ledger.
SELECT items, size, kept FROM control.remove_ledger(%(before)s, %(most)s, %(remove)s);

-- name: removed_runs
-- Runs of a pipeline whose files were removed.
SELECT run_id FROM control.removed_runs WHERE pipeline = %(pipeline)s;

-- name: note_run
-- The files of a run were removed.
INSERT INTO control.removed_runs (pipeline, run_id) VALUES (%(pipeline)s, %(run_id)s)
ON CONFLICT DO NOTHING;

-- name: sizes
-- What the tables of this database take, the largest first; partitions count as their table.
SELECT name, sum(greatest(reltuples, 0))::bigint AS rows, sum(pg_table_size(oid))::bigint AS size,
    sum(pg_indexes_size(oid))::bigint AS indexes
FROM (
    SELECT class.oid, class.reltuples,
        space.nspname || '.' || coalesce(parent.relname, class.relname) AS name
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
    LEFT JOIN pg_inherits ON inhrelid = class.oid
    LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE class.relkind = 'r' AND space.nspname IN ('raw', 'warehouse', 'features', 'control')
) AS tables
GROUP BY name ORDER BY size DESC, name;
