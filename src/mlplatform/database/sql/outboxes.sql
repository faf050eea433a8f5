-- name: lock
-- What an outbox reported, and no other report of it until this transaction ends.
SELECT accepted, incarnation::text FROM raw.outboxes WHERE outbox_id = %(outbox_id)s FOR UPDATE;

-- name: highest
-- The highest of its numbers that is stored, or was until retention removed it.
SELECT greatest(
    (SELECT coalesce(max(sequence), 0) FROM raw.requests WHERE outbox_id = %(outbox_id)s),
    (SELECT coalesce(max(sequence), 0) FROM raw.dead_letters WHERE outbox_id = %(outbox_id)s),
    (SELECT coalesce(max(last), 0) FROM raw.removed_numbers WHERE outbox_id = %(outbox_id)s)
);

-- name: record
-- What an outbox says of itself. Late messages can't take numbers back, and a closed outbox that
-- speaks is open again.
INSERT INTO raw.outboxes AS known (outbox_id, host, accepted, acknowledged, versions, closed,
    incarnation, damaged)
VALUES (%(outbox_id)s, %(host)s, %(accepted)s, %(acknowledged)s, %(versions)s, %(closed)s,
    %(incarnation)s, %(damaged)s)
ON CONFLICT (outbox_id) DO UPDATE
SET host = excluded.host, accepted = greatest(known.accepted, excluded.accepted),
    acknowledged = greatest(known.acknowledged, excluded.acknowledged),
    versions = excluded.versions, closed = excluded.closed,
    incarnation = coalesce(excluded.incarnation, known.incarnation),
    damaged = CASE WHEN excluded.damaged = '[]' THEN known.damaged ELSE excluded.damaged END,
    seen_at = now();

-- name: count_copy
-- An outbox whose identity another one owns has spoken.
UPDATE raw.outboxes SET copies = copies + 1 WHERE outbox_id = %(outbox_id)s;
