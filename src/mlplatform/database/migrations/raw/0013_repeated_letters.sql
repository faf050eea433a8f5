-- Whether another server has the record of a dead letter, as a row or as a letter: it counts there, and not here. Null for one that seems to have
-- come again, until the other servers were asked.
ALTER TABLE raw.dead_letters ADD COLUMN elsewhere boolean DEFAULT false;
CREATE INDEX dead_letters_again ON raw.dead_letters (id) WHERE elsewhere IS NULL;

-- As before, but the balance keeps no letter that another server has.
CREATE OR REPLACE FUNCTION raw.remove_dead_letters(before timestamptz, most integer) RETURNS TABLE (items bigint, size bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH past AS (
        SELECT topic, partition, log_offset, pg_column_size(letter.payload)::bigint + 136 AS size
        FROM raw.dead_letters AS letter WHERE letter.at < before LIMIT most
    ), gone AS (
        DELETE FROM raw.dead_letters AS letter USING past
        WHERE letter.topic = past.topic AND letter.partition = past.partition AND letter.log_offset = past.log_offset
        RETURNING letter.outbox_id, letter.sequence, letter.at, letter.resolved_at, letter.elsewhere, past.size
    ), fresh AS (
        SELECT outbox_id, sequence, min(at) AS at FROM gone
        WHERE outbox_id IS NOT NULL AND sequence IS NOT NULL AND elsewhere IS FALSE AND NOT EXISTS (
            SELECT FROM raw.requests AS request WHERE request.outbox_id = gone.outbox_id AND request.sequence = gone.sequence
        ) AND NOT EXISTS (
            SELECT FROM raw.removed_numbers AS removed
            WHERE removed.outbox_id = gone.outbox_id AND gone.sequence BETWEEN removed.first AND removed.last
        ) GROUP BY outbox_id, sequence
    ), ranges AS (
        INSERT INTO raw.removed_numbers (outbox_id, first, last, requests, letters, since)
        SELECT outbox_id, sequence, sequence, 0, 1, at FROM fresh
    ), loose AS (
        UPDATE raw.removed_letters SET letters = letters + (
            SELECT count(*) FROM gone WHERE (outbox_id IS NULL OR sequence IS NULL) AND resolved_at IS NULL
        ) WHERE EXISTS (SELECT FROM gone WHERE (outbox_id IS NULL OR sequence IS NULL) AND resolved_at IS NULL)
    )
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone
$$;
