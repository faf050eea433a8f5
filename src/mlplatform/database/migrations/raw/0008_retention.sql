-- What is past its days is removed, and the balance stays closed. The numbers of requests and dead letters that were removed, as ranges; ranges
-- of one outbox may touch until raw.tidy_removed joins them. More requests than numbers: some number was used twice. since: when the first of
-- them was stored.
CREATE TABLE raw.removed_numbers (
    outbox_id uuid        NOT NULL,
    first     bigint      NOT NULL,
    last      bigint      NOT NULL,
    requests  bigint      NOT NULL,
    letters   bigint      NOT NULL,
    since     timestamptz NOT NULL
);
CREATE INDEX removed_numbers_first ON raw.removed_numbers (outbox_id, first);

-- Rows of removed requests that a features digest had passed: they are features or in quarantine, though their requests are gone. made_at: of
-- the digest's entry in control.feature_sets, since one that was removed and applied again begins anew.
CREATE TABLE raw.removed_rows (
    pipeline text        NOT NULL,
    digest   text        NOT NULL,
    made_at  timestamptz NOT NULL,
    rows     bigint      NOT NULL,
    PRIMARY KEY (pipeline, digest, made_at)
);

-- Dead letters that named no outbox, and never became rows.
CREATE TABLE raw.removed_letters (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    letters bigint  NOT NULL
);
INSERT INTO raw.removed_letters (letters) VALUES (0);

-- Pipelines that have requests, by steps through the index requests_road.
CREATE FUNCTION raw.pipelines() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH RECURSIVE found AS (
        (SELECT pipeline FROM raw.requests ORDER BY pipeline LIMIT 1)
        UNION ALL
        SELECT (SELECT pipeline FROM raw.requests WHERE pipeline > found.pipeline ORDER BY pipeline LIMIT 1)
        FROM found WHERE found.pipeline IS NOT NULL
    )
    SELECT pipeline FROM found WHERE pipeline IS NOT NULL
$$;

-- Requests that may go. lines: for each pipeline, topic and partition, before which request id and below which log_offset.
CREATE FUNCTION raw.past_requests(lines jsonb) RETURNS TABLE (request_id uuid, pipeline text, rows bigint, size bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT request.request_id, request.pipeline, request.rows::bigint,
           136 + pg_column_size(request.inputs)::bigint + coalesce(pg_column_size(request.outputs), 0)
    FROM jsonb_to_recordset(lines) AS line (pipeline text, topic text, partition integer, before uuid, below bigint)
    JOIN raw.requests AS request ON request.pipeline = line.pipeline AND request.topic = line.topic AND request.partition = line.partition
    WHERE request.request_id < line.before AND request.log_offset < line.below
$$;

-- The least id of a pipeline's requests before one that must stay: what came of lower ones can't be made again.
CREATE FUNCTION raw.least_kept(which text, before uuid, lines jsonb) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce((
        SELECT request.request_id FROM raw.requests AS request
        WHERE request.pipeline = which AND request.request_id < before AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset(lines) AS line (pipeline text, topic text, partition integer, before uuid, below bigint)
            WHERE request.pipeline = line.pipeline AND request.topic = line.topic AND request.partition = line.partition
              AND request.request_id < line.before AND request.log_offset < line.below
        )
        ORDER BY request.request_id LIMIT 1
    ), before)
$$;

-- Whether all rows of a partition may go; of an empty one too.
CREATE FUNCTION raw.partition_is_past(which text, lines jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    whole boolean;
BEGIN
    EXECUTE format(
        'SELECT NOT EXISTS (SELECT FROM raw.%I AS request WHERE NOT EXISTS ('
        'SELECT FROM jsonb_to_recordset($1) AS line (pipeline text, topic text, partition integer, before uuid, below bigint) '
        'WHERE request.pipeline = line.pipeline AND request.topic = line.topic AND request.partition = line.partition '
        'AND request.request_id < line.before AND request.log_offset < line.below))', which
    ) INTO whole USING lines;
    RETURN whole;
END
$$;

-- Partitions of past months that may go.
CREATE FUNCTION raw.past_partitions(lines jsonb) RETURNS TABLE (name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH former AS MATERIALIZED (
        SELECT child.relname::text AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'raw.requests'::regclass AND child.relname ~ '^requests_[0-9]{6}$'
          AND child.relname < 'requests_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')
    )
    SELECT former.name FROM former WHERE raw.partition_is_past(former.name, lines) ORDER BY 1
$$;

-- Keep of the requests that `source` gives what the balance needs. settled: how far each features digest is in each topic and partition.
CREATE FUNCTION raw.note_removed(source text, ids uuid[], settled jsonb)
RETURNS TABLE (pipeline text, requests bigint, rows bigint, size bigint) LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RETURN QUERY EXECUTE format($statement$
        WITH gone AS (%s), settled AS (
            SELECT * FROM jsonb_to_recordset($2)
                AS cursor (pipeline text, digest text, made_at timestamptz, topic text, partition integer, next_offset bigint)
        ), noted AS (
            INSERT INTO raw.removed_rows AS known (pipeline, digest, made_at, rows)
            SELECT settled.pipeline, settled.digest, settled.made_at, sum(gone.rows)
            FROM gone JOIN settled USING (pipeline, topic, partition)
            WHERE gone.log_offset < settled.next_offset GROUP BY settled.pipeline, settled.digest, settled.made_at
            ON CONFLICT (pipeline, digest, made_at) DO UPDATE SET rows = known.rows + excluded.rows
        ), numbered AS (
            SELECT outbox_id, sequence, stored_at,
                   sequence - dense_rank() OVER (PARTITION BY outbox_id ORDER BY sequence) AS island
            FROM gone WHERE outbox_id IS NOT NULL
        ), ranges AS (
            INSERT INTO raw.removed_numbers (outbox_id, first, last, requests, letters, since)
            SELECT outbox_id, min(sequence), max(sequence), count(*), 0, min(stored_at) FROM numbered GROUP BY outbox_id, island
        )
        SELECT pipeline, count(*), sum(rows)::bigint, sum(size)::bigint FROM gone GROUP BY pipeline
    $statement$, source) USING ids, settled;
END
$$;

-- Remove some of the requests that may go: the same as raw.past_requests, which would be read as a whole.
CREATE FUNCTION raw.remove_requests(lines jsonb, settled jsonb, most integer)
RETURNS TABLE (pipeline text, requests bigint, rows bigint, size bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids uuid[] := ARRAY(
        SELECT request.request_id
        FROM jsonb_to_recordset(lines) AS line (pipeline text, topic text, partition integer, before uuid, below bigint)
        JOIN raw.requests AS request ON request.pipeline = line.pipeline AND request.topic = line.topic AND request.partition = line.partition
        WHERE request.request_id < line.before AND request.log_offset < line.below
        LIMIT most
    );
BEGIN
    RETURN QUERY SELECT * FROM raw.note_removed(
        'DELETE FROM raw.requests AS request WHERE request_id = ANY($1) RETURNING pipeline, topic, partition, log_offset, outbox_id, '
        'sequence, rows, stored_at, 136 + pg_column_size(inputs)::bigint + coalesce(pg_column_size(outputs), 0) AS size', ids, settled);
END
$$;

-- Remove a partition with all its rows, if they all may go: nobody writes to it meanwhile. Gives up when a lock can't be had within seconds.
CREATE FUNCTION raw.remove_partition(which text, lines jsonb, settled jsonb)
RETURNS TABLE (pipeline text, requests bigint, rows bigint, size bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '5s' AS $$
BEGIN
    IF which !~ '^requests_[0-9]{6}$' OR to_regclass('raw.' || which) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE raw.%I IN SHARE MODE', which);
    IF which >= 'requests_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM') OR NOT raw.partition_is_past(which, lines) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM raw.note_removed(format(
        'SELECT pipeline, topic, partition, log_offset, outbox_id, sequence, rows, stored_at, '
        '136 + pg_column_size(inputs)::bigint + coalesce(pg_column_size(outputs), 0) AS size FROM raw.%I', which), NULL, settled);
    EXECUTE format('DROP TABLE raw.%I', which);
END
$$;

-- Join ranges of numbers that touch, and forget the marks of transactions none of whose requests is left.
CREATE FUNCTION raw.tidy_removed() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH old AS (
        DELETE FROM raw.removed_numbers RETURNING *
    ), stepped AS (
        SELECT *, first > 1 + max(last) OVER (PARTITION BY outbox_id ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS apart
        FROM old
    ), joined AS (
        SELECT *, count(*) FILTER (WHERE apart) OVER (PARTITION BY outbox_id ORDER BY first, last) AS island FROM stepped
    )
    INSERT INTO raw.removed_numbers (outbox_id, first, last, requests, letters, since)
    SELECT outbox_id, min(first), max(last), sum(requests), sum(letters), min(since)
    FROM joined GROUP BY outbox_id, island;
    DELETE FROM raw.batches WHERE mark IS NOT NULL AND xact < (SELECT min(request.xact) FROM raw.requests AS request);
$$;

-- Dead letters that may go, and their removal. The number of one that became a row after all stays that row's.
CREATE FUNCTION raw.remove_dead_letters(before timestamptz, most integer) RETURNS TABLE (items bigint, size bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH past AS (
        SELECT topic, partition, log_offset, pg_column_size(letter.payload)::bigint + 136 AS size
        FROM raw.dead_letters AS letter WHERE letter.at < before LIMIT most
    ), gone AS (
        DELETE FROM raw.dead_letters AS letter USING past
        WHERE letter.topic = past.topic AND letter.partition = past.partition AND letter.log_offset = past.log_offset
        RETURNING letter.outbox_id, letter.sequence, letter.at, letter.resolved_at, past.size
    ), fresh AS (
        SELECT outbox_id, sequence, min(at) AS at FROM gone
        WHERE outbox_id IS NOT NULL AND sequence IS NOT NULL AND NOT EXISTS (
            SELECT FROM raw.requests AS request WHERE request.outbox_id = gone.outbox_id AND request.sequence = gone.sequence
        ) AND NOT EXISTS (
            SELECT FROM raw.removed_numbers AS removed
            WHERE removed.outbox_id = gone.outbox_id AND gone.sequence BETWEEN removed.first AND removed.last
        ) GROUP BY outbox_id, sequence
    ), ranges AS (
        INSERT INTO raw.removed_numbers (outbox_id, first, last, requests, letters, since)
        SELECT outbox_id, sequence, sequence, 0, 1, at FROM fresh
    ), loose AS (
        UPDATE raw.removed_letters SET letters = letters + (SELECT count(*) FROM gone WHERE outbox_id IS NULL AND resolved_at IS NULL)
        WHERE EXISTS (SELECT FROM gone WHERE outbox_id IS NULL AND resolved_at IS NULL)
    )
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone
$$;

-- The keys of imports that were last used before a moment.
CREATE FUNCTION raw.remove_imports(which text, before timestamptz, most integer) RETURNS TABLE (items bigint, size bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM raw.imports AS import USING (
            SELECT known.key, pg_column_size(ROW(known.*))::bigint AS size FROM raw.imports AS known
            WHERE known.pipeline = which AND known.updated_at < before LIMIT most
        ) AS past WHERE import.pipeline = which AND import.key = past.key RETURNING past.size
    )
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone
$$;

REVOKE EXECUTE ON FUNCTION raw.pipelines(), raw.past_requests(jsonb), raw.least_kept(text, uuid, jsonb), raw.past_partitions(jsonb),
    raw.partition_is_past(text, jsonb),
    raw.note_removed(text, uuid[], jsonb), raw.remove_requests(jsonb, jsonb, integer), raw.remove_partition(text, jsonb, jsonb),
    raw.tidy_removed(), raw.remove_dead_letters(timestamptz, integer), raw.remove_imports(text, timestamptz, integer) FROM PUBLIC;
