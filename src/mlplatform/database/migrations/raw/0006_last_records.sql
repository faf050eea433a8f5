-- What lies in the queue right before next_offset: an older copy of the same topic that has grown again, or a log that was cut and written on,
-- holds another record there. last_offset says which offset last_record is of, since earlier versions move next_offset without it.
ALTER TABLE raw.offsets
    ADD COLUMN last_offset bigint,
    ADD COLUMN last_record text,
    ADD COLUMN refused     text,                     -- why the consumer reads no further; null while it does
    ADD COLUMN resets      bigint NOT NULL DEFAULT 0;

-- Up to here the queue had acknowledged when its offsets were given up: what is not stored of it nobody may wait for.
ALTER TABLE raw.outboxes ADD COLUMN given_up bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION raw.reset_queue(which text, places jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE raw.offsets
    SET topic_id = NULL, last_offset = NULL, last_record = NULL, refused = NULL, resets = resets + 1, updated_at = now(),
        resume_at = greatest(next_offset + shift, top, resume_at, (places ->> partition::text)::bigint)
    WHERE topic = which AND topic NOT LIKE 'import:%';
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE raw.outboxes SET given_up = greatest(given_up, acknowledged);
    RETURN changed;
END
$$;
