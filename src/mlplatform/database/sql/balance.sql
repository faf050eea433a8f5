-- name: outboxes
-- Per outbox: what it says it accepted, the highest number ever seen, and how many of its records
-- are rows or dead letters. A record that was sent twice can be two dead letters, or a dead letter
-- and a row, but is one record.
WITH stored AS (
    SELECT outbox_id, count(*) AS records, max(sequence) AS highest FROM raw.requests
        WHERE outbox_id IS NOT NULL GROUP BY outbox_id
), dead AS (
    SELECT outbox_id, count(DISTINCT sequence) AS records, max(sequence) AS highest
        FROM raw.dead_letters AS letter WHERE outbox_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM raw.requests AS request
            WHERE request.outbox_id = letter.outbox_id AND request.sequence = letter.sequence
              AND request.request_id = coalesce(letter.request_id, request.request_id)
        ) GROUP BY outbox_id
), known AS (
    SELECT outbox_id FROM raw.outboxes
    UNION SELECT outbox_id FROM stored
    UNION SELECT outbox_id FROM dead
)
SELECT outbox_id::text, coalesce(outboxes.host, '') AS host,
       greatest(
           coalesce(outboxes.accepted, 0), coalesce(stored.highest, 0), coalesce(dead.highest, 0)
       ) AS accepted,
       coalesce(outboxes.acknowledged, 0) AS acknowledged,
       coalesce(outboxes.closed, false) AS closed,
       coalesce(outboxes.versions, '{}') AS versions, outboxes.seen_at,
       coalesce(stored.records, 0) AS stored, coalesce(dead.records, 0) AS dead_lettered,
       greatest(coalesce(stored.highest, 0), coalesce(dead.highest, 0)) AS highest,
       coalesce(outboxes.damaged, '[]') AS damaged, coalesce(outboxes.copies, 0) AS copies,
       coalesce(outboxes.given_up, 0) AS given_up
FROM known
LEFT JOIN raw.outboxes USING (outbox_id)
LEFT JOIN stored USING (outbox_id)
LEFT JOIN dead USING (outbox_id)
ORDER BY outboxes.seen_at DESC NULLS LAST, outbox_id;

-- name: gaps
-- Numbers between 1 and the highest one seen that are neither a row nor a dead letter, as ranges.
-- `since` is when the record above the gap was stored: partitions are read at different speeds, so
-- a gap is a loss only when it stays.
WITH seen AS (
    SELECT outbox_id, sequence FROM raw.requests WHERE outbox_id IS NOT NULL
    UNION ALL SELECT outbox_id, sequence FROM raw.dead_letters WHERE outbox_id IS NOT NULL
), stepped AS (
    SELECT outbox_id, sequence,
           lag(sequence, 1, 0::bigint) OVER (PARTITION BY outbox_id ORDER BY sequence) AS before
    FROM seen
), gaps AS (
    SELECT outbox_id, before + 1 AS first, sequence - 1 AS last,
        row_number() OVER (PARTITION BY outbox_id ORDER BY sequence) AS place
    FROM stepped WHERE sequence - before > 1
)
SELECT gaps.outbox_id::text, gaps.first, gaps.last,
       coalesce(
           (SELECT min(stored_at) FROM raw.requests
            WHERE outbox_id = gaps.outbox_id AND sequence = gaps.last + 1),
           (SELECT min(at) FROM raw.dead_letters
            WHERE outbox_id = gaps.outbox_id AND sequence = gaps.last + 1)
       ) AS since
FROM gaps WHERE place <= %(most)s ORDER BY gaps.outbox_id, gaps.first;

-- name: doubles
-- Numbers under which there are different requests, as ranges. One request has one row, however
-- often it was sent.
WITH doubled AS (
    SELECT outbox_id, sequence FROM raw.requests WHERE outbox_id IS NOT NULL
    GROUP BY outbox_id, sequence HAVING count(*) > 1
    UNION SELECT outbox_id, sequence FROM raw.dead_letters WHERE outbox_id IS NOT NULL
    GROUP BY outbox_id, sequence HAVING count(DISTINCT request_id) > 1
    UNION SELECT letter.outbox_id, letter.sequence FROM raw.dead_letters AS letter
    JOIN raw.requests AS request USING (outbox_id, sequence)
    WHERE letter.request_id <> request.request_id
), stepped AS (
    SELECT outbox_id, sequence,
           sequence - row_number() OVER (PARTITION BY outbox_id ORDER BY sequence) AS island
    FROM doubled
), ranges AS (
    SELECT outbox_id, min(sequence) AS first, max(sequence) AS last,
           row_number() OVER (PARTITION BY outbox_id ORDER BY min(sequence)) AS place
    FROM stepped GROUP BY outbox_id, island
)
SELECT outbox_id::text, first, last FROM ranges WHERE place <= %(most)s
ORDER BY outbox_id, first;

-- name: totals
-- Requests that came from serving, and dead letters: records by their numbers, but for those that
-- are rows as well (redriven, or sent twice), and bytes that named no outbox.
SELECT (SELECT count(*) FROM raw.requests WHERE source = 'serving') AS stored, (
    SELECT count(DISTINCT (outbox_id, sequence)) FILTER (WHERE outbox_id IS NOT NULL)
           + count(*) FILTER (WHERE outbox_id IS NULL AND resolved_at IS NULL)
    FROM raw.dead_letters AS letter WHERE outbox_id IS NULL OR NOT EXISTS (
        SELECT FROM raw.requests AS request
        WHERE request.outbox_id = letter.outbox_id AND request.sequence = letter.sequence
          AND request.request_id = coalesce(letter.request_id, request.request_id)
    )
) AS dead_lettered;

-- name: beyond
-- Raw: how many of etl's cursors lie beyond what is stored here. None does on the primary, nor on a
-- standby that has replayed what etl read.
SELECT count(*)
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(nexts)s::bigint[])
       AS progress (topic, partition, next_offset)
LEFT JOIN raw.offsets AS offsets ON offsets.topic = progress.topic
    AND offsets.partition = progress.partition
WHERE progress.next_offset > coalesce(offsets.next_offset + offsets.shift, 0);

-- name: raw_rows
-- Raw rows per pipeline: all, and those that etl has passed. Offsets below its cursor can't get new
-- rows, so that part stands still.
SELECT request.pipeline, sum(request.rows) AS rows,
       coalesce(
           sum(request.rows) FILTER (WHERE request.log_offset < progress.next_offset), 0
       ) AS passed
FROM raw.requests AS request
LEFT JOIN unnest(%(pipelines)s::text[], %(topics)s::text[], %(partitions)s::integer[],
    %(nexts)s::bigint[])
       AS progress (pipeline, topic, partition, next_offset)
       ON progress.pipeline = request.pipeline AND progress.topic = request.topic
           AND progress.partition = request.partition
WHERE %(pipeline)s::text IS NULL OR request.pipeline = %(pipeline)s
GROUP BY request.pipeline ORDER BY request.pipeline;
