-- name: next_mark
-- The next mark. It locks the counter until commit, so it is taken late; and before reading rows
-- that another writer may have added.
SELECT warehouse.next_mark();

-- name: closed
-- The newest closed mark.
SELECT value FROM warehouse.mark;

-- name: closed_raw
-- The newest closed mark of raw requests.
SELECT value FROM raw.mark;
