-- name: sets
-- The features digests in use, the pipelines' current ones first: those, and of the versions that serve, wait for their approval, or served
-- before. Others rest where they are; in use again they go on from there.
SELECT sets.pipeline, sets.digest, sets.commit, sets.definition, sets.table_name, sets.features, sets.failure,
       sets.digest = pipelines.features_digest AS current
FROM control.feature_sets AS sets JOIN control.pipelines AS pipelines ON pipelines.name = sets.pipeline
WHERE sets.digest = pipelines.features_digest OR EXISTS (
    SELECT FROM control.model_versions AS version
    WHERE version.pipeline = sets.pipeline AND version.features_digest = sets.digest AND (
        version.state IN ('champion', 'candidate') OR version.version = (
            SELECT previous FROM control.promotions WHERE pipeline = sets.pipeline AND state = 'champion' ORDER BY id DESC LIMIT 1
        )
    )
)
ORDER BY current DESC, sets.created_at, sets.pipeline;

-- name: lock_set
-- The table of a digest, if one was made; locked, so that only one etl makes it.
SELECT table_name FROM control.feature_sets WHERE pipeline = %(pipeline)s AND digest = %(digest)s FOR UPDATE;

-- name: set_table
-- Say that a digest can be worked on, with the types that its code was found to give.
UPDATE control.feature_sets SET table_name = %(table)s, features = %(features)s, failure = NULL
WHERE pipeline = %(pipeline)s AND digest = %(digest)s;

-- name: set_failure
-- Say why a digest can't be worked on.
UPDATE control.feature_sets SET failure = %(failure)s
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND failure IS DISTINCT FROM %(failure)s;

-- name: places
-- How far all digests are.
SELECT pipeline, digest, topic, partition, next_offset FROM warehouse.progress;

-- name: add_places
-- Begin roads at 0.
INSERT INTO warehouse.progress (pipeline, digest, topic, partition)
SELECT * FROM unnest(%(pipelines)s::text[], %(digests)s::text[], %(topics)s::text[], %(partitions)s::integer[])
ON CONFLICT DO NOTHING;

-- name: claim
-- Take a place for this transaction; nothing when another etl has it.
SELECT next_offset FROM warehouse.progress
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND topic = %(topic)s AND partition = %(partition)s FOR UPDATE SKIP LOCKED;

-- name: advance
-- Move a place on, in the transaction of the rows before it.
UPDATE warehouse.progress
SET next_offset = %(next)s, featured = featured + %(featured)s, quarantined = quarantined + %(quarantined)s, updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND topic = %(topic)s AND partition = %(partition)s;

-- name: recount
-- Rows that a redrive turned from quarantined to featured.
UPDATE warehouse.progress SET featured = featured + %(rows)s, quarantined = quarantined - %(rows)s, updated_at = now()
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND topic = %(topic)s AND partition = %(partition)s;

-- name: mark
-- The next mark. It locks the counter until commit, so it is asked for late; and before rows are looked at that another etl may have added.
SELECT warehouse.next_mark();

-- name: quarantine
-- Rows that broke their contract. A row that is there already gets the newest reason.
INSERT INTO warehouse.quarantine (pipeline, digest, request_id, row, column_name, reason, payload)
SELECT %(pipeline)s, %(digest)s, bad.* FROM
    unnest(%(ids)s::uuid[], %(rows)s::integer[], %(columns)s::text[], %(reasons)s::text[], %(payloads)s::jsonb[]) AS bad
ON CONFLICT (pipeline, digest, request_id, row) WHERE request_id IS NOT NULL DO UPDATE
SET column_name = excluded.column_name, reason = excluded.reason, payload = excluded.payload, at = now(), redrive_at = NULL,
    resolved_at = NULL;

-- name: reads_target
-- Whether a digest reads the target that the pipeline has now. Asked under the mark, which a change of the target takes too.
SELECT sets.definition -> 'target' = pipelines.definition -> 'target'
FROM control.feature_sets AS sets JOIN control.pipelines AS pipelines ON pipelines.name = sets.pipeline
WHERE sets.pipeline = %(pipeline)s AND sets.digest = %(digest)s;

-- name: correct_labels
-- End open labels of imported rows that say something else than the target's field (another target came before), or whose field is empty. What
-- feedback said stays.
UPDATE warehouse.labels AS label SET valid_to = %(mark)s
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[], %(numbers)s::double precision[], %(texts)s::text[]) AS new (request_id, row, number, text)
WHERE label.request_id = new.request_id AND label.row = new.row AND label.pipeline = %(pipeline)s
  AND label.valid_to = 9223372036854775807 AND label.source = 'import'
  AND (label.number IS DISTINCT FROM new.number OR label.text IS DISTINCT FROM new.text);

-- name: add_labels
-- Labels of imported rows that have no open one: another digest with this target may have read them already.
INSERT INTO warehouse.labels (pipeline, request_id, row, number, text, source, valid_from)
SELECT %(pipeline)s, new.*, 'import', %(mark)s
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[], %(numbers)s::double precision[], %(texts)s::text[]) AS new (request_id, row, number, text)
WHERE (new.number IS NULL) <> (new.text IS NULL) AND NOT EXISTS (
    SELECT FROM warehouse.labels AS label
    WHERE label.request_id = new.request_id AND label.row = new.row AND label.pipeline = %(pipeline)s AND label.valid_to = 9223372036854775807
);

-- name: redrives
-- Rows that a person asked to have tried again, taken for this transaction.
SELECT id, request_id::text, row FROM warehouse.quarantine
WHERE pipeline = %(pipeline)s AND digest = %(digest)s AND request_id IS NOT NULL AND redrive_at IS NOT NULL AND resolved_at IS NULL
ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- name: any_redrive
-- Digests with rows that were asked for.
SELECT DISTINCT pipeline, digest FROM warehouse.quarantine WHERE redrive_at IS NOT NULL AND resolved_at IS NULL AND digest IS NOT NULL;

-- name: resolve
-- These rows are feature rows now.
UPDATE warehouse.quarantine SET resolved_at = now()
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[]) AS good (request_id, row)
WHERE quarantine.pipeline = %(pipeline)s AND quarantine.digest = %(digest)s
  AND quarantine.request_id = good.request_id AND quarantine.row = good.row;

-- name: give_up
-- Rows that were asked for and can't be tried.
UPDATE warehouse.quarantine SET reason = %(reason)s, at = now(), redrive_at = NULL
FROM unnest(%(ids)s::uuid[], %(rows)s::integer[]) AS stuck (request_id, row)
WHERE quarantine.pipeline = %(pipeline)s AND quarantine.digest = %(digest)s
  AND quarantine.request_id = stuck.request_id AND quarantine.row = stuck.row;

-- name: roads
-- Raw: every (topic, partition) that ever held something.
SELECT topic, partition FROM raw.offsets;

-- name: waiting
-- Raw: which of these places have rows behind them.
SELECT place.number FROM unnest(%(pipelines)s::text[], %(topics)s::text[], %(partitions)s::integer[], %(nexts)s::bigint[])
    WITH ORDINALITY AS place (pipeline, topic, partition, next_offset, number)
WHERE EXISTS (
    SELECT FROM raw.requests AS request
    WHERE request.pipeline = place.pipeline AND request.topic = place.topic AND request.partition = place.partition
      AND request.log_offset >= place.next_offset
);

-- name: read
-- Raw: the next requests of a road, at most so many, and at most so many rows (but at least one request).
SELECT request_id, source, topic, partition, log_offset, received_at, rows, inputs FROM (
    SELECT next.*, sum(rows) OVER (ORDER BY log_offset) AS upto FROM (
        SELECT request_id::text, source, topic, partition, log_offset, received_at, rows, inputs::text
        FROM raw.requests
        WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND partition = %(partition)s AND log_offset >= %(next)s
        ORDER BY log_offset LIMIT %(requests)s
    ) AS next
) AS summed
WHERE upto - rows < %(rows)s
ORDER BY log_offset;

-- name: by_id
-- Raw: requests by their ids.
SELECT request_id::text, source, topic, partition, log_offset, received_at, rows, inputs::text
FROM raw.requests WHERE request_id = ANY(%(ids)s::uuid[]);
