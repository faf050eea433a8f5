-- name: matching
-- A part of other statements: which letters are meant.
(%(state)s::text = 'any'
    OR %(state)s::text = 'open' AND resolved_at IS NULL AND dropped_at IS NULL
    OR %(state)s::text = 'resolved' AND resolved_at IS NOT NULL
    OR %(state)s::text = 'dropped' AND resolved_at IS NULL AND dropped_at IS NOT NULL)
AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
AND (%(kind)s::text IS NULL OR kind = %(kind)s::text)
AND (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s::text)
AND (%(outbox_id)s::uuid IS NULL OR outbox_id = %(outbox_id)s::uuid)
AND (%(request_id)s::uuid IS NULL OR request_id = %(request_id)s::uuid)
AND (%(reason)s::text IS NULL OR reason ILIKE %(reason)s::text)
AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR at < %(until)s::timestamptz)

-- name: columns
-- A part of other statements: a letter as people see it, without its payload.
id, kind, pipeline, outbox_id, sequence, request_id, reason, length(payload) AS size, topic,
    partition, log_offset, at, tried_at, resolved_at, resolved_by, resolved_why, dropped_at,
    dropped_by, dropped_why,
    CASE WHEN resolved_at IS NOT NULL THEN 'resolved'
        WHEN dropped_at IS NOT NULL THEN 'dropped' ELSE 'open' END AS state

-- name: page
-- Letters, newest first, below an id.
SELECT {columns} FROM raw.dead_letters
WHERE {matching} AND (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
ORDER BY id DESC LIMIT %(limit)s;

-- name: find
-- One letter.
SELECT {columns}, payload FROM raw.dead_letters WHERE id = %(id)s;

-- name: counts
-- Letters by reason. Quoted texts and numbers are left out of it.
SELECT kind, pipeline, reason, count(*) AS letters, max(at) AS newest, max(id) AS newest_id
FROM (
    SELECT id, kind, pipeline, at,
        regexp_replace(reason, '''[^'']*''|"[^"]*"|-?[0-9][0-9.,]*', '…', 'g') AS reason
    FROM raw.dead_letters WHERE {matching}
) AS letter
GROUP BY kind, pipeline, reason
ORDER BY letters DESC, newest_id DESC LIMIT %(limit)s;

-- name: count
-- How many letters a decision would change.
SELECT count(*) FROM raw.dead_letters WHERE {matching};

-- name: claim
-- Some letters to try again, in the order of their ids, held until the transaction ends. What may
-- have come again waits until the other servers were asked.
SELECT id, topic, partition, outbox_id, sequence, request_id, payload FROM raw.dead_letters
WHERE {matching} AND id > %(after)s AND elsewhere IS NOT NULL
ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE;

-- name: resolve
-- These letters are rows now; some were rows of other servers already.
UPDATE raw.dead_letters SET resolved_at = now(), resolved_by = %(by)s, resolved_why = %(why)s,
    elsewhere = id = ANY(%(elsewhere)s::bigint[])
WHERE id = ANY(%(ids)s::bigint[]);

-- name: stay
-- A letter that still can't become a row, with the newest reason.
UPDATE raw.dead_letters SET kind = %(kind)s, reason = %(reason)s, tried_at = now()
WHERE id = %(id)s;

-- name: drop
-- Give up some letters, in the order of their ids.
WITH chosen AS (
    SELECT id FROM raw.dead_letters WHERE {matching} AND id > %(after)s
    ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE
)
UPDATE raw.dead_letters AS letter
SET dropped_at = now(), dropped_by = %(by)s, dropped_why = %(why)s
FROM chosen WHERE letter.id = chosen.id RETURNING letter.id;

-- name: why_not
-- What named letters are that a decision has left as they were.
SELECT id, resolved_at, resolved_by, dropped_at, dropped_by, dropped_why FROM raw.dead_letters
WHERE id = ANY(%(ids)s::bigint[]);

-- name: begin_partitions
-- The positions of redriven rows, on their first use.
INSERT INTO raw.offsets (topic, partition, next_offset)
SELECT *, 0 FROM unnest(%(topics)s::text[], %(partitions)s::integer[]) ON CONFLICT DO NOTHING;

-- name: lock_partitions
-- Their next offsets, locked until commit: rows become visible in the order of their offsets.
-- Ordered against deadlocks. At least the clock in microseconds, so that a failover that lost
-- commits can't give an offset twice.
SELECT topic, partition,
    greatest(next_offset, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
FROM raw.offsets
JOIN unnest(%(topics)s::text[], %(partitions)s::integer[]) AS mine (topic, partition)
    USING (topic, partition)
ORDER BY topic, partition FOR UPDATE OF offsets;

-- name: move_partition
-- The offset behind the rows of this transaction.
UPDATE raw.offsets SET next_offset = %(next)s, updated_at = now()
WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: stored_as
-- Requests with this number, and this request, whichever number it has.
SELECT request_id, outbox_id, sequence FROM raw.requests
WHERE outbox_id = %(outbox_id)s AND sequence = %(sequence)s OR request_id = %(request_id)s;
