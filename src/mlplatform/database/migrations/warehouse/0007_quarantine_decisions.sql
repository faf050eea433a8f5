-- A person may drop an entry: it stays, with who and why, and is counted apart.
ALTER TABLE warehouse.quarantine
    ADD COLUMN dropped_at  timestamptz,
    ADD COLUMN dropped_by  text,
    ADD COLUMN dropped_why text;
CREATE INDEX quarantine_open ON warehouse.quarantine (pipeline, id)
    WHERE resolved_at IS NULL AND dropped_at IS NULL;
-- With the id: etl takes some hundreds of a hundred thousand at a time, in this order.
CREATE INDEX quarantine_waiting ON warehouse.quarantine (pipeline, digest, id)
    WHERE redrive_at IS NOT NULL AND resolved_at IS NULL AND dropped_at IS NULL;
CREATE INDEX quarantine_dropped ON warehouse.quarantine (pipeline, digest)
    WHERE dropped_at IS NOT NULL AND resolved_at IS NULL;

-- Corrected fields of rows whose raw request stays as it came. The newest one of a row holds, under
-- every features digest.
CREATE TABLE warehouse.corrections (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline   text        NOT NULL,
    request_id uuid        NOT NULL,
    row        integer     NOT NULL,
    fields     json        NOT NULL,  -- name -> value; json takes texts as raw.requests does
    by         text        NOT NULL,
    why        text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX corrections_row ON warehouse.corrections (pipeline, request_id, row, id);
