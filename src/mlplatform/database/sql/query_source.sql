-- name: types
-- Name and kind of data types: 'b' base, 'e' enum, 'c' composite, 'r' range, and so on.
SELECT oid, typname, typtype FROM pg_catalog.pg_type WHERE oid = ANY(%(types)s);

-- name: whole
-- The reader is as slow as what it feeds.
SET LOCAL statement_timeout = 0;

-- name: same_start
-- A scan begins at the first block, and not where another one is: the same rows in the same order.
SET LOCAL synchronize_seqscans = off;

-- name: same_order
-- As above: parallel workers hand in their rows in any order.
SET LOCAL max_parallel_workers_per_gather = 0;
