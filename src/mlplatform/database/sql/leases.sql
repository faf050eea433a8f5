-- name: take
-- Take or renew the lease of a pipeline: no row comes back while another holder's lease lasts.
INSERT INTO control.leases AS lease (pipeline, holder, expires_at)
VALUES (%(pipeline)s, %(holder)s, now() + make_interval(secs => %(ttl_s)s))
ON CONFLICT (pipeline) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE lease.holder = excluded.holder OR lease.expires_at <= now()
RETURNING pipeline, holder, expires_at;

-- name: find
-- The lease of a pipeline that has not expired.
SELECT pipeline, holder, expires_at FROM control.leases WHERE pipeline = %(pipeline)s
    AND expires_at > now();

-- name: release
-- Give the lease back; another holder's lease stays.
DELETE FROM control.leases WHERE pipeline = %(pipeline)s AND holder = %(holder)s;
