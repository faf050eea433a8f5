-- name: from_features
-- Feature rows as of a mark. They are only ever added.
features.{table} AS f WHERE f.batch <= {mark};

-- name: from_training
-- Feature rows with the label that held at the mark. The features' primary key and the index
-- labels_read give (request_id, row) in order, so it is a merge of two index scans, which come in
-- the order we want.
features.{table} AS f
JOIN warehouse.labels AS l
    ON l.request_id = f.request_id AND l.row = f.row AND l.pipeline = {pipeline}
        AND l.valid_from <= {mark} AND l.valid_to > {mark}
WHERE f.batch <= {mark};

-- name: from_labels
-- Labels that held at the mark, with or without a feature row.
warehouse.labels AS l WHERE l.pipeline = {pipeline} AND l.valid_from <= {mark}
    AND l.valid_to > {mark};

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
