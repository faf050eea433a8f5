-- name: kind
-- A part of other statements: what an entry is.
CASE WHEN digest IS NOT NULL THEN 'row' WHEN payload ? 'import' THEN 'import' ELSE 'label' END

-- name: matching
-- A part of other statements: the entries that a filter means.
(%(pipelines)s::text[] IS NULL OR pipeline = ANY(%(pipelines)s::text[]))
AND (%(state)s::text = 'any'
    OR %(state)s::text = 'open' AND resolved_at IS NULL AND dropped_at IS NULL
    OR %(state)s::text = 'resolved' AND resolved_at IS NOT NULL
    OR %(state)s::text = 'dropped' AND resolved_at IS NULL AND dropped_at IS NOT NULL)
AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
AND (%(kind)s::text IS NULL OR %(kind)s::text = {kind})
AND (%(column)s::text IS NULL OR column_name = %(column)s::text)
AND (%(reason)s::text IS NULL OR reason ILIKE %(reason)s::text)
AND (%(request_id)s::uuid IS NULL OR request_id = %(request_id)s::uuid)
AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR at < %(until)s::timestamptz)

-- name: columns
-- A part of other statements: an entry as people see it.
SELECT id, pipeline, digest, request_id, row, column_name, reason, payload, at, redrive_at,
    resolved_at, dropped_at, dropped_by, dropped_why, {kind} AS kind,
    CASE WHEN resolved_at IS NOT NULL THEN 'resolved'
        WHEN dropped_at IS NOT NULL THEN 'dropped' ELSE 'open' END AS state,
    (SELECT max(correction.at) FROM warehouse.corrections AS correction
     WHERE correction.pipeline = quarantine.pipeline
       AND correction.request_id = quarantine.request_id
       AND correction.row = quarantine.row) AS corrected_at
FROM warehouse.quarantine

-- name: page
-- Entries, newest first, below an id.
{columns}
WHERE {matching} AND (%(before)s::bigint IS NULL OR id < %(before)s::bigint)
ORDER BY id DESC LIMIT %(limit)s;

-- name: find
-- One entry.
{columns}
WHERE id = %(id)s;

-- name: counts
-- Entries by reason. The value that a reason begins with is left out: -5 and -7 break one rule.
SELECT pipeline, kind, column_name, reason, count(*) AS entries, max(at) AS newest,
    max(id) AS newest_id
FROM (
    SELECT id, pipeline, {kind} AS kind, column_name, at, regexp_replace(
        reason,
        '(^|: )(''[^'']*''|"[^"]*"|-?[0-9][^ ;]*|-?inf|True|False|\[[^]]*\]|\{{[^}}]*\}})(?= )',
        '\1…', 'g'
    ) AS reason
    FROM warehouse.quarantine WHERE {matching}
) AS entry
GROUP BY pipeline, kind, column_name, reason
ORDER BY entries DESC, newest_id DESC LIMIT %(limit)s;

-- name: count
-- How many entries a decision would change.
SELECT count(*) FROM warehouse.quarantine
WHERE {matching} AND (digest IS NOT NULL AND request_id IS NOT NULL OR NOT %(rows_only)s);

-- name: redrive
-- Have etl try some rows again, in the order of their ids. One that waits for it already keeps its
-- time.
WITH chosen AS (
    SELECT id FROM warehouse.quarantine
    WHERE {matching} AND digest IS NOT NULL AND request_id IS NOT NULL AND id > %(after)s
    ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE
)
UPDATE warehouse.quarantine AS entry SET redrive_at = coalesce(entry.redrive_at, now())
FROM chosen WHERE entry.id = chosen.id RETURNING entry.id;

-- name: drop
-- Give up some entries, in the order of their ids.
WITH chosen AS (
    SELECT id FROM warehouse.quarantine WHERE {matching} AND id > %(after)s
    ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE
)
UPDATE warehouse.quarantine AS entry
SET dropped_at = now(), dropped_by = %(by)s, dropped_why = %(why)s, redrive_at = NULL
FROM chosen WHERE entry.id = chosen.id RETURNING entry.id;

-- name: why_not
-- What named entries are that a decision has left as they were.
SELECT id, pipeline, digest, resolved_at, dropped_at, dropped_by, dropped_why
FROM warehouse.quarantine WHERE id = ANY(%(ids)s::bigint[]);
