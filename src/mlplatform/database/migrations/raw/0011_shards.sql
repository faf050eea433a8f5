-- Several raw servers, each with partitions of the queue of its own. Which one this is: set by the first `migrate` that names it, so that addresses
-- in another order are noticed before a row is stored in the wrong place.
CREATE TABLE raw.shard (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    name text    NOT NULL CHECK (name ~ '^raw(-([2-9]|[1-9][0-9]{1,2}))?$')
);

ALTER TABLE raw.offsets
    ADD COLUMN begins_at bigint NOT NULL DEFAULT 0,  -- the first offset of the queue that this server stored of the partition since it has it
    ADD COLUMN ends_at   bigint,                     -- here nothing is stored from this offset on; null: this server stores the partition
    ADD COLUMN moved_to  text,                       -- the server that goes on at ends_at
    ADD COLUMN moves     bigint NOT NULL DEFAULT 0,  -- how often the partition had moved when this was written; the server that knows most is right
    ADD CONSTRAINT offsets_end CHECK ((ends_at IS NULL) = (moved_to IS NULL));

-- For a partition that came from another server: the highest number of each outbox in it that is stored elsewhere. The same record always goes to
-- the same partition, and there an outbox's numbers come in their order: what is not above this has come again.
CREATE TABLE raw.horizons (
    topic     text    NOT NULL,
    partition integer NOT NULL,
    outbox_id uuid    NOT NULL,
    highest   bigint  NOT NULL,
    PRIMARY KEY (topic, partition, outbox_id)
);

-- Records that seem to have come again, and to lie on another server: not counted, until raw.settle_repeated is told.
CREATE TABLE raw.repeated (LIKE raw.requests INCLUDING DEFAULTS, PRIMARY KEY (request_id));

-- The highest numbers of outboxes in a partition, of rows from a log_offset on and of what was stored on servers before this one.
CREATE FUNCTION raw.horizon(which text, part integer, since bigint) RETURNS TABLE (outbox_id uuid, highest bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT known.outbox_id, max(known.highest) FROM (
        SELECT request.outbox_id, request.sequence AS highest
        FROM raw.pipelines() AS pipeline (name)
        JOIN raw.requests AS request ON request.pipeline = pipeline.name AND request.topic = which AND request.partition = part
            AND request.log_offset >= since
        UNION ALL
        SELECT letter.outbox_id, letter.sequence FROM raw.dead_letters AS letter
        WHERE letter.topic = which AND letter.partition = part AND letter.log_offset >= since
        UNION ALL
        SELECT horizon.outbox_id, horizon.highest FROM raw.horizons AS horizon WHERE horizon.topic = which AND horizon.partition = part
    ) AS known WHERE known.outbox_id IS NOT NULL AND known.highest IS NOT NULL GROUP BY known.outbox_id
$$;

-- Store nothing more of a partition from where it is: `target` goes on there. The same again changes nothing. Refused while a reset waits for
-- the consumer, which does not know yet where it begins.
CREATE FUNCTION raw.hand_over(which text, part integer, target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    mine raw.offsets;
BEGIN
    IF which LIKE 'import:%' OR which LIKE 'redrive:%' THEN
        RAISE EXCEPTION 'only partitions of the queue move' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO mine FROM raw.offsets WHERE topic = which AND partition = part FOR UPDATE;
    IF NOT FOUND OR mine.resume_at IS NOT NULL OR mine.next_offset < mine.ends_at OR mine.moved_to <> target THEN
        RAISE EXCEPTION 'partition % of % can''t move now', part, which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF mine.moved_to IS NULL THEN
        UPDATE raw.offsets SET ends_at = next_offset, moved_to = target, moves = moves + 1, updated_at = now()
        WHERE topic = which AND partition = part;
    END IF;
END
$$;

-- Go on with a partition where another server ended. `place`: next_offset, moves, topic_id, last_offset, last_record. `above`: the least
-- log_offset of its rows here. `horizon`: outbox -> its highest number elsewhere. The same again changes nothing.
CREATE FUNCTION raw.take_over(which text, part integer, place jsonb, above bigint, horizon jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    start bigint := (place ->> 'next_offset')::bigint;
BEGIN
    INSERT INTO raw.horizons AS known (topic, partition, outbox_id, highest)
    SELECT which, part, key::uuid, value::bigint FROM jsonb_each_text(horizon)
    ON CONFLICT (topic, partition, outbox_id) DO UPDATE SET highest = greatest(known.highest, excluded.highest);
    INSERT INTO raw.offsets AS known (topic, partition, next_offset, topic_id, last_offset, last_record, shift, begins_at, moves)
    VALUES (which, part, start, place ->> 'topic_id', (place ->> 'last_offset')::bigint, place ->> 'last_record',
        greatest(0, above - start), start, (place ->> 'moves')::bigint)
    ON CONFLICT (topic, partition) DO UPDATE
    SET next_offset = excluded.next_offset, topic_id = excluded.topic_id, last_offset = excluded.last_offset, last_record = excluded.last_record,
        shift = greatest(known.shift, known.next_offset + known.shift - start, known.top - start, known.resume_at - start, above - start),
        begins_at = start, moves = excluded.moves, resume_at = NULL, refused = NULL, ends_at = NULL, moved_to = NULL, updated_at = now()
    WHERE known.moves < excluded.moves;
END
$$;

-- What was put aside: that which lies elsewhere goes, the rest was no repetition (a number that was used twice) and becomes rows.
CREATE FUNCTION raw.settle_repeated(elsewhere uuid[], nowhere uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM raw.repeated WHERE request_id = ANY(elsewhere);
    WITH back AS (
        DELETE FROM raw.repeated WHERE request_id = ANY(nowhere) RETURNING *
    )
    INSERT INTO raw.requests (request_id, pipeline, source, topic, partition, log_offset, outbox_id, sequence, version, caller, client_id,
        received_at, rows, inputs, outputs, form, salt, digest, chain, begins)
    SELECT request_id, pipeline, source, topic, partition, log_offset, outbox_id, sequence, version, caller, client_id,
        received_at, rows, inputs, outputs, form, salt, digest, chain, begins
    FROM back ON CONFLICT DO NOTHING
$$;

-- As before, but what another server goes on with stays; that there was a reset is noted everywhere.
CREATE OR REPLACE FUNCTION raw.reset_queue(which text, places jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE raw.offsets
    SET topic_id = NULL, last_offset = NULL, last_record = NULL, refused = NULL, resets = resets + 1, updated_at = now(),
        resume_at = greatest(next_offset + shift, top, resume_at, (places ->> partition::text)::bigint)
    WHERE topic = which AND topic NOT LIKE 'import:%' AND topic NOT LIKE 'redrive:%' AND ends_at IS NULL;
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE raw.offsets SET resets = resets + 1 WHERE topic = which AND ends_at IS NOT NULL;
    UPDATE raw.outboxes SET given_up = greatest(given_up, acknowledged);
    RETURN changed;
END
$$;

-- Join ranges of removed numbers that begin and end in a window, where what lies between two of them was removed on other servers (`firsts`, `lasts`).
-- Each server keeps the counts of its own records.
CREATE FUNCTION raw.join_removed(which uuid, low bigint, high bigint, firsts bigint[], lasts bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH old AS (
        DELETE FROM raw.removed_numbers AS mine WHERE mine.outbox_id = which AND mine.first >= low AND mine.last < high RETURNING *
    ), every AS (
        SELECT first, last, requests, letters, since, true AS own FROM old
        UNION ALL
        SELECT other.first, other.last, 0, 0, NULL, false FROM unnest(firsts, lasts) AS other (first, last)
    ), stepped AS (
        SELECT *, first > 1 + max(last) OVER (ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS apart FROM every
    ), joined AS (
        SELECT *, count(*) FILTER (WHERE apart) OVER (ORDER BY first, last) AS island FROM stepped
    )
    INSERT INTO raw.removed_numbers (outbox_id, first, last, requests, letters, since)
    SELECT which, min(first), max(last), sum(requests), sum(letters), min(since) FROM joined WHERE own GROUP BY island
$$;

REVOKE EXECUTE ON FUNCTION raw.horizon(text, integer, bigint), raw.hand_over(text, integer, text),
    raw.take_over(text, integer, jsonb, bigint, jsonb), raw.settle_repeated(uuid[], uuid[]),
    raw.join_removed(uuid, bigint, bigint, bigint[], bigint[]) FROM PUBLIC;
