-- name: from_features
-- Feature rows as of a mark. They are only ever added.
features.{table} AS f WHERE f.batch <= {mark};

-- name: from_training
-- Feature rows with the label that held at the mark: the one in warehouse.labels, and where there
-- was none the one in the row. The features' primary key and the index labels_read give
-- (request_id, row) in order, so it is a merge of two index scans, which come in the order we want.
features.{table} AS f
LEFT JOIN warehouse.labels AS l
    ON l.request_id = f.request_id AND l.row = f.row AND l.pipeline = {pipeline}
        AND l.valid_from <= {mark} AND l.valid_to > {mark}
WHERE f.batch <= {mark} AND CASE WHEN l.valid_from IS NULL
    THEN f.__label_number IS NOT NULL OR f.__label_text IS NOT NULL
    ELSE l.number IS NOT NULL OR l.text IS NOT NULL END;

-- name: from_training_apart
-- The same of a table that holds no labels: an etl of an earlier version made it just now, or it
-- has as many columns as a table can have.
features.{table} AS f
JOIN warehouse.labels AS l
    ON l.request_id = f.request_id AND l.row = f.row AND l.pipeline = {pipeline}
        AND l.valid_from <= {mark} AND l.valid_to > {mark}
        AND (l.number IS NOT NULL OR l.text IS NOT NULL)
WHERE f.batch <= {mark};

-- name: from_labels
-- Labels that held at the mark, with or without a feature row.
({parts}) AS l WHERE true;

-- name: labels_open
-- Those in warehouse.labels.
SELECT l.request_id, l.row, l.labelled_at, l.source, l.number, l.text FROM warehouse.labels AS l
WHERE l.pipeline = {pipeline} AND l.valid_from <= {mark} AND l.valid_to > {mark}
  AND (l.number IS NOT NULL OR l.text IS NOT NULL);

-- name: labels_beside
-- Those in a feature table, of rows about which warehouse.labels said nothing.
SELECT f.request_id, f.row, warehouse.accepted_at(f.request_id), 'import', f.__label_number,
    f.__label_text
FROM features.{table} AS f
WHERE f.batch <= {mark} AND (f.__label_number IS NOT NULL OR f.__label_text IS NOT NULL)
  AND NOT EXISTS (
    SELECT FROM warehouse.labels AS l
    WHERE l.request_id = f.request_id AND l.row = f.row AND l.pipeline = {pipeline}
      AND l.valid_from <= {mark} AND l.valid_to > {mark}
  ) {before};

-- name: not_before
-- Of labels that several tables have, one counts.
AND NOT EXISTS (
    SELECT FROM features.{table} AS o
    WHERE o.request_id = f.request_id AND o.row = f.row AND o.batch <= {mark}
      AND (o.__label_number IS NOT NULL OR o.__label_text IS NOT NULL)
);

-- name: from_requests
-- Raw requests as of a mark.
raw.requests AS r JOIN raw.batches AS b ON b.xact = r.xact WHERE r.pipeline = {pipeline}
    AND b.mark <= {mark};

-- name: select_all
-- All rows, in the order of a dataset.
SELECT {columns} FROM {source} {window} ORDER BY {order};

-- name: select_latest_keys
-- When the latest rows are of, and their ids: which of them are the latest over several servers.
SELECT {time} AS time, {id}::text AS {key} FROM {source} {window}
ORDER BY {time} DESC, {id} DESC LIMIT {limit};

-- name: select_latest
-- The latest rows, in the order of a dataset.
SELECT {names} FROM (
    SELECT {columns}, {keys} FROM {source} {window} ORDER BY {latest} LIMIT {limit}
) AS latest ORDER BY {key_names};
