-- The label of an imported row is known when its feature row is made, so it lies there: valid from the mark of the row on, under every digest the same.
-- warehouse.labels holds what feedback says and what a later import corrects. A label there goes before the one in the feature row while it is valid;
-- one without a value says that there is none any more. Labels from before stay where they are.
ALTER TABLE warehouse.labels DROP CONSTRAINT labels_check, ADD CONSTRAINT labels_check CHECK (number IS NULL OR text IS NULL);

-- No feature can have such a name. One that has 1,600 columns already gets no more, and its labels go to warehouse.labels as before.
DO $$
DECLARE
    chosen record;
BEGIN
    FOR chosen IN SELECT table_name FROM control.feature_sets WHERE to_regclass(format('features.%I', table_name)) IS NOT NULL LOOP
        BEGIN
            EXECUTE format('ALTER TABLE features.%I ADD COLUMN IF NOT EXISTS __label_number double precision, '
                'ADD COLUMN IF NOT EXISTS __label_text text', chosen.table_name);
        EXCEPTION WHEN too_many_columns THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE FUNCTION warehouse.holds_labels(which text) RETURNS boolean LANGUAGE sql STABLE STRICT SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(format('features.%I', which)) AND attname = '__label_text' AND NOT attisdropped)
$$;

-- The two columns of a feature table as SQL, null where it has none.
CREATE FUNCTION warehouse.label_columns(which text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT CASE WHEN warehouse.holds_labels(which) THEN 'f.__label_number AS number, f.__label_text AS text'
        ELSE 'NULL::double precision AS number, NULL::text AS text' END
$$;

-- When a request was accepted, by its id: its imported labels came with it.
CREATE FUNCTION warehouse.accepted_at(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0::double precision)
$$;

-- Feature rows of these requests under every digest, with the labels that lie in them; requests one by one, whatever their number.
CREATE FUNCTION warehouse.imported_labels(which text, ids uuid[]) RETURNS TABLE (request_id uuid, "row" integer, number double precision, text text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen record;
BEGIN
    FOR chosen IN SELECT table_name FROM control.feature_sets WHERE pipeline = which AND table_name IS NOT NULL ORDER BY digest LOOP
        RETURN QUERY EXECUTE format('SELECT held.* FROM unnest($1) AS given (request_id) CROSS JOIN LATERAL ('
            'SELECT f.request_id, f.row, %2$s FROM features.%1$I AS f WHERE f.request_id = given.request_id OFFSET 0) AS held',
            chosen.table_name, warehouse.label_columns(chosen.table_name)) USING ids;
    END LOOP;
END
$$;

-- SQL that adds the labels of rows that go from a feature table, `gone` (request_id, row, batch, number, text), to warehouse.labels: those that no other
-- table has; and those that another has from a later mark on, where the receipt of a read of labels needs what held until then.
CREATE FUNCTION warehouse.labels_to_keep(which text, table_left text, keep text[], failed_before timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    chosen record;
    others text := 'SELECT NULL::bigint AS batch';
    reads  bigint[];
BEGIN
    FOR chosen IN SELECT table_name FROM control.feature_sets
        WHERE pipeline = which AND table_name <> table_left AND warehouse.holds_labels(table_name) ORDER BY digest
    LOOP
        others := others || format(' UNION ALL SELECT f.batch FROM features.%I AS f WHERE f.request_id = gone.request_id AND f.row = gone.row '
            'AND (f.__label_number IS NOT NULL OR f.__label_text IS NOT NULL)', chosen.table_name);
    END LOOP;
    SELECT coalesce(array_agg(read.as_of), '{}') INTO reads FROM control.needed_reads(which, keep, failed_before) AS read WHERE read.kind = 'labels';
    RETURN format($statement$
        SELECT %1$L::text AS pipeline, gone.request_id, gone.row, gone.number, gone.text, 'import'::text AS source, gone.batch AS valid_from,
            least(entry.first, other.first, 9223372036854775807) AS valid_to, warehouse.accepted_at(gone.request_id) AS labelled_at
        FROM gone
        CROSS JOIN LATERAL (
            SELECT min(l.valid_from) AS first FROM warehouse.labels AS l
            WHERE l.pipeline = %1$L AND l.request_id = gone.request_id AND l.row = gone.row AND l.valid_to > gone.batch
        ) AS entry
        CROSS JOIN LATERAL (SELECT min(held.batch) AS first FROM (%2$s) AS held) AS other
        WHERE (gone.number IS NOT NULL OR gone.text IS NOT NULL) AND least(entry.first, other.first, 9223372036854775807) > gone.batch
          AND (other.first IS NULL OR EXISTS (
            SELECT FROM unnest(%3$L::bigint[]) AS read (as_of)
            WHERE read.as_of >= gone.batch AND read.as_of < least(entry.first, other.first)
          ))
    $statement$, which, others, reads);
END
$$;

-- Every feature table, also of an earlier version: a label that is removed from a row changes no count.
CREATE OR REPLACE FUNCTION warehouse.count_by_mark(which text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON features.%I USING brin (batch) WITH (pages_per_range = 32)', which || '_batch', which);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_removal AFTER DELETE ON features.%I REFERENCING OLD TABLE AS gone '
        'FOR EACH STATEMENT EXECUTE FUNCTION warehouse.note_removal()', which);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_change AFTER UPDATE OF request_id, row, batch OR TRUNCATE ON features.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION warehouse.note_removal()', which);
END
$$;
SELECT warehouse.count_by_mark(table_name) FROM control.feature_sets WHERE to_regclass(format('features.%I', table_name)) IS NOT NULL;

-- As in 0008, but the labels of the rows stay, for their own days. Chosen before the mark is taken, which everything that writes labels waits for.
CREATE OR REPLACE FUNCTION warehouse.remove_feature_rows(which text, below uuid, keep text[], failed_before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen  record;
    needed  text;
    part    record;
    ids     uuid[];
    numbers integer[];
BEGIN
    items := 0; size := 0; kept := 0;
    FOR chosen IN SELECT digest, table_name, created_at FROM control.feature_sets
        WHERE pipeline = which AND table_name IS NOT NULL
          AND digest IN (SELECT control.used_digests(which, keep, failed_before)) ORDER BY digest
    LOOP
        SELECT coalesce(string_agg(format(
            '(f.batch <= %s AND f.event_time >= %L::timestamptz AND f.event_time < %L::timestamptz)',
            as_of, coalesce(since, '-infinity'), coalesce(until, 'infinity')), ' OR '), 'false')
        INTO needed FROM control.needed_reads(which, keep, failed_before) WHERE digest = chosen.digest AND kind IN ('training', 'features');
        IF remove THEN
            EXECUTE format('SELECT array_agg(past.request_id), array_agg(past.row) FROM (SELECT f.request_id, f.row FROM features.%I AS f '
                'WHERE f.request_id < $1 AND NOT (%s) LIMIT $2) AS past', chosen.table_name, needed)
            INTO ids, numbers USING below, most - items;
            CONTINUE WHEN ids IS NULL;
            PERFORM warehouse.next_mark();
            EXECUTE format(
                'WITH past AS (SELECT f.request_id, f.row, f.batch, %2$s, pg_column_size(ROW(f.*))::bigint AS size '
                'FROM unnest($1, $2) AS given (request_id, row) JOIN features.%1$I AS f USING (request_id, row)), '
                'gone AS (DELETE FROM features.%1$I AS f USING past WHERE f.request_id = past.request_id AND f.row = past.row RETURNING past.*), '
                'moved AS (INSERT INTO warehouse.labels (pipeline, request_id, row, number, text, source, valid_from, valid_to, labelled_at) '
                '%3$s ON CONFLICT DO NOTHING) '
                'SELECT count(*) AS items, coalesce(sum(size), 0)::bigint AS size FROM gone',
                chosen.table_name, warehouse.label_columns(chosen.table_name),
                warehouse.labels_to_keep(which, chosen.table_name, keep, failed_before)) INTO part USING ids, numbers;
            INSERT INTO warehouse.removed_rows AS known (pipeline, digest, made_at, rows)
            SELECT which, chosen.digest, chosen.created_at, part.items WHERE part.items > 0
            ON CONFLICT (pipeline, digest, made_at) DO UPDATE SET rows = known.rows + excluded.rows;
        ELSE
            EXECUTE format(
                'SELECT count(*) FILTER (WHERE NOT (%2$s)) AS items, coalesce(sum(pg_column_size(ROW(f.*))) FILTER (WHERE NOT (%2$s)), 0)::bigint '
                'AS size, count(*) FILTER (WHERE %2$s) AS kept FROM features.%1$I AS f WHERE request_id < $1', chosen.table_name, needed)
            INTO part USING below;
            kept := kept + part.kept;
        END IF;
        items := items + part.items; size := size + part.size;
        EXIT WHEN remove AND items >= most;
    END LOOP;
    RETURN NEXT;
END
$$;

-- Labels from before a moment, of requests below an id, that no receipt needs: those in feature rows (which came with their requests), and then open and
-- ended ones of warehouse.labels; one of those stays as long as the feature row has one, which would hold again without it. What a label in a feature row
-- takes is counted as if it were one of the others.
CREATE OR REPLACE FUNCTION warehouse.remove_labels(
    which text, before timestamptz, below uuid, keep text[], failed_before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen  record;
    needed  text;
    beside  text := '';
    stays   text := 'false';
    past    text := 'l.pipeline = $1 AND l.labelled_at < $2 AND l.request_id < $3';
    ids     uuid[];
    numbers integer[];
    part    record;
BEGIN
    SELECT coalesce(string_agg(format('(l.valid_from <= %1$s AND l.valid_to > %1$s%2$s)', reads.as_of, CASE
        WHEN reads.kind = 'labels' OR sets.table_name IS NULL THEN ''
        ELSE format(' AND EXISTS (SELECT FROM features.%I AS f WHERE f.request_id = l.request_id AND f.row = l.row AND f.batch <= %s '
            'AND f.event_time >= %L::timestamptz AND f.event_time < %L::timestamptz)', sets.table_name, reads.as_of,
            coalesce(reads.since, '-infinity'), coalesce(reads.until, 'infinity')) END), ' OR '), 'false')
    INTO needed FROM control.needed_reads(which, keep, failed_before) AS reads
    LEFT JOIN control.feature_sets AS sets ON sets.pipeline = which AND sets.digest = reads.digest
    WHERE reads.kind IN ('training', 'labels');
    FOR chosen IN
        SELECT sets.table_name, coalesce(string_agg(format('(f.batch <= %s AND f.event_time >= %L::timestamptz AND f.event_time < %L::timestamptz)',
            reads.as_of, CASE reads.kind WHEN 'training' THEN coalesce(reads.since, '-infinity') ELSE '-infinity' END,
            CASE reads.kind WHEN 'training' THEN coalesce(reads.until, 'infinity') ELSE 'infinity' END), ' OR ') FILTER (WHERE reads.as_of IS NOT NULL), 'false') AS needed
        FROM control.feature_sets AS sets
        LEFT JOIN control.needed_reads(which, keep, failed_before) AS reads
            ON (reads.kind = 'training' AND reads.digest = sets.digest) OR reads.kind = 'labels'
        WHERE sets.pipeline = which AND warehouse.holds_labels(sets.table_name) GROUP BY sets.digest, sets.table_name ORDER BY sets.digest
    LOOP
        beside := beside || CASE beside WHEN '' THEN '' ELSE ' UNION ALL ' END || format(
            'SELECT f.request_id, f.row, f.__label_number AS number, f.__label_text AS text, %2$s AS needed FROM features.%1$I AS f '
            'WHERE f.request_id < $3 AND warehouse.accepted_at(f.request_id) < $2 AND (f.__label_number IS NOT NULL OR f.__label_text IS NOT NULL)',
            chosen.table_name, chosen.needed);
        stays := stays || format(' OR EXISTS (SELECT FROM features.%1$I AS f WHERE f.request_id = l.request_id AND f.row = l.row '
            'AND (f.__label_number IS NOT NULL OR f.__label_text IS NOT NULL)%2$s)', chosen.table_name,
            CASE WHEN remove THEN '' ELSE format(' AND (%s OR warehouse.accepted_at(f.request_id) >= $2)', chosen.needed) END);
    END LOOP;
    items := 0; size := 0; kept := 0;
    IF beside <> '' THEN
        -- The same row under several digests is one label.
        beside := format('SELECT held.request_id, held.row, bool_or(held.needed) AS needed, max(pg_column_size(ROW($1, held.request_id, held.row, '
            'held.number, held.text, ''import''::text, 0::bigint, 0::bigint, now())))::bigint AS size FROM (%s) AS held '
            'GROUP BY held.request_id, held.row', beside);
        IF remove THEN
            EXECUTE format('SELECT array_agg(old.request_id), array_agg(old.row), count(*), coalesce(sum(old.size), 0)::bigint '
                'FROM (SELECT * FROM (%s) AS found WHERE NOT found.needed ORDER BY request_id, row LIMIT $4) AS old', beside)
            INTO ids, numbers, items, size USING which, before, below, most;
            FOR chosen IN SELECT table_name FROM control.feature_sets
                WHERE pipeline = which AND warehouse.holds_labels(table_name) AND items > 0 ORDER BY digest
            LOOP
                EXECUTE format('UPDATE features.%I AS f SET __label_number = NULL, __label_text = NULL FROM unnest($1, $2) AS given (request_id, row) '
                    'WHERE f.request_id = given.request_id AND f.row = given.row', chosen.table_name) USING ids, numbers;
            END LOOP;
        ELSE
            EXECUTE format('SELECT count(*) FILTER (WHERE NOT found.needed), coalesce(sum(found.size) FILTER (WHERE NOT found.needed), 0)::bigint, '
                'count(*) FILTER (WHERE found.needed) FROM (%s) AS found', beside) INTO items, size, kept USING which, before, below;
        END IF;
    END IF;
    IF remove THEN
        EXECUTE format(
            'WITH past AS (SELECT request_id, row, valid_from, pg_column_size(ROW(l.*))::bigint AS size FROM warehouse.labels AS l '
            'WHERE %s AND NOT (%s) AND NOT (%s) LIMIT $4), gone AS (DELETE FROM warehouse.labels AS l USING past WHERE l.request_id = past.request_id '
            'AND l.row = past.row AND l.valid_from = past.valid_from AND l.pipeline = $1 RETURNING past.size) '
            'SELECT count(*) AS items, coalesce(sum(size), 0)::bigint AS size, 0::bigint AS kept FROM gone', past, needed, stays)
        INTO part USING which, before, below, most - items;
    ELSE
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE NOT (%2$s)) AS items, coalesce(sum(pg_column_size(ROW(l.*))) FILTER (WHERE NOT (%2$s)), 0)::bigint AS size, '
            'count(*) FILTER (WHERE %2$s) AS kept FROM warehouse.labels AS l WHERE %1$s', past, format('(%s) OR (%s)', needed, stays))
        INTO part USING which, before, below;
    END IF;
    items := items + part.items; size := size + part.size; kept := kept + part.kept;
    RETURN NEXT;
END
$$;

-- As in 0008, but labels that only such a table has, or that the receipt of a read of labels needs, stay for their own days.
CREATE OR REPLACE FUNCTION warehouse.remove_feature_sets(which text, before timestamptz, keep text[], failed_before timestamptz, remove boolean)
RETURNS TABLE (name text, items bigint, size bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '5s' AS $$
DECLARE
    chosen record;
    found  boolean;
    labels text;
BEGIN
    IF remove THEN
        PERFORM FROM control.pipelines WHERE control.pipelines.name = which FOR UPDATE;  -- no apply, no new version meanwhile
        DELETE FROM control.unused_sets AS unused WHERE unused.pipeline = which
            AND unused.digest IN (SELECT control.used_digests(which, keep, failed_before));
        INSERT INTO control.unused_sets (pipeline, digest)
        SELECT sets.pipeline, sets.digest FROM control.feature_sets AS sets WHERE sets.pipeline = which
            AND sets.digest NOT IN (SELECT control.used_digests(which, keep, failed_before))
        ON CONFLICT DO NOTHING;
    END IF;
    FOR chosen IN SELECT sets.digest, sets.table_name FROM control.feature_sets AS sets
        JOIN control.unused_sets AS unused USING (pipeline, digest)
        WHERE sets.pipeline = which AND unused.since < before
          AND sets.digest NOT IN (SELECT control.used_digests(which, keep, failed_before)) ORDER BY sets.digest
    LOOP
        name := coalesce(chosen.table_name, left(chosen.digest, 12));
        items := 0; size := 0;
        IF chosen.table_name IS NOT NULL THEN
            EXECUTE format('SELECT count(*), pg_relation_size(%L::regclass) FROM features.%I',
                format('features.%I', chosen.table_name), chosen.table_name) INTO items, size;
        END IF;
        IF remove THEN
            IF chosen.table_name IS NOT NULL THEN
                labels := format('WITH gone AS (SELECT f.request_id, f.row, f.batch, %s FROM features.%I AS f) %s',
                    warehouse.label_columns(chosen.table_name), chosen.table_name,
                    warehouse.labels_to_keep(which, chosen.table_name, keep, failed_before));
                EXECUTE format('SELECT EXISTS (%s)', labels) INTO found;
                IF found THEN
                    PERFORM warehouse.next_mark();  -- nothing writes labels until the commit; so only where there are some
                    EXECUTE format('INSERT INTO warehouse.labels (pipeline, request_id, row, number, text, source, valid_from, valid_to, labelled_at) '
                        '%s ON CONFLICT DO NOTHING', labels);
                END IF;
                EXECUTE format('DROP TABLE features.%I', chosen.table_name);
            END IF;
            DELETE FROM warehouse.quarantine AS entry WHERE entry.pipeline = which AND entry.digest = chosen.digest;
            DELETE FROM warehouse.progress AS cursor WHERE cursor.pipeline = which AND cursor.digest = chosen.digest;
            DELETE FROM warehouse.removed_rows AS removed WHERE removed.pipeline = which AND removed.digest = chosen.digest;
            DELETE FROM control.unused_sets AS unused WHERE unused.pipeline = which AND unused.digest = chosen.digest;
            DELETE FROM control.feature_sets AS sets WHERE sets.pipeline = which AND sets.digest = chosen.digest;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- As in 0010; a label may lie in the feature row.
CREATE OR REPLACE FUNCTION warehouse.note_reads(which text, digest_read text, table_read text, ids uuid[], numbers integer[], entry_of bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET timezone = 'UTC' AS $$
BEGIN
    EXECUTE format($statement$
        INSERT INTO control.forgotten_reads AS known (receipt_id, entry, rows)
        SELECT read.id, $5, count(*)
        FROM (
            SELECT DISTINCT receipt.id, split_part(receipt.dataset, '.', 2) AS kind, (receipt.receipt ->> 'as_of')::bigint AS as_of,
                (receipt.receipt -> 'query' ->> 'since')::timestamptz AS since, (receipt.receipt -> 'query' ->> 'until')::timestamptz AS until
            FROM control.receipts AS receipt
            LEFT JOIN control.model_versions AS version ON version.receipt_id = receipt.id AND version.pipeline = $1
            WHERE split_part(receipt.dataset, '.', 1) = $1 AND (version.version IS NOT NULL OR coalesce(receipt.receipt ->> 'run', '') <> '')
              AND coalesce(receipt.receipt -> 'query' ->> 'digest', version.features_digest) = $2
        ) AS read
        JOIN (
            SELECT f.request_id, f.row, f.batch, f.event_time, %2$s FROM unnest($3, $4) AS given (request_id, row)
            JOIN features.%1$I AS f USING (request_id, row)
        ) AS made ON made.batch <= read.as_of AND made.event_time >= coalesce(read.since, '-infinity')
            AND made.event_time < coalesce(read.until, 'infinity')
        LEFT JOIN warehouse.labels AS label ON label.pipeline = $1 AND label.request_id = made.request_id AND label.row = made.row
            AND label.valid_from <= read.as_of AND label.valid_to > read.as_of
        WHERE read.kind = 'features' OR (read.kind = 'training' AND CASE WHEN label.valid_from IS NULL
            THEN made.number IS NOT NULL OR made.text IS NOT NULL ELSE label.number IS NOT NULL OR label.text IS NOT NULL END)
        GROUP BY read.id
        ON CONFLICT (receipt_id, entry) DO UPDATE SET rows = known.rows + excluded.rows
    $statement$, table_read, warehouse.label_columns(table_read)) USING which, digest_read, ids, numbers, entry_of;
END
$$;

-- As in 0010; labels go with their feature rows.
CREATE OR REPLACE FUNCTION warehouse.forget_rows(which text, ids uuid[], numbers integer[], whole uuid[], entry_of bigint)
RETURNS TABLE (features bigint, labels bigint, corrections bigint, quarantined bigint, refused bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen   record;
    count_of bigint;
    beside   bigint;
    why      text := 'forgotten: entry ' || entry_of || ' of the ledger';
BEGIN
    features := 0;
    SELECT count(DISTINCT (held.request_id, held.row)) INTO beside
    FROM warehouse.imported_labels(which, ARRAY(SELECT DISTINCT unnest(ids))) AS held
    JOIN unnest(ids, numbers) AS given (request_id, row) ON given.request_id = held.request_id AND given.row = held.row
    WHERE held.number IS NOT NULL OR held.text IS NOT NULL;
    FOR chosen IN SELECT digest, table_name FROM control.feature_sets WHERE pipeline = which AND table_name IS NOT NULL ORDER BY digest LOOP
        PERFORM warehouse.note_reads(which, chosen.digest, chosen.table_name, ids, numbers, entry_of);
        EXECUTE format($statement$
            WITH gone AS (
                DELETE FROM features.%I AS f USING unnest($1, $2) AS given (request_id, row)
                WHERE f.request_id = given.request_id AND f.row = given.row RETURNING f.request_id, f.row
            )
            INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, reason, payload, dropped_at, dropped_by, dropped_why, forgotten_in)
            SELECT $3, $4, gone.request_id, gone.row, 'forgotten', '{}', now(), 'forget', $5, $6 FROM gone
            ON CONFLICT (pipeline, digest, request_id, row) WHERE request_id IS NOT NULL DO UPDATE
            SET column_name = '', reason = excluded.reason, payload = excluded.payload, at = now(), redrive_at = NULL, resolved_at = NULL,
                dropped_at = excluded.dropped_at, dropped_by = excluded.dropped_by, dropped_why = excluded.dropped_why,
                forgotten_in = excluded.forgotten_in
        $statement$, chosen.table_name) USING ids, numbers, which, chosen.digest, why, entry_of;
        GET DIAGNOSTICS count_of = ROW_COUNT;
        features := features + count_of;
    END LOOP;

    UPDATE warehouse.quarantine AS entry
    SET column_name = '', reason = 'forgotten', payload = '{}', at = now(), redrive_at = NULL, dropped_at = now(), dropped_by = 'forget',
        dropped_why = why, forgotten_in = entry_of
    FROM unnest(ids, numbers) AS given (request_id, row)
    WHERE entry.pipeline = which AND entry.digest IS NOT NULL AND entry.request_id = given.request_id AND entry.row = given.row
      AND entry.resolved_at IS NULL AND entry.forgotten_in IS NULL;
    GET DIAGNOSTICS quarantined = ROW_COUNT;
    -- What was resolved stands for no row: a feature row did, which is gone above or was removed before.
    DELETE FROM warehouse.quarantine AS entry USING unnest(ids, numbers) AS given (request_id, row)
    WHERE entry.pipeline = which AND entry.digest IS NOT NULL AND entry.request_id = given.request_id AND entry.row = given.row
      AND entry.resolved_at IS NOT NULL;
    GET DIAGNOSTICS count_of = ROW_COUNT;
    quarantined := quarantined + count_of;
    DELETE FROM warehouse.quarantine AS entry USING unnest(ids, numbers) AS given (request_id, row)
    WHERE entry.pipeline IN (SELECT name FROM control.pipelines UNION SELECT '') AND entry.digest IS NULL AND NOT entry.payload ? 'import'
      AND entry.request_id = given.request_id
      AND (entry.row = given.row OR entry.row IS NULL OR entry.request_id = ANY(whole));
    GET DIAGNOSTICS refused = ROW_COUNT;

    -- Also those that were sent under another name before the request was stored.
    WITH gone AS (
        DELETE FROM warehouse.labels AS label USING unnest(ids, numbers) AS given (request_id, row)
        WHERE label.pipeline IN (SELECT name FROM control.pipelines) AND label.request_id = given.request_id
          AND (label.row = given.row OR label.request_id = ANY(whole))
        RETURNING label.number, label.text
    ) SELECT beside + count(*) INTO labels FROM gone WHERE gone.number IS NOT NULL OR gone.text IS NOT NULL;
    DELETE FROM warehouse.corrections AS correction USING unnest(ids, numbers) AS given (request_id, row)
    WHERE correction.pipeline = which AND correction.request_id = given.request_id AND correction.row = given.row;
    GET DIAGNOSTICS corrections = ROW_COUNT;
    RETURN NEXT;
END
$$;

REVOKE EXECUTE ON FUNCTION warehouse.holds_labels(text), warehouse.label_columns(text), warehouse.accepted_at(uuid),
    warehouse.imported_labels(text, uuid[]), warehouse.labels_to_keep(text, text, text[], timestamptz) FROM PUBLIC;
