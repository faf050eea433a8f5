-- Roles and databases on your own PostgreSQL 17+, for `psql -f` as superuser.
-- Made by `make chart-docs` from database/sql/roles.sql.
-- Afterwards give each role a password (\password mlplatform_consumer …);
-- schemas and rights are made by the first start.

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

CREATE DATABASE raw OWNER mlplatform_owner;
\connect raw
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

CREATE DATABASE warehouse OWNER mlplatform_owner;
\connect warehouse
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

CREATE DATABASE mlflow OWNER mlplatform_mlflow;
\connect mlflow
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
