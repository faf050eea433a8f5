-- The record of a training run: made before anything is started, or by the trainer with its lease. Its id is the run of lease, token, ledger and
-- receipts. `job` names its Job or process: by it a trainer finds the record that was made for it.
CREATE TABLE control.runs (
    id           text        PRIMARY KEY,
    pipeline     text        NOT NULL,
    job          text        NOT NULL DEFAULT '',
    holder       text        NOT NULL DEFAULT '',  -- of the lease
    reason       text        NOT NULL DEFAULT '',
    caller       text        NOT NULL,
    key          text        NOT NULL DEFAULT '',  -- Idempotency-Key; empty: it had none, or gave it back since it could not be started
    state        text        NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'lost', 'cancelled')),
    outcome      text        NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL DEFAULT now(),
    submitted_at timestamptz,  -- the cluster has taken it
    started_at   timestamptz,  -- it has taken the lease
    finished_at  timestamptz,
    steps        jsonb       NOT NULL DEFAULT '[]',
    step         text        NOT NULL DEFAULT '',
    version      text        NOT NULL DEFAULT '',
    verdicts     jsonb       NOT NULL DEFAULT '[]',
    commit       text        NOT NULL DEFAULT '',
    gate_digest  text        NOT NULL DEFAULT '',
    receipt      text        NOT NULL DEFAULT '',
    mlflow_run   text        NOT NULL DEFAULT '',
    exit_code    smallint,
    failure      jsonb,
    cancelled_by text        NOT NULL DEFAULT '',
    report       bigint      NOT NULL DEFAULT 0,  -- number of the last report
    changes      bigint      NOT NULL DEFAULT 1,
    CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running')))
);
-- One caller's key is one run, however many ask at once.
CREATE UNIQUE INDEX runs_key ON control.runs (pipeline, caller, key) WHERE key <> '';
-- Lists, latest first; removal by retention.
CREATE INDEX runs_pipeline ON control.runs (pipeline, requested_at DESC);
-- A trainer looks for its record.
CREATE INDEX runs_job ON control.runs (pipeline, job) WHERE job <> '';
-- Which are to be watched: few.
CREATE INDEX runs_open ON control.runs (id) WHERE finished_at IS NULL;

-- Records of runs that ended before a moment, but for those whose version is one that receipts are kept for.
CREATE FUNCTION control.remove_runs(which text, before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(
        SELECT old.id FROM control.runs AS old
        WHERE old.pipeline = which AND old.finished_at < before AND NOT EXISTS (
            SELECT FROM control.model_versions AS version WHERE version.pipeline = which AND version.version = old.version
            AND version.state NOT IN ('rejected', 'registered', 'verified')
        ) ORDER BY old.finished_at LIMIT CASE WHEN remove THEN most END
    );
    SELECT count(*), coalesce(sum(pg_column_size(ROW(old.*))), 0)::bigint INTO items, size FROM control.runs AS old WHERE old.id = ANY(ids);
    IF remove THEN
        DELETE FROM control.runs AS old WHERE old.id = ANY(ids);
    END IF;
    RETURN NEXT;
END
$$;
REVOKE EXECUTE ON FUNCTION control.remove_runs(text, timestamptz, integer, boolean) FROM PUBLIC;
