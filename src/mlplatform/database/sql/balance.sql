-- name: outboxes
-- Per outbox: what it says it accepted, the highest number ever seen, how many of its records are
-- rows or dead letters, those that retention removed among them, and how many different numbers
-- these have. A record that was sent twice can be two dead letters, or a dead letter and a row, but
-- is one record. Each outbox is one walk through the index requests_outbox, in the order of the
-- numbers; outboxes are found by steps through it. What is kept of an outbox is not counted again.
WITH RECURSIVE kept AS (
    SELECT * FROM unnest(%(boxes)s::uuid[], %(uptos)s::bigint[], %(records)s::bigint[],
        %(numbers)s::bigint[], %(highests)s::bigint[])
        AS kept (outbox_id, upto, records, numbers, highest)
), sent AS (
    (SELECT outbox_id FROM raw.requests WHERE outbox_id IS NOT NULL ORDER BY outbox_id LIMIT 1)
    UNION ALL
    SELECT next.outbox_id FROM sent CROSS JOIN LATERAL (
        SELECT request.outbox_id FROM raw.requests AS request
        WHERE request.outbox_id > sent.outbox_id ORDER BY request.outbox_id LIMIT 1
    ) AS next
), removed AS (
    SELECT outbox_id, sum(requests)::bigint AS requests, sum(letters)::bigint AS letters,
        max(last) AS highest, range_agg(int8range(first, last, '[]')) AS ranges
    FROM raw.removed_numbers GROUP BY outbox_id
), stored AS (
    SELECT sent.outbox_id, coalesce(kept.records, 0) + counted.records AS records,
        coalesce(kept.numbers, 0) + counted.numbers AS numbers,
        coalesce(counted.highest, kept.highest) AS highest
    FROM sent LEFT JOIN kept ON kept.outbox_id = sent.outbox_id
    CROSS JOIN LATERAL (
        SELECT count(*) + (
                SELECT count(*) FROM raw.requests AS request
                WHERE request.outbox_id = sent.outbox_id AND request.sequence IS NULL
            ) AS records, count(DISTINCT sequence) AS numbers, max(sequence) AS highest
        FROM raw.requests AS request WHERE request.outbox_id = sent.outbox_id
          AND request.sequence > coalesce(kept.upto, '-9223372036854775808')
    ) AS counted
), gone AS (
    SELECT removed.outbox_id, sum(upper(range) - lower(range) - again.numbers)::bigint AS numbers
    FROM removed CROSS JOIN LATERAL unnest(ranges) AS range CROSS JOIN LATERAL (
        SELECT count(DISTINCT sequence) AS numbers FROM raw.requests AS request
        WHERE request.outbox_id = removed.outbox_id
          AND request.sequence >= lower(range) AND request.sequence < upper(range)
    ) AS again GROUP BY removed.outbox_id
), dead AS (
    SELECT outbox_id, count(DISTINCT sequence) FILTER (WHERE NOT EXISTS (
            SELECT FROM raw.requests AS request
            WHERE request.outbox_id = letter.outbox_id AND request.sequence = letter.sequence
              AND request.request_id = coalesce(letter.request_id, request.request_id)
        )) AS records, count(DISTINCT sequence) FILTER (WHERE NOT EXISTS (
            SELECT FROM raw.requests AS request
            WHERE request.outbox_id = letter.outbox_id AND request.sequence = letter.sequence
        )) AS numbers, max(sequence) AS highest
    FROM raw.dead_letters AS letter
    WHERE outbox_id IS NOT NULL AND elsewhere IS FALSE AND NOT EXISTS (
        SELECT FROM raw.removed_numbers AS gone
        WHERE gone.outbox_id = letter.outbox_id
          AND letter.sequence BETWEEN gone.first AND gone.last
    ) GROUP BY outbox_id
), known AS (
    SELECT outbox_id FROM raw.outboxes
    UNION SELECT outbox_id FROM stored
    UNION SELECT outbox_id FROM dead
    UNION SELECT outbox_id FROM removed
)
SELECT outbox_id::text, coalesce(outboxes.host, '') AS host,
       greatest(
           coalesce(outboxes.accepted, 0), coalesce(stored.highest, 0), coalesce(dead.highest, 0),
           coalesce(removed.highest, 0)
       ) AS accepted,
       coalesce(outboxes.acknowledged, 0) AS acknowledged,
       coalesce(outboxes.closed, false) AS closed,
       coalesce(outboxes.versions, '{}') AS versions, outboxes.seen_at,
       coalesce(stored.records, 0) + coalesce(removed.requests, 0) AS stored,
       coalesce(dead.records, 0) + coalesce(removed.letters, 0) AS dead_lettered,
       greatest(
           coalesce(stored.highest, 0), coalesce(dead.highest, 0), coalesce(removed.highest, 0)
       ) AS highest,
       coalesce(outboxes.damaged, '[]') AS damaged, coalesce(outboxes.copies, 0) AS copies,
       coalesce(outboxes.given_up, 0) AS given_up,
       coalesce(removed.requests, 0) + coalesce(removed.letters, 0) AS removed,
       coalesce(stored.numbers, 0) + coalesce(dead.numbers, 0) + coalesce(gone.numbers, 0)
           AS numbers,
       coalesce(stored.records > stored.numbers, false) AS repeated
FROM known
LEFT JOIN raw.outboxes USING (outbox_id)
LEFT JOIN stored USING (outbox_id)
LEFT JOIN dead USING (outbox_id)
LEFT JOIN removed USING (outbox_id)
LEFT JOIN gone USING (outbox_id)
ORDER BY outboxes.seen_at DESC NULLS LAST, outbox_id;

-- name: gaps
-- Numbers between `above` and the highest one seen that are neither a row nor a dead letter nor
-- were one before retention removed it, as ranges: of those outboxes that have fewer numbers.
-- `since` is when the record above the gap was stored: partitions are read at different speeds, so
-- a gap is a loss only when it stays.
WITH wanted AS (
    SELECT * FROM unnest(%(outboxes)s::uuid[], %(above)s::bigint[]) AS wanted (outbox_id, above)
), seen AS (
    SELECT wanted.*, request.sequence AS first, request.sequence AS last
        FROM wanted JOIN raw.requests AS request USING (outbox_id) WHERE request.sequence > above
    UNION ALL SELECT wanted.*, sequence, sequence
        FROM wanted JOIN raw.dead_letters USING (outbox_id) WHERE sequence > above
    UNION ALL SELECT wanted.*, first, last
        FROM wanted JOIN raw.removed_numbers USING (outbox_id) WHERE last > above
), stepped AS (
    SELECT outbox_id, first, greatest(above, max(last) OVER (
        PARTITION BY outbox_id ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )) AS before
    FROM seen
), gaps AS (
    SELECT outbox_id, before + 1 AS first, first - 1 AS last,
        row_number() OVER (PARTITION BY outbox_id ORDER BY first) AS place
    FROM stepped WHERE first - before > 1
)
SELECT gaps.outbox_id::text, gaps.first, gaps.last,
       coalesce(
           (SELECT min(stored_at) FROM raw.requests
            WHERE outbox_id = gaps.outbox_id AND sequence = gaps.last + 1),
           (SELECT min(at) FROM raw.dead_letters
            WHERE outbox_id = gaps.outbox_id AND sequence = gaps.last + 1),
           (SELECT min(since) FROM raw.removed_numbers
            WHERE outbox_id = gaps.outbox_id AND first = gaps.last + 1)
       ) AS since
FROM gaps WHERE place <= %(most)s ORDER BY gaps.outbox_id, gaps.first;

-- name: doubles
-- Numbers under which there are different requests, as ranges. One request has one row, however
-- often it was sent. `outboxes`: those that have more rows than numbers of rows.
WITH doubled AS (
    SELECT outbox_id, sequence FROM raw.requests WHERE outbox_id = ANY(%(outboxes)s::uuid[])
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

-- name: loose_letters
-- Dead letters that named no outbox or no number and never became rows, those that retention
-- removed among them.
SELECT (SELECT letters FROM raw.removed_letters) + count(*) FROM raw.dead_letters
WHERE (outbox_id IS NULL OR sequence IS NULL) AND resolved_at IS NULL;

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
-- rows, so that part stands still. Each (pipeline, topic, partition) is one walk through the index
-- requests_road, which holds `rows`; these are found by steps through it. What is kept of one is
-- not counted again where etl has passed it.
WITH RECURSIVE kept AS (
    SELECT * FROM unnest(%(kept_pipelines)s::text[], %(kept_topics)s::text[],
        %(kept_partitions)s::integer[], %(kept_below)s::bigint[], %(kept_rows)s::bigint[])
        AS kept (pipeline, topic, partition, below, rows)
), place AS (
    (SELECT pipeline, topic, partition FROM raw.requests
        ORDER BY pipeline, topic, partition LIMIT 1)
    UNION ALL
    SELECT next.* FROM place CROSS JOIN LATERAL (
        SELECT request.pipeline, request.topic, request.partition FROM raw.requests AS request
        WHERE (request.pipeline, request.topic, request.partition)
            > (place.pipeline, place.topic, place.partition)
        ORDER BY request.pipeline, request.topic, request.partition LIMIT 1
    ) AS next
)
SELECT place.pipeline, sum(coalesce(kept.rows, 0) + counted.rows) AS rows, sum(
    CASE WHEN progress.next_offset IS NULL THEN 0 ELSE coalesce(kept.rows, 0) + counted.passed END
) AS passed
FROM place
LEFT JOIN unnest(%(pipelines)s::text[], %(topics)s::text[], %(partitions)s::integer[],
    %(nexts)s::bigint[])
       AS progress (pipeline, topic, partition, next_offset)
       ON progress.pipeline = place.pipeline AND progress.topic = place.topic
           AND progress.partition = place.partition
LEFT JOIN kept ON kept.pipeline = place.pipeline AND kept.topic = place.topic
    AND kept.partition = place.partition
    AND kept.below <= coalesce(progress.next_offset, kept.below)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(request.rows), 0) AS rows, coalesce(
        sum(request.rows) FILTER (WHERE request.log_offset < progress.next_offset), 0
    ) AS passed
    FROM raw.requests AS request WHERE request.pipeline = place.pipeline
        AND request.topic = place.topic AND request.partition = place.partition
        AND request.log_offset >= coalesce(kept.below, '-9223372036854775808')
) AS counted
WHERE %(pipeline)s::text IS NULL OR place.pipeline = %(pipeline)s
GROUP BY place.pipeline ORDER BY place.pipeline;

-- name: removed_requests
-- Raw: rows of removed requests that these digests had passed.
SELECT removed.pipeline, removed.rows FROM raw.removed_rows AS removed
JOIN unnest(%(pipelines)s::text[], %(digests)s::text[], %(made_at)s::timestamptz[])
    AS current (pipeline, digest, made_at) USING (pipeline, digest, made_at);

-- name: current_sets
-- Warehouse: the current digests, when each was recorded, and how many of its feature rows and
-- unresolved entries of the quarantine were removed.
SELECT sets.pipeline, sets.digest, sets.created_at AS made_at, coalesce(removed.rows, 0) AS removed
FROM control.pipelines AS pipelines JOIN control.feature_sets AS sets
    ON sets.pipeline = pipelines.name AND sets.digest = pipelines.features_digest
LEFT JOIN warehouse.removed_rows AS removed ON removed.pipeline = sets.pipeline
    AND removed.digest = sets.digest AND removed.made_at = sets.created_at
WHERE %(pipeline)s::text IS NULL OR sets.pipeline = %(pipeline)s;
