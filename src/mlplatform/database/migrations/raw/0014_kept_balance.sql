-- What a proof of the balance (database/kept_balance.py) has counted, so that later balances count only what came since. It is of one snapshot, and
-- holds as long as nothing of that snapshot went and nothing came below it: both are counted in the transaction in which they happen, here and in
-- raw.offsets.setbacks. With other counts than at the snapshot it is void, whenever it was written.
CREATE TABLE raw.removals (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    times bigint  NOT NULL
);
INSERT INTO raw.removals (times) VALUES (0);
CREATE TABLE raw.kept_balance (
    one       boolean     PRIMARY KEY DEFAULT true CHECK (one),
    proven_at timestamptz NOT NULL,
    removals  bigint      NOT NULL  -- raw.removals.times
);

-- Rows of the requests below a log_offset, and the setbacks of the partition.
CREATE TABLE raw.kept_rows (
    pipeline  text    NOT NULL,
    topic     text    NOT NULL,
    partition integer NOT NULL,
    setbacks  bigint  NOT NULL,
    below     bigint  NOT NULL,
    rows      bigint  NOT NULL,
    PRIMARY KEY (pipeline, topic, partition)
);

-- Of each outbox, the requests whose numbers are not above `upto`, and how many different numbers these have. Up to there no number was missing on
-- all raw servers together.
CREATE TABLE raw.kept_numbers (
    outbox_id uuid   PRIMARY KEY,
    upto      bigint NOT NULL,
    records   bigint NOT NULL,
    numbers   bigint NOT NULL,
    highest   bigint
);

-- Requests that go are noted, and those whose place in the counts changes (which nothing of ours does).
CREATE FUNCTION raw.note_removal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM gone) THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE raw.removals SET times = times + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_removal AFTER DELETE ON raw.requests REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION raw.note_removal();
CREATE TRIGGER note_change AFTER UPDATE OF request_id, pipeline, topic, partition, log_offset, outbox_id, sequence, rows ON raw.requests
    FOR EACH STATEMENT EXECUTE FUNCTION raw.note_removal();
CREATE TRIGGER note_truncation AFTER TRUNCATE ON raw.requests FOR EACH STATEMENT EXECUTE FUNCTION raw.note_removal();

-- As before, and noted: DROP fires no trigger.
CREATE OR REPLACE FUNCTION raw.remove_partition(which text, lines jsonb, settled jsonb)
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
    UPDATE raw.removals SET times = times + 1;
    EXECUTE format('DROP TABLE raw.%I', which);
END
$$;

-- Keep what was counted in a snapshot of a standby on this timeline, in place of what was kept. Returns whether it was: the standby of another
-- timeline may have shown commits that this server has lost.
CREATE FUNCTION raw.keep_balance(seen_timeline integer, proof jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF left(pg_walfile_name(pg_current_wal_lsn()), 8) <> upper(lpad(to_hex(seen_timeline), 8, '0')) THEN
        RETURN false;
    END IF;
    INSERT INTO raw.kept_balance (proven_at, removals) VALUES ((proof ->> 'proven_at')::timestamptz, (proof ->> 'removals')::bigint)
    ON CONFLICT (one) DO UPDATE SET proven_at = excluded.proven_at, removals = excluded.removals;
    DELETE FROM raw.kept_rows;
    INSERT INTO raw.kept_rows SELECT * FROM jsonb_to_recordset(proof -> 'rows')
        AS place (pipeline text, topic text, partition integer, setbacks bigint, below bigint, rows bigint);
    DELETE FROM raw.kept_numbers;
    INSERT INTO raw.kept_numbers SELECT * FROM jsonb_to_recordset(proof -> 'numbers')
        AS box (outbox_id uuid, upto bigint, records bigint, numbers bigint, highest bigint);
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION raw.note_removal(), raw.keep_balance(integer, jsonb) FROM PUBLIC;
