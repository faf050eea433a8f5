-- An entry of the quarantine that stands in the place of a row that was forgotten: etl has passed the row under this digest, and made nothing of it.
-- The number is that of the ledger's entry which says why. Such an entry holds no value, and counts apart.
ALTER TABLE warehouse.quarantine ADD COLUMN forgotten_in bigint;

-- Receipts of versions and of trainings whose dataset held rows that were forgotten since: it can't be read again as it was.
CREATE TABLE control.forgotten_reads (
    receipt_id text   NOT NULL,
    entry      bigint NOT NULL,
    rows       bigint NOT NULL,
    PRIMARY KEY (receipt_id, entry)
);

-- Rows whose key is this one, by the feature tables of every digest.
CREATE FUNCTION warehouse.rows_with_key(which text, wanted text) RETURNS TABLE (request_id uuid, "row" integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen record;
BEGIN
    FOR chosen IN SELECT table_name FROM control.feature_sets WHERE pipeline = which AND table_name IS NOT NULL LOOP
        RETURN QUERY EXECUTE format('SELECT f.request_id, f.row FROM features.%I AS f WHERE f.key = $1', chosen.table_name) USING wanted;
    END LOOP;
END
$$;

-- Note which versions were trained on some of these rows, and which trainings have read some, which may become versions yet: their receipts know what
-- they read. One that read the latest rows only may not have held all of those that it is said to.
CREATE FUNCTION warehouse.note_reads(which text, digest_read text, table_read text, ids uuid[], numbers integer[], entry_of bigint) RETURNS void
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
            SELECT f.request_id, f.row, f.batch, f.event_time FROM unnest($3, $4) AS given (request_id, row)
            JOIN features.%I AS f USING (request_id, row)
        ) AS made ON made.batch <= read.as_of AND made.event_time >= coalesce(read.since, '-infinity')
            AND made.event_time < coalesce(read.until, 'infinity')
        WHERE read.kind = 'features' OR (read.kind = 'training' AND EXISTS (
            SELECT FROM warehouse.labels AS label WHERE label.pipeline = $1 AND label.request_id = made.request_id AND label.row = made.row
              AND label.valid_from <= read.as_of AND label.valid_to > read.as_of
        ))
        GROUP BY read.id
        ON CONFLICT (receipt_id, entry) DO UPDATE SET rows = known.rows + excluded.rows
    $statement$, table_read) USING which, digest_read, ids, numbers, entry_of;
END
$$;

-- Remove all that there is of some rows: feature rows of every digest, labels and those that were refused, corrections, and what the quarantine holds
-- of them. `whole`: requests none of whose rows is left. Marks in the quarantine stand for what was there, so that the balance closes.
CREATE FUNCTION warehouse.forget_rows(which text, ids uuid[], numbers integer[], whole uuid[], entry_of bigint)
RETURNS TABLE (features bigint, labels bigint, corrections bigint, quarantined bigint, refused bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    chosen   record;
    count_of bigint;
    why      text := 'forgotten: entry ' || entry_of || ' of the ledger';
BEGIN
    features := 0;
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
    DELETE FROM warehouse.labels AS label USING unnest(ids, numbers) AS given (request_id, row)
    WHERE label.pipeline IN (SELECT name FROM control.pipelines) AND label.request_id = given.request_id
      AND (label.row = given.row OR label.request_id = ANY(whole));
    GET DIAGNOSTICS labels = ROW_COUNT;
    DELETE FROM warehouse.corrections AS correction USING unnest(ids, numbers) AS given (request_id, row)
    WHERE correction.pipeline = which AND correction.request_id = given.request_id AND correction.row = given.row;
    GET DIAGNOSTICS corrections = ROW_COUNT;
    RETURN NEXT;
END
$$;

-- Remove what the quarantine holds of records of an import that never became rows. The entries stay, with the numbers of their records.
CREATE FUNCTION warehouse.forget_lines(which text, entries bigint[], entry_of bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        UPDATE warehouse.quarantine AS entry
        SET column_name = '', reason = 'forgotten', at = now(), dropped_at = coalesce(dropped_at, now()),
            payload = jsonb_build_object('import', entry.payload -> 'import', 'record', entry.payload -> 'record'),
            dropped_by = coalesce(dropped_by, 'forget'), forgotten_in = entry_of,
            dropped_why = coalesce(dropped_why, 'forgotten: entry ' || entry_of || ' of the ledger')
        WHERE entry.pipeline = which AND entry.id = ANY(entries) AND entry.digest IS NULL AND entry.payload ? 'import' AND entry.forgotten_in IS NULL
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

REVOKE EXECUTE ON FUNCTION warehouse.rows_with_key(text, text), warehouse.note_reads(text, text, text, uuid[], integer[], bigint),
    warehouse.forget_rows(text, uuid[], integer[], uuid[], bigint), warehouse.forget_lines(text, bigint[], bigint) FROM PUBLIC;
