-- name: snapshot
-- All that follows in this transaction reads one state.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: revision
-- Version of MLflow's schema; no row before MLflow's first start.
SELECT version_num FROM public.alembic_version;

-- name: revision_table
-- Whether MLflow has made its tables.
SELECT to_regclass('public.alembic_version') IS NOT NULL;

-- name: tables
-- Tables of a schema with the columns that can be written (generated ones can't), in the order of
-- the columns.
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = ''
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
GROUP BY c.relname ORDER BY c.relname;

-- name: references
-- Which table needs which other one filled first.
SELECT from_table.relname, to_table.relname
FROM pg_constraint f
JOIN pg_class from_table ON from_table.oid = f.conrelid
JOIN pg_class to_table ON to_table.oid = f.confrelid
WHERE f.contype = 'f' AND f.connamespace = %(schema)s::regnamespace AND f.conrelid <> f.confrelid;

-- name: sequences
-- Sequences that number a column: (table, column, sequence).
SELECT t.relname, a.attname, s.oid::regclass::text
FROM pg_class s
JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class t ON t.oid = d.refobjid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND t.relnamespace = %(schema)s::regnamespace;

-- name: runs
-- Artifact folders of the runs behind model versions.
SELECT DISTINCT r.artifact_uri
FROM public.model_versions v JOIN public.runs r ON r.run_uuid = v.run_id
WHERE v.current_stage IS DISTINCT FROM 'Deleted_Internal'
ORDER BY r.artifact_uri;

-- name: occupied
-- Whether MLflow's database holds anything that a restore would overwrite: its first start makes
-- one empty experiment.
SELECT EXISTS (SELECT FROM public.runs) OR EXISTS (SELECT FROM public.registered_models);

-- name: versions
-- Versions in the promotion record whose files were not removed: (pipeline, version, state, run,
-- artifacts, manifest).
SELECT pipeline, version, state, run_id, artifacts, manifest_sha256
FROM control.model_versions AS version WHERE NOT EXISTS (
    SELECT FROM control.removed_runs AS removed
    WHERE removed.pipeline = version.pipeline AND removed.run_id = version.run_id
) ORDER BY pipeline, created_at, version;

-- name: keep_model
-- A model that the dump does not know yet, for the number that follows.
INSERT INTO public.registered_models (name, creation_time, last_updated_time)
SELECT %(model)s::text, moment, moment
FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS moment) AS at
ON CONFLICT DO NOTHING;

-- name: keep_number
-- What MLflow leaves of a deleted version: a hidden row, from which it continues to count.
INSERT INTO public.model_versions (name, version, creation_time, last_updated_time, current_stage,
    source, run_id, run_link, status)
SELECT %(model)s::text, %(version)s::integer, moment, moment, 'Deleted_Internal',
    'REDACTED-SOURCE-PATH', 'REDACTED-RUN-ID', 'REDACTED-RUN-LINK', 'READY'
FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS moment) AS at
WHERE NOT EXISTS (SELECT FROM public.model_versions WHERE name = %(model)s::text
  AND version >= %(version)s::integer);
