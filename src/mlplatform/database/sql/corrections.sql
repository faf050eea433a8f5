-- name: lock_shared
-- A batch of etl holds this until it commits: corrections of its pipeline come before or after it.
SELECT pg_advisory_xact_lock_shared(hashtext('mlplatform corrections'), hashtext(%(pipeline)s));

-- name: lock
-- A correction holds it alone: every batch that has read the row without it is committed.
SELECT pg_advisory_xact_lock(hashtext('mlplatform corrections'), hashtext(%(pipeline)s));

-- name: of_requests
-- Corrected fields of rows of these requests: the newest correction of each row.
SELECT DISTINCT ON (request_id, row) request_id::text, row, fields FROM warehouse.corrections
WHERE pipeline = %(pipeline)s AND request_id = ANY(%(ids)s::uuid[])
ORDER BY request_id, row, id DESC;

-- name: add
-- One more correction of a row, which holds from now on.
INSERT INTO warehouse.corrections (pipeline, request_id, row, fields, by, why)
VALUES (%(pipeline)s, %(request_id)s, %(row)s, %(fields)s, %(by)s, %(why)s);

-- name: redrive
-- Have etl make the row anew under every digest that refused it.
UPDATE warehouse.quarantine SET redrive_at = coalesce(redrive_at, now())
WHERE pipeline = %(pipeline)s AND request_id = %(request_id)s AND row = %(row)s
  AND digest IS NOT NULL AND resolved_at IS NULL AND dropped_at IS NULL
RETURNING id;
