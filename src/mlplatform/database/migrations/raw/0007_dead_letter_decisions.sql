-- A person may have a dead letter tried again, or drop it: it stays, with who, when and why. The payload is never changed.
ALTER TABLE raw.dead_letters
    ADD COLUMN id           bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN kind         text NOT NULL DEFAULT 'unreadable' CHECK (kind IN ('unreadable', 'oversize', 'refused')),
    ADD COLUMN pipeline     text,         -- as the record says; null where it shows none
    ADD COLUMN tried_at     timestamptz,  -- tried again, in vain
    ADD COLUMN resolved_at  timestamptz,  -- it is a row now
    ADD COLUMN resolved_by  text,
    ADD COLUMN resolved_why text,
    ADD COLUMN dropped_at   timestamptz,
    ADD COLUMN dropped_by   text,
    ADD COLUMN dropped_why  text;
CREATE UNIQUE INDEX dead_letters_id ON raw.dead_letters (id);  -- pages, newest first

-- What earlier versions did not note; in a record these fields come before all that a client sent.
UPDATE raw.dead_letters SET
    kind = CASE
        WHEN position('"kind":"oversize"'::bytea IN payload) > 0 THEN 'oversize'
        WHEN reason LIKE '%the database refuses%' THEN 'refused'
        ELSE 'unreadable' END,
    pipeline = substring(encode(payload, 'escape') FROM '"pipeline":"([a-z][a-z0-9-]{1,40})"');

-- Rows made of dead letters by the data API have topics of their own, `redrive:<topic>`: their offsets are not the queue's.
DROP POLICY offsets_of_the_queue ON raw.offsets;
CREATE POLICY offsets_of_the_queue ON raw.offsets TO mlplatform_consumer
    USING (topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%')
    WITH CHECK (topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%');
CREATE POLICY offsets_of_redrives ON raw.offsets TO mlplatform_dataapi
    USING (topic LIKE 'redrive:%') WITH CHECK (topic LIKE 'redrive:%');

CREATE OR REPLACE FUNCTION raw.reset_queue(which text, places jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE raw.offsets
    SET topic_id = NULL, last_offset = NULL, last_record = NULL, refused = NULL, resets = resets + 1, updated_at = now(),
        resume_at = greatest(next_offset + shift, top, resume_at, (places ->> partition::text)::bigint)
    WHERE topic = which AND topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%';
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE raw.outboxes SET given_up = greatest(given_up, acknowledged);
    RETURN changed;
END
$$;
