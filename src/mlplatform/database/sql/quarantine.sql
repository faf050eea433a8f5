-- name: refuse
-- What was refused at the data API's door. A line of an import, or a label, is entered once, however often it is sent again.
INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, column_name, reason, payload)
SELECT new.pipeline, NULL, new.request_id, new.row, new.column_name, new.reason, new.payload
FROM unnest(%(pipelines)s::text[], %(ids)s::uuid[], %(rows)s::integer[], %(columns)s::text[], %(reasons)s::text[], %(payloads)s::jsonb[])
     AS new (pipeline, request_id, row, column_name, reason, payload)
ON CONFLICT DO NOTHING;

-- name: unresolved
-- What waits for a person, newest first.
SELECT id, pipeline, digest, request_id, row, column_name, reason, payload, at, redrive_at
FROM warehouse.quarantine
WHERE resolved_at IS NULL AND (%(pipelines)s::text[] IS NULL OR pipeline = ANY(%(pipelines)s::text[]))
ORDER BY id DESC LIMIT %(limit)s;

-- name: redrive
-- Ask etl to try these rows again: all unresolved ones of the pipeline, or those named.
UPDATE warehouse.quarantine SET redrive_at = now()
WHERE pipeline = %(pipeline)s AND resolved_at IS NULL AND digest IS NOT NULL AND request_id IS NOT NULL
  AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
RETURNING id;

-- name: why_not
-- Of the named entries, those that can't be tried again, and what they are.
SELECT id, pipeline, digest, resolved_at FROM warehouse.quarantine WHERE id = ANY(%(ids)s::bigint[]);
