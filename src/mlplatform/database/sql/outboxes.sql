-- name: record
-- What an outbox says of itself. Late messages can't take numbers back, and a closed outbox that
-- speaks is open again.
INSERT INTO raw.outboxes AS known (outbox_id, host, accepted, acknowledged, versions, closed)
VALUES (%(outbox_id)s, %(host)s, %(accepted)s, %(acknowledged)s, %(versions)s, %(closed)s)
ON CONFLICT (outbox_id) DO UPDATE
SET host = excluded.host, accepted = greatest(known.accepted, excluded.accepted),
    acknowledged = greatest(known.acknowledged, excluded.acknowledged),
    versions = excluded.versions, closed = excluded.closed,
    seen_at = now();
