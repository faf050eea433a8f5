-- name: stored
-- Raw: requests of a pipeline in which a key may stand, and those with rows that were forgotten. A
-- text that holds a backslash may write the key in another way.
SELECT request_id::text, rows, inputs::text, coalesce(forgotten, '{}') FROM raw.requests
WHERE pipeline = %(pipeline)s AND (
    forgotten IS NOT NULL
    OR EXISTS (SELECT FROM unnest(%(needles)s::text[]) AS n WHERE position(n IN inputs::text) > 0)
    OR position('\' IN inputs::text) > 0
);

-- name: of_requests
-- Raw: how many rows these requests have, and which of them were forgotten.
SELECT request_id::text, rows, coalesce(forgotten, '{}') FROM raw.requests
WHERE request_id = ANY(%(ids)s::uuid[]);

-- name: forget_rows
-- Raw: remove the values of some rows of a request.
SELECT raw.forget_rows(%(pipeline)s, %(id)s, %(rows)s::integer[], %(entry)s);

-- name: letters
-- Raw: dead letters that may hold rows of a pipeline: those that say so, and those that say none.
SELECT id, payload FROM raw.dead_letters
WHERE forgotten_in IS NULL AND (pipeline = %(pipeline)s OR pipeline IS NULL);

-- name: forget_letters
-- Raw: remove the payloads of dead letters.
SELECT raw.forget_letters(%(ids)s::bigint[], %(entry)s);

-- name: expected
-- Raw: up to which number records of each outbox may come, and up to which none does any more: the
-- queue was reset. Of an outbox that has been silent for two minutes nothing comes but what the
-- queue has acknowledged.
SELECT outbox_id::text, CASE WHEN seen_at > now() - interval '2 minutes' AND NOT closed
    THEN accepted ELSE acknowledged END AS upto, given_up
FROM raw.outboxes;

-- name: stored_ends
-- Raw: the highest number of each of these outboxes that is stored here.
SELECT outbox_id::text, greatest(
    (SELECT max(sequence) FROM raw.requests WHERE outbox_id = box.outbox_id),
    (SELECT max(sequence) FROM raw.dead_letters WHERE outbox_id = box.outbox_id),
    (SELECT max(last) FROM raw.removed_numbers WHERE outbox_id = box.outbox_id), 0
) FROM unnest(%(outboxes)s::uuid[]) AS box (outbox_id);

-- name: open_imports
-- Raw: imports of a pipeline that have not ended, and went on within a day.
SELECT key FROM raw.imports WHERE pipeline = %(pipeline)s AND NOT finished
    AND updated_at > now() - interval '1 day' ORDER BY key;

-- name: forget_reasons
-- Raw: why records of imports were refused quotes their values.
UPDATE raw.imports AS import SET reasons = (
    SELECT jsonb_agg(CASE WHEN lines.key IS NULL THEN reason
        ELSE reason || '{"reason": "forgotten"}' END ORDER BY place)
    FROM jsonb_array_elements(import.reasons) WITH ORDINALITY AS listed (reason, place)
    LEFT JOIN unnest(%(keys)s::text[], %(records)s::bigint[]) AS lines (key, record)
        ON lines.key = import.key AND lines.record = (reason ->> 'record')::bigint
)
WHERE pipeline = %(pipeline)s AND key = ANY(%(keys)s::text[]) AND reasons <> '[]';

-- name: featured
-- Warehouse: rows that have this key in a feature table.
SELECT request_id::text, row FROM warehouse.rows_with_key(%(pipeline)s, %(key)s);

-- name: quarantined
-- Warehouse: entries of the quarantine in which a key may stand.
SELECT id, digest, request_id::text, row, payload FROM warehouse.quarantine
WHERE pipeline = %(pipeline)s AND forgotten_in IS NULL
  AND (digest IS NOT NULL OR payload ? 'import')
  AND (
    EXISTS (SELECT FROM unnest(%(needles)s::text[]) AS n WHERE position(n IN payload::text) > 0)
    OR position('\' IN payload::text) > 0
  );

-- name: corrected
-- Warehouse: corrections of a pipeline.
SELECT request_id::text, row, fields FROM warehouse.corrections WHERE pipeline = %(pipeline)s;

-- name: forget
-- Warehouse: remove all that there is of some rows.
SELECT features, labels, corrections, quarantined, refused FROM warehouse.forget_rows(
    %(pipeline)s, %(ids)s::uuid[], %(rows)s::integer[], %(whole)s::uuid[], %(entry)s);

-- name: forget_lines
-- Warehouse: remove records of imports that never became rows.
SELECT warehouse.forget_lines(%(pipeline)s, %(ids)s::bigint[], %(entry)s);

-- name: versions
-- Warehouse: versions that were trained on rows that this entry of the ledger has forgotten; and
-- trainings of the last day that have read such rows, and may become versions yet.
SELECT coalesce(version.version, '') AS version, coalesce(version.state, 'training') AS state,
    reads.receipt_id, reads.rows
FROM control.forgotten_reads AS reads
JOIN control.receipts AS receipt ON receipt.id = reads.receipt_id
LEFT JOIN control.model_versions AS version
    ON version.receipt_id = reads.receipt_id AND version.pipeline = %(pipeline)s
WHERE reads.entry = %(entry)s AND split_part(receipt.dataset, '.', 1) = %(pipeline)s
  AND (version.version IS NOT NULL OR receipt.at > now() - interval '1 day')
ORDER BY version.created_at, version.version, receipt.at;

-- name: definitions
-- Warehouse: definitions of a pipeline, one of each features digest, and the one that holds.
SELECT definition FROM control.feature_sets WHERE pipeline = %(pipeline)s
UNION ALL SELECT definition FROM control.pipelines WHERE name = %(pipeline)s;

-- name: pass_over
-- Warehouse: rows that were forgotten before a features digest came to them.
INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, reason, payload, dropped_at,
    dropped_by, dropped_why, forgotten_in)
SELECT %(pipeline)s, %(digest)s, gone.request_id, gone.row, 'forgotten', '{}', now(), 'forget',
    'forgotten: entry ' || gone.entry || ' of the ledger', gone.entry
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[], %(entries)s::bigint[])
    AS gone (request_id, row, entry)
ON CONFLICT DO NOTHING;
