-- name: refuse
-- What the data API refused. A line of an import, or a label, is entered once, however often it is
-- sent again.
INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, column_name, reason, payload)
SELECT new.pipeline, NULL, new.request_id, new.row, new.column_name, new.reason, new.payload
FROM unnest(%(pipelines)s::text[], %(ids)s::uuid[], %(rows)s::integer[], %(columns)s::text[],
    %(reasons)s::text[], %(payloads)s::jsonb[])
     AS new (pipeline, request_id, row, column_name, reason, payload)
ON CONFLICT DO NOTHING;

-- name: keep
-- Rows that broke their contract. A row that is there already gets the newest reason.
INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, column_name, reason, payload)
SELECT %(pipeline)s, %(digest)s, bad.* FROM
    unnest(%(ids)s::uuid[], %(rows)s::integer[], %(columns)s::text[], %(reasons)s::text[],
        %(payloads)s::jsonb[]) AS bad
ON CONFLICT (pipeline, digest, request_id, row) WHERE request_id IS NOT NULL DO UPDATE
SET column_name = excluded.column_name, reason = excluded.reason, payload = excluded.payload,
    at = now(), redrive_at = NULL, resolved_at = NULL;

-- name: digests_to_redrive
-- Digests with rows that a person asked to have tried again.
SELECT DISTINCT pipeline, digest FROM warehouse.quarantine WHERE redrive_at IS NOT NULL
    AND resolved_at IS NULL AND dropped_at IS NULL AND digest IS NOT NULL;

-- name: claim_redrives
-- Rows that a person asked to have tried again, taken for this transaction.
SELECT id, request_id::text, row FROM warehouse.quarantine
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND request_id IS NOT NULL
  AND redrive_at IS NOT NULL AND resolved_at IS NULL AND dropped_at IS NULL
ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- name: unresolved
-- What keeps rows of these requests out, dropped entries too. Most digests have nothing in
-- quarantine, which two partial indexes tell before any request is looked up.
SELECT entry.request_id::text, entry.row
FROM unnest(%(ids)s::uuid[]) AS given (request_id) CROSS JOIN LATERAL (
    SELECT request_id, row FROM warehouse.quarantine
    WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND request_id = given.request_id
      AND resolved_at IS NULL
    OFFSET 0
) AS entry
WHERE EXISTS (
    SELECT FROM warehouse.quarantine WHERE pipeline = %(pipeline)s AND digest = %(digest)s
        AND resolved_at IS NULL AND dropped_at IS NULL
) OR EXISTS (
    SELECT FROM warehouse.quarantine WHERE pipeline = %(pipeline)s AND digest = %(digest)s
        AND resolved_at IS NULL AND dropped_at IS NOT NULL
);

-- name: resolve
-- Rows that become feature rows: whatever kept them out is resolved.
UPDATE warehouse.quarantine AS entry SET resolved_at = now()
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[]) AS good (request_id, row)
WHERE entry.pipeline = %(pipeline)s AND entry.digest = %(digest)s
  AND entry.request_id = good.request_id AND entry.row = good.row AND entry.resolved_at IS NULL;

-- name: give_up
-- Rows that were asked for and can't be tried.
UPDATE warehouse.quarantine SET reason = %(reason)s, at = now(), redrive_at = NULL
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[]) AS stuck (request_id, row)
WHERE quarantine.pipeline = %(pipeline)s AND quarantine.digest = %(digest)s
  AND quarantine.request_id = stuck.request_id AND quarantine.row = stuck.row;

-- name: count_unresolved
-- Rows in quarantine under a digest that no later try has made a feature row: those that are open,
-- those that were dropped, and those that were forgotten.
SELECT count(*) FILTER (WHERE dropped_at IS NULL),
    count(*) FILTER (WHERE dropped_at IS NOT NULL AND forgotten_in IS NULL),
    count(*) FILTER (WHERE forgotten_in IS NOT NULL)
FROM warehouse.quarantine
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND request_id IS NOT NULL
  AND resolved_at IS NULL;

-- name: count_dropped
-- Rows of a digest that a person has given up.
SELECT count(*) FROM warehouse.quarantine
WHERE pipeline = %(pipeline)s AND digest = %(digest)s
  AND dropped_at IS NOT NULL AND resolved_at IS NULL AND forgotten_in IS NULL;
