-- name: roles
-- The roles, without passwords (whoever runs the server sets those). Superuser; may run again. The
-- owner is above etl, so that it may set default privileges for the tables that etl makes.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'mlplatform_owner', 'mlplatform_consumer', 'mlplatform_etl', 'mlplatform_dataapi',
        'mlplatform_reader', 'mlplatform_mlflow', 'mlplatform_backup'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
    END LOOP;
    GRANT pg_monitor TO mlplatform_reader;
    GRANT mlplatform_etl TO mlplatform_owner;
    ALTER ROLE mlplatform_reader SET default_transaction_read_only = on;
END
$$;

-- name: database_raw
-- Who may connect to the raw database. Not copied by CREATE DATABASE … TEMPLATE, so it has a
-- statement of its own. Writers need TEMPORARY: they COPY into a temporary table first.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO mlplatform_etl, mlplatform_reader;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO mlplatform_consumer, mlplatform_dataapi;

-- name: database_warehouse
-- Who may connect to the warehouse.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO mlplatform_reader, mlplatform_backup;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO mlplatform_etl, mlplatform_dataapi;

-- name: database_mlflow
-- Who may connect to MLflow's database, which mlplatform_mlflow owns.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO mlplatform_backup;

-- name: login_trigger
-- PostgreSQL 17+, superuser, once per database: a primary refuses the reader role, a standby lets
-- it in. Event triggers fire for the login itself, so a promoted standby refuses new sessions at
-- once. Without it a wrong address is noticed by the reader only.
CREATE SCHEMA IF NOT EXISTS mlplatform_guard;
CREATE OR REPLACE FUNCTION mlplatform_guard.refuse_reader() RETURNS event_trigger LANGUAGE plpgsql
    SET search_path = pg_catalog AS $$
BEGIN
    IF session_user = 'mlplatform_reader' AND NOT pg_is_in_recovery() THEN
        RAISE EXCEPTION 'mlplatform_reader is refused on a primary'
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'Give readers the address of a standby.';
    END IF;
END
$$;
DROP EVENT TRIGGER IF EXISTS mlplatform_refuse_reader;
CREATE EVENT TRIGGER mlplatform_refuse_reader
    ON login EXECUTE FUNCTION mlplatform_guard.refuse_reader();
ALTER EVENT TRIGGER mlplatform_refuse_reader ENABLE ALWAYS;

-- name: grants_raw
-- Rights in the raw database; the owner runs it after every migration.
GRANT USAGE ON SCHEMA raw TO mlplatform_consumer, mlplatform_etl, mlplatform_dataapi,
    mlplatform_reader;
-- The consumer can't read back what people sent, only its position and identity.
GRANT INSERT, SELECT (request_id, pipeline, topic, partition, log_offset, outbox_id, sequence)
    ON raw.requests TO mlplatform_consumer;
REVOKE INSERT ON raw.dead_letters FROM mlplatform_consumer;
GRANT INSERT (topic, partition, log_offset, outbox_id, sequence, request_id, kind, pipeline, reason,
    payload, elsewhere), SELECT (topic, partition, log_offset, outbox_id, sequence, request_id)
    ON raw.dead_letters TO mlplatform_consumer;
GRANT SELECT ON raw.shard, raw.horizons TO mlplatform_consumer;
GRANT INSERT, SELECT (request_id) ON raw.repeated TO mlplatform_consumer;
GRANT SELECT ON raw.shard TO mlplatform_etl, mlplatform_dataapi;
-- Of the offsets each writes its own rows only (row level security, migrations/raw/0003).
GRANT SELECT, INSERT, UPDATE ON raw.offsets TO mlplatform_consumer, mlplatform_dataapi;
GRANT EXECUTE ON FUNCTION raw.make_partitions(integer) TO mlplatform_consumer, mlplatform_dataapi;
GRANT EXECUTE ON FUNCTION raw.reset_queue(text, jsonb), raw.horizon(text, integer, bigint),
    raw.hand_over(text, integer, text), raw.take_over(text, integer, jsonb, bigint, jsonb),
    raw.settle_repeated(uuid[], uuid[]) TO mlplatform_dataapi;
GRANT SELECT (request_id, outbox_id, sequence) ON raw.repeated TO mlplatform_dataapi;
GRANT SELECT ON raw.requests, raw.offsets, raw.setbacks TO mlplatform_etl;
GRANT SELECT, INSERT ON raw.requests TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE ON raw.outboxes, raw.imports TO mlplatform_dataapi;
-- What came stays as it came: people decide about a dead letter, and change nothing of it.
GRANT SELECT, UPDATE (kind, reason, tried_at, resolved_at, resolved_by, resolved_why, dropped_at,
    dropped_by, dropped_why, elsewhere) ON raw.dead_letters TO mlplatform_dataapi;
GRANT SELECT ON raw.removed_numbers, raw.removed_letters TO mlplatform_dataapi;
GRANT EXECUTE ON FUNCTION raw.keep_balance(integer, jsonb) TO mlplatform_dataapi;
-- The values of a person who is to be forgotten, and nothing else of a row.
GRANT EXECUTE ON FUNCTION raw.forget_rows(text, uuid, integer[], bigint),
    raw.forget_letters(bigint[], bigint) TO mlplatform_dataapi;
-- Nobody may delete; these functions remove what is past its days, and keep what the balance needs.
GRANT EXECUTE ON FUNCTION raw.pipelines(), raw.past_requests(jsonb),
    raw.least_kept(text, uuid, jsonb), raw.past_partitions(jsonb),
    raw.remove_requests(jsonb, jsonb, integer), raw.remove_partition(text, jsonb, jsonb),
    raw.tidy_removed(), raw.join_removed(uuid, bigint, bigint, bigint[], bigint[]),
    raw.remove_dead_letters(timestamptz, integer),
    raw.remove_imports(text, timestamptz, integer) TO mlplatform_dataapi;
GRANT SELECT ON ALL TABLES IN SCHEMA raw TO mlplatform_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA raw GRANT SELECT ON TABLES TO mlplatform_reader;

-- name: grants_warehouse
-- Rights in the warehouse; the owner runs it after every migration.
GRANT USAGE ON SCHEMA warehouse, features, control TO mlplatform_etl, mlplatform_dataapi,
    mlplatform_reader;
GRANT USAGE ON SCHEMA control TO mlplatform_backup;
GRANT EXECUTE ON FUNCTION warehouse.next_mark() TO mlplatform_etl, mlplatform_dataapi;
GRANT SELECT, UPDATE ON warehouse.mark TO mlplatform_etl, mlplatform_dataapi;
-- What is written stays as it is: a label is ended, never changed, and who asks for a redrive
-- changes nothing else. Rights of earlier versions go.
REVOKE UPDATE ON warehouse.labels, warehouse.quarantine FROM mlplatform_etl, mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE (valid_to) ON warehouse.labels TO mlplatform_etl, mlplatform_dataapi;
-- Labels also lie in feature rows, which the data API may not read.
GRANT EXECUTE ON FUNCTION warehouse.imported_labels(text, uuid[]) TO mlplatform_etl,
    mlplatform_dataapi;
GRANT EXECUTE ON FUNCTION warehouse.holds_labels(text) TO mlplatform_etl, mlplatform_dataapi,
    mlplatform_reader;
GRANT EXECUTE ON FUNCTION warehouse.accepted_at(uuid) TO mlplatform_reader;
GRANT SELECT, INSERT, UPDATE (redrive_at, dropped_at, dropped_by, dropped_why)
    ON warehouse.quarantine TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE (column_name, reason, payload, at, redrive_at, resolved_at)
    ON warehouse.quarantine TO mlplatform_etl;
-- A correction is never changed: a later one counts instead.
GRANT SELECT, INSERT ON warehouse.corrections TO mlplatform_dataapi;
GRANT SELECT ON warehouse.corrections TO mlplatform_etl;
GRANT CREATE ON SCHEMA features TO mlplatform_etl;
GRANT EXECUTE ON FUNCTION warehouse.count_by_mark(text), warehouse.note_removal() TO mlplatform_etl;
GRANT EXECUTE ON FUNCTION warehouse.keep_counts(integer, jsonb) TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE ON warehouse.progress TO mlplatform_etl;
GRANT SELECT ON control.pipelines, control.feature_sets TO mlplatform_etl;
GRANT UPDATE (table_name, features, failure) ON control.feature_sets TO mlplatform_etl;
GRANT SELECT (pipeline, version, state, features_digest) ON control.model_versions
    TO mlplatform_etl;
GRANT SELECT (id, pipeline, state, previous) ON control.promotions TO mlplatform_etl;
-- The data API sets progress back when a pipeline's target changes; where etl writes is etl's.
GRANT SELECT, UPDATE (next_offset, featured, quarantined, updated_at) ON warehouse.progress
    TO mlplatform_dataapi;
-- Which bytes a version is stays as it was registered; only its state moves on.
REVOKE UPDATE ON control.pipelines, control.feature_sets, control.model_versions
    FROM mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE (definition, commit, features_digest, applied_at, applied_by)
    ON control.pipelines TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE (commit, definition, failure) ON control.feature_sets
    TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE (state, gate_digest) ON control.model_versions TO mlplatform_dataapi;
-- The promotion record, the ledger and the receipts only grow; of a promotion only the mirror's
-- time may be set later.
GRANT SELECT, INSERT ON control.promotions, control.ledger, control.receipts TO mlplatform_dataapi;
GRANT UPDATE (mirrored_at) ON control.promotions TO mlplatform_dataapi;
GRANT SELECT, INSERT ON control.segments TO mlplatform_dataapi;
GRANT SELECT, INSERT, UPDATE, DELETE ON control.leases TO mlplatform_dataapi;
-- Who asked for a run, when and why stays as it was recorded.
GRANT SELECT, INSERT, UPDATE (holder, key, state, outcome, submitted_at, started_at, finished_at,
    steps, step, version, verdicts, commit, gate_digest, receipt, mlflow_run, exit_code, failure,
    cancelled_by, report, changes) ON control.runs TO mlplatform_dataapi;
-- Nobody may delete; these functions remove what is past its days and what no receipt needs.
GRANT EXECUTE ON FUNCTION
    warehouse.remove_feature_rows(text, uuid, text[], timestamptz, integer, boolean),
    warehouse.remove_labels(text, timestamptz, uuid, text[], timestamptz, integer, boolean),
    warehouse.remove_quarantine(
        text, timestamptz, uuid, text[], timestamptz, boolean, integer, boolean),
    warehouse.remove_corrections(text, uuid),
    warehouse.remove_feature_sets(text, timestamptz, text[], timestamptz, boolean),
    control.remove_receipts(text, timestamptz, timestamptz, integer, boolean),
    control.remove_ledger(timestamptz, integer, boolean),
    control.remove_runs(text, timestamptz, integer, boolean) TO mlplatform_dataapi;
GRANT EXECUTE ON FUNCTION warehouse.rows_with_key(text, text),
    warehouse.forget_rows(text, uuid[], integer[], uuid[], bigint),
    warehouse.forget_lines(text, bigint[], bigint) TO mlplatform_dataapi;
GRANT SELECT ON control.forgotten_reads TO mlplatform_dataapi;
GRANT SELECT, INSERT, DELETE ON control.holds TO mlplatform_dataapi;
GRANT SELECT, INSERT ON control.removed_runs TO mlplatform_dataapi;
GRANT SELECT ON ALL TABLES IN SCHEMA warehouse, features, control TO mlplatform_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA warehouse, control GRANT SELECT ON TABLES TO mlplatform_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE mlplatform_etl IN SCHEMA features GRANT SELECT ON TABLES
    TO mlplatform_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA control TO mlplatform_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA control GRANT SELECT ON TABLES TO mlplatform_backup;

-- name: grants_mlflow
-- Backup reads MLflow's tables, those it has and those it will make; mlplatform_mlflow runs it.
GRANT USAGE ON SCHEMA public TO mlplatform_backup;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mlplatform_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO mlplatform_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO mlplatform_backup;
