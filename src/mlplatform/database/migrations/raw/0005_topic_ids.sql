-- Which topic the offsets are of. A topic that was made anew has another id, whatever its name and length. Null: not known yet.
-- log_offset of a row = offset in the queue + shift, so that rows of a new topic lie above all rows of the old one.
ALTER TABLE raw.offsets
    ADD COLUMN topic_id  text,
    ADD COLUMN shift     bigint NOT NULL DEFAULT 0,
    ADD COLUMN resume_at bigint,                     -- set by raw.reset_queue: the next row's log_offset; the reading begins where the queue does
    ADD COLUMN top       bigint NOT NULL DEFAULT 0,  -- where next_offset + shift was when it was set back
    ADD COLUMN setbacks  bigint NOT NULL DEFAULT 0;  -- entries in raw.setbacks

CREATE FUNCTION raw.note_top() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.top := greatest(OLD.top, OLD.next_offset + OLD.shift);
    RETURN NEW;
END
$$;
CREATE TRIGGER note_top BEFORE UPDATE ON raw.offsets FOR EACH ROW
    WHEN (NEW.next_offset + NEW.shift < OLD.next_offset + OLD.shift) EXECUTE FUNCTION raw.note_top();

-- Rows that were stored below what had been stored before: etl may have passed their place, and goes back there.
CREATE TABLE raw.setbacks (
    topic     text        NOT NULL,
    partition integer     NOT NULL,
    number    bigint      NOT NULL,
    lowest    bigint      NOT NULL,  -- log_offset
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, number)
);

CREATE FUNCTION raw.note_setback() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    WITH low AS (
        SELECT topic, partition, min(log_offset) AS lowest FROM added WHERE source = 'serving' GROUP BY topic, partition
    ), noted AS (
        UPDATE raw.offsets AS offsets SET setbacks = offsets.setbacks + 1 FROM low
        WHERE offsets.topic = low.topic AND offsets.partition = low.partition
          AND low.lowest < greatest(offsets.top, offsets.next_offset + offsets.shift)
        RETURNING offsets.topic, offsets.partition, offsets.setbacks, low.lowest
    )
    INSERT INTO raw.setbacks (topic, partition, number, lowest) SELECT * FROM noted;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_setback AFTER INSERT ON raw.requests REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION raw.note_setback();

-- Give up the stored offsets of a topic. `places`: partition -> the least log_offset for the next row (etl's place). Owner's rights, since the
-- data API may not write the queue's offsets in any other way.
CREATE FUNCTION raw.reset_queue(which text, places jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE raw.offsets
    SET topic_id = NULL, updated_at = now(),
        resume_at = greatest(next_offset + shift, top, resume_at, (places ->> partition::text)::bigint)
    WHERE topic = which AND topic NOT LIKE 'import:%';
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;
REVOKE EXECUTE ON FUNCTION raw.note_top(), raw.note_setback(), raw.reset_queue(text, jsonb) FROM PUBLIC;
