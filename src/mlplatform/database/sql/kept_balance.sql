-- name: proven_at
-- Raw: when what is kept was counted, if it still holds: nothing of it went, nothing came below it.
SELECT kept.proven_at FROM raw.kept_balance AS kept
JOIN raw.removals AS removals ON removals.times = kept.removals
WHERE NOT EXISTS (
    SELECT FROM raw.kept_rows AS place LEFT JOIN raw.offsets AS offsets
        ON offsets.topic = place.topic AND offsets.partition = place.partition
    WHERE offsets.setbacks IS DISTINCT FROM place.setbacks
);

-- name: rows
-- Raw: rows of requests below an offset, of each pipeline in each partition.
SELECT pipeline, topic, partition, below, rows FROM raw.kept_rows;

-- name: numbers
-- Raw: requests up to a number, of each outbox.
SELECT outbox_id::text, upto, records, numbers, highest FROM raw.kept_numbers;

-- name: read_by_index
-- Raw: how many requests came since is in no statistics, and to read all of them for a few would
-- take long.
SELECT set_config('enable_seqscan', %(seqscan)s, true);

-- name: since
-- Raw: how many requests came since, as far as this many.
WITH RECURSIVE place AS (
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
SELECT count(*) FROM (
    SELECT FROM place
    LEFT JOIN raw.kept_rows AS kept ON kept.pipeline = place.pipeline AND kept.topic = place.topic
        AND kept.partition = place.partition
    CROSS JOIN LATERAL (
        SELECT FROM raw.requests AS request
        WHERE request.pipeline = place.pipeline AND request.topic = place.topic
          AND request.partition = place.partition
          AND request.log_offset >= coalesce(kept.below, '-9223372036854775808')
        LIMIT %(most)s
    ) AS came LIMIT %(most)s
) AS counted;

-- name: late
-- Raw: outboxes of which requests came since the snapshot whose numbers lie among those that are
-- kept: letters that were tried again, numbers that were used twice. Only what came since is read.
WITH RECURSIVE place AS (
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
SELECT DISTINCT came.outbox_id::text
FROM place
LEFT JOIN raw.kept_rows AS kept ON kept.pipeline = place.pipeline AND kept.topic = place.topic
    AND kept.partition = place.partition
CROSS JOIN LATERAL (
    SELECT request.outbox_id, min(request.sequence) AS lowest FROM raw.requests AS request
    WHERE request.pipeline = place.pipeline AND request.topic = place.topic
      AND request.partition = place.partition
      AND request.log_offset >= coalesce(kept.below, '-9223372036854775808')
    GROUP BY request.outbox_id
) AS came
JOIN raw.kept_numbers AS numbers ON numbers.outbox_id = came.outbox_id
    AND came.lowest <= numbers.upto;

-- name: removals
-- Raw: how often rows went.
SELECT times FROM raw.removals;

-- name: count_rows
-- Raw, for a proof: rows of requests below the place where the partition goes on. What is stored
-- below it later is a setback.
WITH RECURSIVE place AS (
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
SELECT place.pipeline, place.topic, place.partition, offsets.setbacks, ends.below,
    (SELECT coalesce(sum(request.rows), 0)::bigint FROM raw.requests AS request
        WHERE request.pipeline = place.pipeline AND request.topic = place.topic
          AND request.partition = place.partition AND request.log_offset < ends.below) AS rows
FROM place
JOIN raw.offsets AS offsets ON offsets.topic = place.topic AND offsets.partition = place.partition
CROSS JOIN LATERAL (
    SELECT greatest(offsets.top, offsets.next_offset + offsets.shift) AS below
) AS ends;

-- name: count_numbers
-- Raw, for a proof: requests of outboxes up to a number.
SELECT wanted.outbox_id::text, wanted.upto, counted.*
FROM unnest(%(outboxes)s::uuid[], %(uptos)s::bigint[]) AS wanted (outbox_id, upto)
CROSS JOIN LATERAL (
    SELECT count(*) AS records, count(DISTINCT request.sequence) AS numbers,
        max(request.sequence) AS highest
    FROM raw.requests AS request
    WHERE request.outbox_id = wanted.outbox_id AND request.sequence <= wanted.upto
) AS counted;

-- name: keep
-- Raw: keep what a proof has counted.
SELECT raw.keep_balance(%(timeline)s, %(proof)s);

-- name: features
-- Warehouse: rows of feature tables up to a mark, as far as that still holds. A table without its
-- triggers was made by an earlier version of etl: what it lost would not be known.
SELECT kept.table_name, kept.mark, kept.rows, kept.proven_at
FROM warehouse.kept_counts AS kept
JOIN control.feature_sets AS sets ON sets.table_name = kept.table_name
    AND sets.created_at = kept.made_at
LEFT JOIN warehouse.removals AS removals ON removals.table_name = kept.table_name
WHERE coalesce(removals.times, 0) = kept.removals AND EXISTS (
    SELECT FROM pg_trigger WHERE tgname = 'note_removal' AND tgenabled <> 'D'
        AND tgrelid = to_regclass('features.' || quote_ident(kept.table_name))
);

-- name: feature_facts
-- Warehouse, for a proof: what a count of the current feature tables stands on.
SELECT pipelines.name AS pipeline, sets.table_name, sets.created_at AS made_at,
    coalesce(removals.times, 0) AS removals, mark.value AS mark
FROM control.pipelines AS pipelines
JOIN control.feature_sets AS sets ON sets.pipeline = pipelines.name
    AND sets.digest = pipelines.features_digest AND sets.table_name IS NOT NULL
LEFT JOIN warehouse.removals AS removals ON removals.table_name = sets.table_name
CROSS JOIN warehouse.mark AS mark;

-- name: keep_features
-- Warehouse: keep what a proof has counted.
SELECT warehouse.keep_counts(%(timeline)s, %(counts)s);
