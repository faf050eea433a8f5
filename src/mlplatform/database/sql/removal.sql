-- name: pipelines
-- Pipelines that have requests.
SELECT raw.pipelines();

-- name: past_requests
-- What may go of each pipeline: requests, rows, bytes.
SELECT pipeline, count(*), sum(rows)::bigint, sum(size)::bigint
FROM raw.past_requests(%(lines)s) GROUP BY pipeline ORDER BY pipeline;

-- name: past_partitions
-- Partitions all of whose rows may go.
SELECT name FROM raw.past_partitions(%(lines)s);

-- name: least_kept
-- Below which request id nothing of a pipeline is left, or will be.
SELECT raw.least_kept(%(pipeline)s, %(before)s, %(lines)s)::text;

-- name: remove_requests
-- Remove some of what may go.
SELECT pipeline, requests, rows, size
FROM raw.remove_requests(%(lines)s, %(settled)s, %(most)s);

-- name: remove_partition
-- Remove a partition.
SELECT pipeline, requests, rows, size
FROM raw.remove_partition(%(partition)s, %(lines)s, %(settled)s);

-- name: tidy
-- Join what was noted of removed numbers.
SELECT raw.tidy_removed();

-- name: broken_windows
-- Windows of an outbox's numbers in which there are several ranges.
SELECT outbox_id::text, first / %(window)s FROM raw.removed_numbers
GROUP BY outbox_id, first / %(window)s HAVING count(*) > 1;

-- name: ranges_in
-- Ranges of an outbox that reach into a window.
SELECT first, last FROM raw.removed_numbers
WHERE outbox_id = %(outbox)s::uuid AND first < %(high)s AND last >= %(low)s;

-- name: join_removed
-- Join ranges of a window over what was removed on other servers.
SELECT raw.join_removed(
    %(outbox)s::uuid, %(low)s, %(high)s, %(firsts)s::bigint[], %(lasts)s::bigint[]
);

-- name: past_dead_letters
-- How many dead letters may go, and their bytes.
SELECT count(*), coalesce(sum(pg_column_size(payload)::bigint + 136), 0)::bigint
FROM raw.dead_letters WHERE at < %(before)s;

-- name: remove_dead_letters
-- Remove some of them.
SELECT items, size FROM raw.remove_dead_letters(%(before)s, %(most)s);

-- name: past_imports
-- How many keys of imports may go, and their bytes.
SELECT count(*), coalesce(sum(pg_column_size(ROW(import.*))), 0)::bigint FROM raw.imports AS import
WHERE pipeline = %(pipeline)s AND updated_at < %(before)s;

-- name: remove_imports
-- Remove some of them.
SELECT items, size FROM raw.remove_imports(%(pipeline)s, %(before)s, %(most)s);
