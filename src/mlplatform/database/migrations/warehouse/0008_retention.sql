-- Nothing of a pipeline under a legal hold is removed.
CREATE TABLE control.holds (
    pipeline text        PRIMARY KEY,
    why      text        NOT NULL,
    by       text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- Since when a run of the retention has found that nothing uses a features digest.
CREATE TABLE control.unused_sets (
    pipeline text        NOT NULL,
    digest   text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, digest)
);

-- Runs in MLflow whose files were removed.
CREATE TABLE control.removed_runs (
    pipeline text        NOT NULL,
    run_id   text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, run_id)
);

-- Feature rows and unresolved entries of the quarantine that were removed: the balance counts them as dealt with. made_at: of the digest's
-- entry in control.feature_sets.
CREATE TABLE warehouse.removed_rows (
    pipeline text        NOT NULL,
    digest   text        NOT NULL,
    made_at  timestamptz NOT NULL,
    rows     bigint      NOT NULL,
    PRIMARY KEY (pipeline, digest, made_at)
);

-- What receipts need that must stay provable: those of the champion, of candidates, of the version before, of those that are verified or on
-- their way and not older than failed_before, of the versions in `keep`, and of trainings of the last week.
CREATE FUNCTION control.needed_reads(which text, keep text[], failed_before timestamptz)
RETURNS TABLE (digest text, kind text, as_of bigint, since timestamptz, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog SET timezone = 'UTC' AS $$
    WITH last AS (
        SELECT version, previous FROM control.promotions WHERE pipeline = which AND state = 'champion' ORDER BY id DESC LIMIT 1
    ), needed AS (
        SELECT receipt_id AS id, features_digest FROM control.model_versions AS version
        WHERE pipeline = which AND (
            state IN ('candidate', 'champion') OR (state IN ('registered', 'verified') AND created_at >= failed_before)
            OR version.version = ANY(keep) OR EXISTS (SELECT FROM last WHERE version.version IN (last.version, last.previous))
        )
        UNION
        SELECT id, NULL FROM control.receipts
        WHERE at > now() - interval '7 days' AND split_part(dataset, '.', 1) = which AND coalesce(receipt ->> 'run', '') <> ''
    )
    SELECT coalesce(receipt -> 'query' ->> 'digest', needed.features_digest), split_part(dataset, '.', 2), (receipt ->> 'as_of')::bigint,
           (receipt -> 'query' ->> 'since')::timestamptz, (receipt -> 'query' ->> 'until')::timestamptz
    FROM needed JOIN control.receipts USING (id)
$$;

-- Features digests that something uses: etl works on the applied one and on those of versions that serve, wait or served before.
CREATE FUNCTION control.used_digests(which text, keep text[], failed_before timestamptz) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT features_digest FROM control.pipelines WHERE name = which
    UNION SELECT digest FROM control.needed_reads(which, keep, failed_before) WHERE digest IS NOT NULL
    UNION SELECT version.features_digest FROM control.model_versions AS version
    WHERE version.pipeline = which AND (
        version.state IN ('candidate', 'champion') OR (version.state IN ('registered', 'verified') AND version.created_at >= failed_before)
        OR version.version = ANY(keep) OR version.version = (
            SELECT previous FROM control.promotions WHERE pipeline = which AND state = 'champion' ORDER BY id DESC LIMIT 1
        )
    )
$$;

-- Feature rows of requests below an id, that no receipt needs. kept: how many receipts need (counted when nothing is removed). Tables that
-- nothing uses go as a whole (remove_feature_sets).
CREATE FUNCTION warehouse.remove_feature_rows(which text, below uuid, keep text[], failed_before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen record;
    needed text;
    part   record;
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
            EXECUTE format(
                'WITH past AS (SELECT request_id, row, pg_column_size(ROW(f.*))::bigint AS size FROM features.%1$I AS f WHERE request_id < $1 '
                'AND NOT (%2$s) LIMIT $2), gone AS (DELETE FROM features.%1$I AS f USING past WHERE f.request_id = past.request_id '
                'AND f.row = past.row RETURNING past.size) SELECT count(*) AS items, coalesce(sum(size), 0)::bigint AS size FROM gone',
                chosen.table_name, needed) INTO part USING below, most - items;
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

-- Labels from before a moment, of requests below an id, that no receipt needs: open and ended ones.
CREATE FUNCTION warehouse.remove_labels(
    which text, before timestamptz, below uuid, keep text[], failed_before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    needed text;
    past   text := 'l.pipeline = $1 AND l.labelled_at < $2 AND l.request_id < $3';
BEGIN
    SELECT coalesce(string_agg(format('(l.valid_from <= %1$s AND l.valid_to > %1$s%2$s)', reads.as_of, CASE
        WHEN reads.kind = 'labels' OR sets.table_name IS NULL THEN ''
        ELSE format(' AND EXISTS (SELECT FROM features.%I AS f WHERE f.request_id = l.request_id AND f.row = l.row AND f.batch <= %s '
            'AND f.event_time >= %L::timestamptz AND f.event_time < %L::timestamptz)', sets.table_name, reads.as_of,
            coalesce(reads.since, '-infinity'), coalesce(reads.until, 'infinity')) END), ' OR '), 'false')
    INTO needed FROM control.needed_reads(which, keep, failed_before) AS reads
    LEFT JOIN control.feature_sets AS sets ON sets.pipeline = which AND sets.digest = reads.digest
    WHERE reads.kind IN ('training', 'labels');
    IF remove THEN
        kept := 0;
        EXECUTE format(
            'WITH past AS (SELECT request_id, row, valid_from, pg_column_size(ROW(l.*))::bigint AS size FROM warehouse.labels AS l '
            'WHERE %s AND NOT (%s) LIMIT $4), gone AS (DELETE FROM warehouse.labels AS l USING past WHERE l.request_id = past.request_id AND l.row = past.row '
            'AND l.valid_from = past.valid_from AND l.pipeline = $1 RETURNING past.size) '
            'SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone', past, needed)
        INTO items, size USING which, before, below, most;
    ELSE
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE NOT (%2$s)), coalesce(sum(pg_column_size(ROW(l.*))) FILTER (WHERE NOT (%2$s)), 0)::bigint, '
            'count(*) FILTER (WHERE %2$s) FROM warehouse.labels AS l WHERE %1$s', past, needed)
        INTO items, size, kept USING which, before, below;
    END IF;
    RETURN NEXT;
END
$$;

-- Entries of the quarantine that were decided before a moment (or, open ones, came before it). One that is not resolved stays as long as etl
-- could find its row again: until the row's request is gone (ids below `below` are). Those of digests that nothing uses go with the table.
CREATE FUNCTION warehouse.past_quarantine(
    which text, before timestamptz, below uuid, keep text[], failed_before timestamptz, undecided boolean)
RETURNS TABLE (id bigint, stays boolean) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT entry.id, entry.resolved_at IS NULL AND entry.digest IS NOT NULL AND entry.request_id IS NOT NULL AND entry.request_id >= below
    FROM warehouse.quarantine AS entry
    WHERE entry.pipeline = which AND CASE WHEN undecided
        THEN entry.resolved_at IS NULL AND entry.dropped_at IS NULL AND entry.at < before
        ELSE coalesce(entry.resolved_at, entry.dropped_at) < before END
      AND (entry.digest IS NULL OR entry.digest IN (SELECT control.used_digests(which, keep, failed_before)))
$$;
CREATE FUNCTION warehouse.remove_quarantine(
    which text, before timestamptz, below uuid, keep text[], failed_before timestamptz, undecided boolean, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT remove THEN
        RETURN QUERY SELECT count(*) FILTER (WHERE NOT past.stays), coalesce(sum(pg_column_size(ROW(entry.*))) FILTER (WHERE NOT past.stays), 0)::bigint,
            count(*) FILTER (WHERE past.stays)
        FROM warehouse.past_quarantine(which, before, below, keep, failed_before, undecided) AS past
        JOIN warehouse.quarantine AS entry USING (id);
        RETURN;
    END IF;
    RETURN QUERY WITH past AS (
        SELECT found.id, pg_column_size(ROW(old.*))::bigint AS bytes
        FROM warehouse.past_quarantine(which, before, below, keep, failed_before, undecided) AS found
        JOIN warehouse.quarantine AS old USING (id) WHERE NOT found.stays LIMIT most
    ), gone AS (
        DELETE FROM warehouse.quarantine AS entry USING past WHERE entry.id = past.id
        RETURNING entry.digest, entry.request_id, entry.resolved_at, past.bytes
    ), noted AS (
        INSERT INTO warehouse.removed_rows AS known (pipeline, digest, made_at, rows)
        SELECT which, gone.digest, sets.created_at, count(*) FROM gone
        JOIN control.feature_sets AS sets ON sets.pipeline = which AND sets.digest = gone.digest
        WHERE gone.resolved_at IS NULL AND gone.request_id IS NOT NULL GROUP BY gone.digest, sets.created_at
        ON CONFLICT (pipeline, digest, made_at) DO UPDATE SET rows = known.rows + excluded.rows
    )
    SELECT count(*), coalesce(sum(gone.bytes), 0)::bigint, 0::bigint FROM gone;
END
$$;

-- Corrections of rows whose requests are gone say nothing any more.
CREATE FUNCTION warehouse.remove_corrections(which text, below uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (DELETE FROM warehouse.corrections WHERE pipeline = which AND request_id < below RETURNING 1) SELECT count(*) FROM gone
$$;

-- Feature tables of digests that nothing has used since a moment, with their progress and their quarantine. Applied again, such a digest
-- begins anew with the requests that are left.
CREATE FUNCTION warehouse.remove_feature_sets(which text, before timestamptz, keep text[], failed_before timestamptz, remove boolean)
RETURNS TABLE (name text, items bigint, size bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '5s' AS $$
DECLARE
    chosen record;
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

-- Receipts from before a moment that belong to no version, or to one that failed or was rejected.
CREATE FUNCTION control.remove_receipts(which text, before timestamptz, failed_before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(
        SELECT old.id FROM control.receipts AS old
        WHERE split_part(old.dataset, '.', 1) = which AND old.at < before AND NOT EXISTS (
            SELECT FROM control.model_versions AS version WHERE version.receipt_id = old.id
            AND version.state <> 'rejected' AND NOT (version.state IN ('registered', 'verified') AND version.created_at < failed_before)
        ) ORDER BY old.at LIMIT CASE WHEN remove THEN most END
    );
    SELECT count(*), coalesce(sum(pg_column_size(ROW(old.*))), 0)::bigint, 0 INTO items, size, kept
    FROM control.receipts AS old WHERE old.id = ANY(ids);
    IF remove THEN
        DELETE FROM control.receipts AS old WHERE old.id = ANY(ids);
    END IF;
    RETURN NEXT;
END
$$;

-- Entries of the ledger from before a moment, which lies at least 90 days back: whoever has this right can't hide what was done of late. What
-- people decided about records themselves stays.
CREATE FUNCTION control.remove_ledger(before timestamptz, most integer, remove boolean)
RETURNS TABLE (items bigint, size bigint, kept bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    ids bigint[];
BEGIN
    IF before > now() - interval '90 days' THEN
        RAISE EXCEPTION 'the ledger of the last 90 days can''t be removed' USING ERRCODE = 'check_violation';
    END IF;
    IF remove THEN
        ids := ARRAY(SELECT old.id FROM control.ledger AS old
            WHERE old.at < before AND old.action NOT IN ('hold', 'release', 'forget') ORDER BY old.id LIMIT most);
        RETURN QUERY WITH gone AS (
            DELETE FROM control.ledger AS old USING (
                SELECT past.id, pg_column_size(ROW(past.*))::bigint AS bytes FROM control.ledger AS past WHERE past.id = ANY(ids)
            ) AS sized WHERE old.id = sized.id RETURNING sized.bytes
        ) SELECT count(*), coalesce(sum(gone.bytes), 0)::bigint, 0::bigint FROM gone;
    ELSE
        RETURN QUERY SELECT count(*), coalesce(sum(pg_column_size(ROW(old.*))), 0)::bigint, 0::bigint
        FROM control.ledger AS old WHERE old.at < before AND old.action NOT IN ('hold', 'release', 'forget');
    END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION control.needed_reads(text, text[], timestamptz), control.used_digests(text, text[], timestamptz),
    warehouse.remove_feature_rows(text, uuid, text[], timestamptz, integer, boolean),
    warehouse.remove_labels(text, timestamptz, uuid, text[], timestamptz, integer, boolean),
    warehouse.past_quarantine(text, timestamptz, uuid, text[], timestamptz, boolean),
    warehouse.remove_quarantine(text, timestamptz, uuid, text[], timestamptz, boolean, integer, boolean),
    warehouse.remove_corrections(text, uuid), warehouse.remove_feature_sets(text, timestamptz, text[], timestamptz, boolean),
    control.remove_receipts(text, timestamptz, timestamptz, integer, boolean), control.remove_ledger(timestamptz, integer, boolean) FROM PUBLIC;
