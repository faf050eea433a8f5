-- name: block_counts
-- How many numbers of each block of these outboxes are rows or dead letters on this server, and
-- their sum: of the numbers above those that are known to be on some server. Letters that another
-- server has count there.
WITH wanted AS (
    SELECT * FROM unnest(%(outboxes)s::uuid[], %(above)s::bigint[]) AS wanted (outbox_id, above)
)
SELECT outbox_id::text, block, sum(numbers)::bigint, sum(total)::bigint FROM (
    SELECT outbox_id, sequence / %(block)s AS block, count(DISTINCT sequence) AS numbers,
        sum(DISTINCT sequence) AS total
    FROM wanted JOIN raw.requests USING (outbox_id) WHERE sequence > above
    GROUP BY outbox_id, block
    UNION ALL
    SELECT outbox_id, sequence / %(block)s, count(DISTINCT sequence), sum(DISTINCT sequence)
    FROM wanted JOIN raw.dead_letters AS letter USING (outbox_id)
    WHERE sequence > above AND elsewhere IS FALSE AND NOT EXISTS (
        SELECT FROM raw.requests AS request
        WHERE request.outbox_id = letter.outbox_id AND request.sequence = letter.sequence
    ) GROUP BY 1, 2
) AS counted GROUP BY outbox_id, block;

-- name: removed
-- Ranges of their numbers that retention has removed here.
SELECT outbox_id::text, first, last FROM raw.removed_numbers
WHERE outbox_id = ANY(%(outboxes)s::uuid[]);

-- name: numbers
-- The numbers of a block that are rows or dead letters here.
SELECT sequence FROM raw.requests
WHERE outbox_id = %(outbox)s::uuid AND sequence BETWEEN %(first)s AND %(last)s
UNION
SELECT sequence FROM raw.dead_letters
WHERE outbox_id = %(outbox)s::uuid AND sequence BETWEEN %(first)s AND %(last)s
  AND elsewhere IS FALSE;

-- name: stored_at
-- When a number was stored here.
SELECT least(
    (SELECT min(stored_at) FROM raw.requests
        WHERE outbox_id = %(outbox)s::uuid AND sequence = %(number)s),
    (SELECT min(at) FROM raw.dead_letters
        WHERE outbox_id = %(outbox)s::uuid AND sequence = %(number)s),
    (SELECT min(since) FROM raw.removed_numbers
        WHERE outbox_id = %(outbox)s::uuid AND %(number)s BETWEEN first AND last)
);
