-- name: partitions
-- Every (topic, partition) that ever held something, and how often rows were stored below others.
SELECT topic, partition, setbacks FROM raw.offsets;

-- name: lowest_since
-- The lowest place of the rows that were stored below others, of those that a cursor doesn't know.
SELECT min(lowest) FROM raw.setbacks
WHERE topic = %(topic)s AND partition = %(partition)s AND number > %(setbacks)s;

-- name: waiting
-- Which of these cursors have requests to read.
SELECT cursor.number
FROM unnest(%(pipelines)s::text[], %(topics)s::text[], %(partitions)s::integer[],
            %(nexts)s::bigint[])
    WITH ORDINALITY AS cursor (pipeline, topic, partition, next_offset, number)
WHERE EXISTS (
    SELECT FROM raw.requests AS request
    WHERE request.pipeline = cursor.pipeline AND request.topic = cursor.topic
      AND request.partition = cursor.partition
      AND request.log_offset >= cursor.next_offset
);

-- name: read
-- The next requests of a partition, at most so many, and at most so many rows (but at least one
-- request). Requests with one log_offset (offsets that were set back by hand) come together: going
-- on behind it must leave none out. First only where they end, since their inputs are large.
WITH next AS (
    SELECT log_offset, rows FROM raw.requests
    WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND partition = %(partition)s
      AND log_offset >= %(next)s
    ORDER BY log_offset FETCH FIRST %(requests)s ROWS WITH TIES
), summed AS (
    SELECT log_offset, sum(rows) OVER (ORDER BY log_offset) AS upto,
        sum(rows) OVER (PARTITION BY log_offset) AS here
    FROM next
)
SELECT request_id::text, source, topic, partition, log_offset, received_at, rows, inputs::text,
    coalesce(forgotten, '{}') AS forgotten, coalesce(forgotten_in, '{}') AS forgotten_in
FROM raw.requests
WHERE pipeline = %(pipeline)s AND topic = %(topic)s AND partition = %(partition)s
  AND log_offset >= %(next)s
  AND log_offset <= (SELECT max(log_offset) FROM summed WHERE upto - here < %(rows)s)
ORDER BY log_offset;

-- name: by_id
-- Requests by their ids.
SELECT request_id::text, source, topic, partition, log_offset, received_at, rows, inputs::text,
    coalesce(forgotten, '{}') AS forgotten, coalesce(forgotten_in, '{}') AS forgotten_in
FROM raw.requests WHERE request_id = ANY(%(ids)s::uuid[]);

-- name: forgotten
-- Rows of these requests that were forgotten.
SELECT request_id::text, unnest(forgotten) FROM raw.requests
WHERE request_id = ANY(%(ids)s::uuid[]) AND forgotten IS NOT NULL;

-- name: owners
-- Which of these requests are stored, with their pipeline and number of rows.
SELECT request_id, pipeline, rows FROM raw.requests WHERE request_id = ANY(%(ids)s::uuid[]);

-- name: count_waiting
-- Requests of a pipeline that etl has not passed, stored at or before a moment. `topics`,
-- `partitions`, `nexts` are its progress. Partition by partition, so that only what waits is read
-- (index requests_road), however much lies behind; and no more than `most` of each, since it is
-- asked every second.
SELECT coalesce(sum(unread.waiting), 0)
FROM raw.offsets AS offsets
LEFT JOIN unnest(%(topics)s::text[], %(partitions)s::integer[], %(nexts)s::bigint[])
       AS progress (topic, partition, next_offset)
       ON progress.topic = offsets.topic AND progress.partition = offsets.partition
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting FROM (
        SELECT FROM raw.requests AS request
        WHERE request.pipeline = %(pipeline)s AND request.topic = offsets.topic
          AND request.partition = offsets.partition
          AND request.log_offset >= coalesce(progress.next_offset, 0)
          AND request.stored_at <= coalesce(%(stored_before)s::timestamptz, 'infinity')
        ORDER BY request.log_offset LIMIT %(most)s
    ) AS first
) AS unread;

-- name: latest
-- Inputs of the requests of a pipeline that were stored last, some of each partition.
SELECT request.inputs::text
FROM raw.offsets AS offsets CROSS JOIN LATERAL (
    SELECT inputs, log_offset, received_at FROM raw.requests
    WHERE pipeline = %(pipeline)s AND topic = offsets.topic AND partition = offsets.partition
    ORDER BY log_offset DESC LIMIT %(most)s
) AS request
ORDER BY request.received_at DESC LIMIT %(most)s;
