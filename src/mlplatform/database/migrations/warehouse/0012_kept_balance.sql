-- What a proof of the balance has counted of a feature table: the rows up to a mark, which stay the same until some are removed. Removals are
-- counted by table; with another count than at the snapshot, or of a table that was made anew (made_at: control.feature_sets), it is void.
CREATE TABLE warehouse.removals (
    table_name text   PRIMARY KEY,
    times      bigint NOT NULL
);
CREATE TABLE warehouse.kept_counts (
    table_name text        PRIMARY KEY,
    made_at    timestamptz NOT NULL,
    proven_at  timestamptz NOT NULL,
    removals   bigint      NOT NULL,  -- warehouse.removals.times
    mark       bigint      NOT NULL,
    rows       bigint      NOT NULL
);

CREATE FUNCTION warehouse.note_removal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM gone) THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO warehouse.removals AS known (table_name, times) VALUES (TG_TABLE_NAME, 1)
    ON CONFLICT (table_name) DO UPDATE SET times = known.times + 1;
    RETURN NULL;
END
$$;

-- What every feature table has for that (etl calls it for new ones). Rows of one mark lie together, so an index of a few pages finds those that
-- came last.
CREATE FUNCTION warehouse.count_by_mark(which text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON features.%I USING brin (batch) WITH (pages_per_range = 32)', which || '_batch', which);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_removal AFTER DELETE ON features.%I REFERENCING OLD TABLE AS gone '
        'FOR EACH STATEMENT EXECUTE FUNCTION warehouse.note_removal()', which);
    EXECUTE format('CREATE OR REPLACE TRIGGER note_change AFTER UPDATE OR TRUNCATE ON features.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION warehouse.note_removal()', which);
END
$$;
SELECT warehouse.count_by_mark(table_name) FROM control.feature_sets WHERE to_regclass(format('features.%I', table_name)) IS NOT NULL;

-- Keep what was counted in a snapshot of a standby on this timeline, in place of what was kept; as raw.keep_balance.
CREATE FUNCTION warehouse.keep_counts(seen_timeline integer, counts jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF left(pg_walfile_name(pg_current_wal_lsn()), 8) <> upper(lpad(to_hex(seen_timeline), 8, '0')) THEN
        RETURN false;
    END IF;
    LOCK TABLE warehouse.kept_counts IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM warehouse.kept_counts;
    INSERT INTO warehouse.kept_counts SELECT * FROM jsonb_to_recordset(counts)
        AS item (table_name text, made_at timestamptz, proven_at timestamptz, removals bigint, mark bigint, rows bigint);
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION warehouse.note_removal(), warehouse.count_by_mark(text), warehouse.keep_counts(integer, jsonb) FROM PUBLIC;
