-- name: begin
-- Take the lease of a pipeline for a new run: no row comes back while another holder's lease lasts.
-- The same holder may begin anew: the answer that had its token may have been lost on the way.
INSERT INTO control.leases AS lease
    (pipeline, holder, expires_at, run, caller, token_sha256, token_expires_at, must_end_at)
VALUES (%(pipeline)s, %(holder)s, now() + make_interval(secs => %(ttl_s)s), %(run)s, %(caller)s,
    %(token_sha256)s, now() + make_interval(secs => %(ttl_s)s),
    now() + make_interval(secs => %(longest_s)s))
ON CONFLICT (pipeline) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
    run = excluded.run, caller = excluded.caller, token_sha256 = excluded.token_sha256,
    token_expires_at = excluded.token_expires_at, must_end_at = excluded.must_end_at
WHERE lease.holder = excluded.holder OR lease.expires_at <= now()
RETURNING pipeline, holder, run, expires_at;

-- name: renew
-- Renew a run's lease and its token, not beyond its end: no row comes back when it has ended.
UPDATE control.leases
SET expires_at = least(now() + make_interval(secs => %(ttl_s)s), must_end_at),
    token_expires_at = least(now() + make_interval(secs => %(ttl_s)s), must_end_at)
WHERE pipeline = %(pipeline)s AND run = %(run)s AND token_expires_at > now()
RETURNING pipeline, holder, run, expires_at,
    coalesce((SELECT cancelled_by FROM control.runs WHERE id = run), '') AS cancelled_by;

-- name: find
-- The lease of a pipeline that has not expired.
SELECT pipeline, holder, coalesce(run, '') AS run, expires_at FROM control.leases
WHERE pipeline = %(pipeline)s AND expires_at > now();

-- name: token
-- What a run's token is compared with, also after it has expired.
SELECT pipeline, run, caller, token_sha256, token_expires_at, token_expires_at > now() AS lives
FROM control.leases WHERE run = %(run)s;

-- name: hold
-- Hold a run's lease until the transaction ends: it can't be taken over or given back before.
-- No row comes back when it has ended.
SELECT run FROM control.leases WHERE run = %(run)s AND token_expires_at > now() FOR SHARE;

-- name: release
-- Give the lease back; another holder's lease stays.
DELETE FROM control.leases WHERE pipeline = %(pipeline)s AND holder = %(holder)s;

-- name: end
-- Give a run's lease back, and its token with it.
DELETE FROM control.leases WHERE pipeline = %(pipeline)s AND run = %(run)s;
