-- name: open
-- What holds now of a pipeline's labels of these requests, requests one by one: a plan made for few
-- must not read the whole table for many.
SELECT label.request_id::text, label.row, label.number, label.text
FROM unnest(%(ids)s::uuid[]) AS given (request_id) CROSS JOIN LATERAL (
    SELECT request_id, row, number, text FROM warehouse.labels
    WHERE pipeline = %(pipeline)s AND request_id = given.request_id
      AND valid_to = 9223372036854775807
    OFFSET 0
) AS label;

-- name: beside
-- Feature rows of these requests under any digest, with the labels that lie in them.
SELECT request_id::text, row, number, text
FROM warehouse.imported_labels(%(pipeline)s, %(ids)s::uuid[]);

-- name: close
-- End what is corrected: open labels of these rows, from the sources that the new ones correct,
-- that say something else or whose field is empty now. Another pipeline's label of the same row is
-- another label: it was sent before its request was stored, under a wrong name.
UPDATE warehouse.labels AS label SET valid_to = %(mark)s
FROM unnest(%(pipelines)s::text[], %(ids)s::uuid[], %(rows)s::integer[],
    %(numbers)s::double precision[], %(texts)s::text[])
     AS new (pipeline, request_id, row, number, text)
WHERE label.request_id = new.request_id AND label.row = new.row AND label.pipeline = new.pipeline
  AND label.valid_to = 9223372036854775807
  AND label.source = ANY(%(corrects)s::text[])
  AND (label.number IS DISTINCT FROM new.number OR label.text IS DISTINCT FROM new.text);

-- name: add
-- Add labels to rows that have no open one (any more). One without a value says from its mark on
-- that there is none, whatever lies in the feature row.
INSERT INTO warehouse.labels (pipeline, request_id, row, number, text, source, valid_from)
SELECT new.pipeline, new.request_id, new.row, new.number, new.text, %(source)s::text, %(mark)s
FROM unnest(%(pipelines)s::text[], %(ids)s::uuid[], %(rows)s::integer[],
    %(numbers)s::double precision[], %(texts)s::text[])
     AS new (pipeline, request_id, row, number, text)
WHERE NOT EXISTS (
    SELECT FROM warehouse.labels AS label
    WHERE label.request_id = new.request_id AND label.row = new.row
      AND label.pipeline = new.pipeline AND label.valid_to = 9223372036854775807
);
