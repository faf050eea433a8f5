-- name: facts
-- A part of other statements: the highest number of all, and what the outbox said of itself.
    greatest(
        last,
        (SELECT max(sequence) FROM raw.requests WHERE outbox_id = windowed.outbox_id),
        (SELECT max(sequence) FROM raw.dead_letters WHERE outbox_id = windowed.outbox_id)
    ) AS highest,
    coalesce(outboxes.acknowledged, 0) AS acknowledged, outboxes.seen_at,
    coalesce(outboxes.given_up, 0) AS given_up, coalesce(outboxes.damaged, '[]') AS damaged,
    coalesce((
        SELECT jsonb_agg(jsonb_build_array(gone.first, gone.last) ORDER BY gone.first)
        FROM raw.removed_numbers AS gone WHERE gone.outbox_id = windowed.outbox_id
    ), '[]') AS removed

-- name: outboxes
-- Every outbox that has a record in a window of time, with the numbers that lie in it, the highest
-- number of all, and what the outbox said of itself. Rows by the time in their id.
WITH numbers AS (
    SELECT outbox_id, min(sequence) AS first, max(sequence) AS last FROM raw.requests
    WHERE outbox_id IS NOT NULL AND sequence IS NOT NULL
      AND (%(since)s::timestamptz IS NULL OR request_id >= raw.first_request_id(%(since)s))
      AND (%(until)s::timestamptz IS NULL OR request_id < raw.first_request_id(%(until)s))
    GROUP BY outbox_id
    UNION ALL
    SELECT outbox_id, min(sequence), max(sequence) FROM raw.dead_letters
    WHERE outbox_id IS NOT NULL AND sequence IS NOT NULL
      AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    GROUP BY outbox_id
    UNION ALL  -- all that is left of an outbox may be what retention has removed
    SELECT outbox_id, min(first), max(last) FROM raw.removed_numbers
    WHERE %(since)s::timestamptz IS NULL AND %(until)s::timestamptz IS NULL
    GROUP BY outbox_id
), windowed AS (
    SELECT outbox_id, min(first) AS first, max(last) AS last FROM numbers GROUP BY outbox_id
)
SELECT windowed.outbox_id::text AS outbox_id, first, last, {facts}
FROM windowed LEFT JOIN raw.outboxes AS outboxes USING (outbox_id)
ORDER BY windowed.outbox_id;

-- name: known
-- The same of outboxes of which only other servers have a record in the window: no number is first
-- here, and none is last.
SELECT windowed.outbox_id::text AS outbox_id, %(never)s AS first, last, {facts}
FROM (SELECT outbox_id, 0::bigint AS last FROM unnest(%(ids)s::uuid[]) AS named (outbox_id))
    AS windowed LEFT JOIN raw.outboxes AS outboxes USING (outbox_id)
ORDER BY windowed.outbox_id;

-- name: numberless
-- Requests that claim to come from serving and have no number; serving gives one to each.
SELECT request_id::text FROM raw.requests
WHERE source = 'serving' AND (outbox_id IS NULL OR sequence IS NULL)
  AND (%(since)s::timestamptz IS NULL OR request_id >= raw.first_request_id(%(since)s))
  AND (%(until)s::timestamptz IS NULL OR request_id < raw.first_request_id(%(until)s))
ORDER BY request_id LIMIT %(most)s;

-- name: imported
-- Requests of imports, which no outbox has numbered.
SELECT count(*) FROM raw.requests
WHERE source = 'import'
  AND (%(since)s::timestamptz IS NULL OR request_id >= raw.first_request_id(%(since)s))
  AND (%(until)s::timestamptz IS NULL OR request_id < raw.first_request_id(%(until)s));

-- name: records
-- Records of an outbox above a number, ascending: rows, and dead letters as they came.
SELECT * FROM (
    SELECT sequence AS number, 'row' AS kind, stored_at, salt, digest, chain, begins,
        request_id::text AS request_id, pipeline, version, caller, client_id,
        (extract(epoch FROM received_at) * 1000000)::bigint AS received_us,
        rows, inputs::text AS inputs, outputs::text AS outputs, form, NULL::bytea AS payload,
        forgotten, forgotten_in
    FROM raw.requests
    WHERE outbox_id = %(outbox_id)s AND sequence > %(after)s AND sequence <= %(upto)s
    UNION ALL
    SELECT sequence, 'dead letter', at, NULL, digest, chain, begins, request_id::text, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, payload, NULL,
        CASE WHEN forgotten_in IS NOT NULL THEN ARRAY[forgotten_in] END
    FROM raw.dead_letters
    WHERE outbox_id = %(outbox_id)s AND sequence > %(after)s AND sequence <= %(upto)s
) AS records ORDER BY number;
