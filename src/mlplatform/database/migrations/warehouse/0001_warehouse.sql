-- The warehouse: feature rows and labels, and the platform's own records.
CREATE SCHEMA warehouse;
CREATE SCHEMA features;
CREATE SCHEMA control;

-- One counter for all that writes feature rows or labels. `UPDATE … RETURNING` holds the row lock until commit, so marks commit in the
-- order of their values: everything at or below a mark that is visible is complete. It is at least the clock in microseconds, so that a
-- failover which loses commits can't hand out the same mark twice.
CREATE TABLE warehouse.mark (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    value bigint  NOT NULL
);
INSERT INTO warehouse.mark (value) VALUES (0);

CREATE FUNCTION warehouse.next_mark() RETURNS bigint LANGUAGE sql AS $$
    UPDATE warehouse.mark
    SET value = greatest(value + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    RETURNING value
$$;
REVOKE EXECUTE ON FUNCTION warehouse.next_mark() FROM PUBLIC;

-- Definitions as they were applied, by commit.
CREATE TABLE control.pipelines (
    name            text        PRIMARY KEY,
    definition      jsonb       NOT NULL,
    commit          text        NOT NULL,
    features_digest text        NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT now(),
    applied_by      text        NOT NULL
);

-- One table of feature rows per pipeline and features digest; etl makes the table `features.<table_name>` on first sight:
--   request_id uuid, row integer, batch bigint (mark), event_time timestamptz, key text, then one typed column per feature;
--   primary key (request_id, row).
CREATE TABLE control.feature_sets (
    pipeline   text        NOT NULL REFERENCES control.pipelines (name),
    digest     text        NOT NULL,
    commit     text        NOT NULL,
    definition jsonb       NOT NULL,               -- the definition it was applied with: raw columns, target, key, time
    table_name text,                               -- set by etl, with the columns, when it has made the table
    features   jsonb,                              -- [{name, dtype}]
    failure    text,                               -- why etl can't load the features code, for people
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, digest)
);

-- Where etl goes on reading, per digest: written in the transaction of the feature rows. A new digest starts at 0, which is its backfill.
-- Workers share the work with FOR UPDATE SKIP LOCKED on these rows.
CREATE TABLE warehouse.progress (
    pipeline    text        NOT NULL,
    digest      text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL DEFAULT 0,
    featured    bigint      NOT NULL DEFAULT 0,  -- rows, cumulative
    quarantined bigint      NOT NULL DEFAULT 0,  -- rows, cumulative
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, digest, topic, partition)
);

-- Labels, from history rows (etl) and from feedback (data API). A correction closes the old row and adds one: an as-of read sees what held
-- then. Exactly one of number and text is set, by the target's dtype (bool and int64 are numbers).
CREATE TABLE warehouse.labels (
    pipeline   text        NOT NULL,
    request_id uuid        NOT NULL,
    row        integer     NOT NULL,
    number     double precision,
    text       text,
    source     text        NOT NULL CHECK (source IN ('import', 'feedback')),
    valid_from bigint      NOT NULL,                              -- mark
    valid_to   bigint      NOT NULL DEFAULT 9223372036854775807,  -- mark, exclusive
    labelled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (request_id, row, valid_from),
    CHECK ((number IS NULL) <> (text IS NULL))
);
CREATE INDEX labels_pipeline ON warehouse.labels (pipeline, valid_from);

-- Rows that broke their contract, with the column and the reason. Nothing is dropped.
CREATE TABLE warehouse.quarantine (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline    text        NOT NULL,
    digest      text,                    -- null: refused at the data API's door, before any features
    request_id  uuid,                    -- null: not even a row (an unreadable line of an import)
    row         integer,
    column_name text        NOT NULL DEFAULT '',
    reason      text        NOT NULL,
    payload     jsonb       NOT NULL,    -- the row, or {"line": "…"}
    at          timestamptz NOT NULL DEFAULT now(),
    redrive_at  timestamptz,             -- asked to be tried again; etl does it
    resolved_at timestamptz              -- a later try made it a feature row
);
CREATE UNIQUE INDEX quarantine_row ON warehouse.quarantine (pipeline, digest, request_id, row) WHERE request_id IS NOT NULL;
CREATE INDEX quarantine_redrive ON warehouse.quarantine (pipeline, digest) WHERE redrive_at IS NOT NULL AND resolved_at IS NULL;

-- Versions and the promotion record: one state machine, registered -> verified -> candidate -> champion.
CREATE TABLE control.model_versions (
    pipeline        text        NOT NULL REFERENCES control.pipelines (name),
    version         text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('registered', 'verified', 'candidate', 'champion', 'retired', 'rejected')),
    run_id          text        NOT NULL,
    artifacts       text        NOT NULL,
    manifest_sha256 text        NOT NULL,
    features_digest text        NOT NULL,
    commit          text        NOT NULL,
    format          text        NOT NULL,
    receipt_id      text        NOT NULL,
    gate_digest     text,
    metrics         jsonb       NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, version)
);
CREATE UNIQUE INDEX one_champion ON control.model_versions (pipeline) WHERE state = 'champion';

CREATE TABLE control.promotions (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline    text        NOT NULL,
    version     text        NOT NULL,
    action      text        NOT NULL CHECK (action IN ('propose', 'approve', 'promote', 'rollback', 'reject')),
    state       text        NOT NULL,
    by          text        NOT NULL,
    why         text        NOT NULL,
    gate_digest text,
    previous    text,
    at          timestamptz NOT NULL DEFAULT now(),
    mirrored_at timestamptz,             -- when MLflow's aliases were last made equal to it
    FOREIGN KEY (pipeline, version) REFERENCES control.model_versions (pipeline, version)
);
CREATE INDEX promotions_pipeline ON control.promotions (pipeline, id);

-- Who touched which data. Append-only for every role.
CREATE TABLE control.ledger (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    caller   text        NOT NULL,
    action   text        NOT NULL,      -- read, write, label, promote, redrive, apply …
    subject  text        NOT NULL,      -- dataset, pipeline or model
    columns  text[],
    rows     bigint,
    lsn      text,
    outcome  text        NOT NULL,      -- ok, or the class of the refusal
    detail   jsonb       NOT NULL DEFAULT '{}'
);

CREATE TABLE control.receipts (
    id      text        PRIMARY KEY,
    dataset text        NOT NULL,
    receipt jsonb       NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);

-- One training per pipeline at a time, whoever started it (Kubernetes' own Forbid does not see Jobs made by hand).
CREATE TABLE control.leases (
    pipeline   text        PRIMARY KEY,
    holder     text        NOT NULL,
    expires_at timestamptz NOT NULL
);
