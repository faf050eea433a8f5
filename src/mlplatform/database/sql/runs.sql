-- name: request
-- Record a run that is asked for: no row comes back when this caller's key is known.
INSERT INTO control.runs (id, pipeline, job, reason, caller, key, state)
VALUES (%(id)s, %(pipeline)s, %(job)s, %(reason)s, %(caller)s, %(key)s, 'waiting')
ON CONFLICT (pipeline, caller, key) WHERE key <> '' DO NOTHING
RETURNING *;

-- name: by_key
-- The run that a caller has asked for with a key.
SELECT * FROM control.runs
WHERE pipeline = %(pipeline)s AND caller = %(caller)s AND key = %(key)s AND key <> '';

-- name: submitted
-- The cluster has taken a run.
UPDATE control.runs SET submitted_at = now(), changes = changes + 1
WHERE id = %(id)s AND submitted_at IS NULL;

-- name: of_job
-- The last run of a Job. While this transaction lasts no other takes it.
SELECT * FROM control.runs WHERE pipeline = %(pipeline)s AND job = %(job)s AND job <> ''
ORDER BY requested_at DESC, id DESC LIMIT 1 FOR UPDATE;

-- name: of_holder
-- The run that a holder of the lease has begun, whose answer may have been lost on the way.
SELECT * FROM control.runs
WHERE pipeline = %(pipeline)s AND holder = %(holder)s AND state = 'running'
ORDER BY requested_at DESC, id DESC LIMIT 1 FOR UPDATE;

-- name: begin
-- A run has taken the lease: one that waited goes on, one that nobody asked for is recorded.
INSERT INTO control.runs AS run
    (id, pipeline, job, holder, reason, caller, state, submitted_at, started_at)
VALUES (%(id)s, %(pipeline)s, %(job)s, %(holder)s, %(reason)s, %(caller)s, 'running', now(), now())
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, state = 'running',
    submitted_at = coalesce(run.submitted_at, now()), started_at = coalesce(run.started_at, now()),
    changes = run.changes + 1;

-- name: report
-- What a run reports of itself: no row comes back when a later report came before, or it has ended.
UPDATE control.runs SET report = %(number)s, changes = changes + 1,
    steps = coalesce(%(steps)s::jsonb, steps),
    step = coalesce(%(steps)s::jsonb -> -1 ->> 'step', step),
    verdicts = coalesce(%(verdicts)s::jsonb, verdicts), version = coalesce(%(version)s, version),
    outcome = coalesce(%(outcome)s, outcome), commit = coalesce(%(commit)s, commit),
    gate_digest = coalesce(%(gate_digest)s, gate_digest), receipt = coalesce(%(receipt)s, receipt),
    mlflow_run = coalesce(%(mlflow_run)s, mlflow_run), state = coalesce(%(state)s::text, state),
    exit_code = coalesce(%(exit_code)s::smallint, exit_code),
    failure = coalesce(%(failure)s::jsonb, failure),
    finished_at = CASE WHEN %(state)s::text IS NOT NULL THEN now() END
WHERE id = %(id)s AND report < %(number)s AND finished_at IS NULL
RETURNING *;

-- name: end
-- End a run that can't do so itself: no row comes back when it has ended. One that was cancelled
-- ends as that, whatever is known of it.
UPDATE control.runs SET finished_at = now(), changes = changes + 1,
    state = CASE WHEN cancelled_by <> '' AND %(state)s::text <> 'succeeded' THEN 'cancelled'
        ELSE %(state)s::text END,
    exit_code = CASE WHEN cancelled_by <> '' AND %(state)s::text <> 'succeeded'
        THEN %(cancelled)s::smallint
        ELSE %(exit_code)s::smallint END,
    failure = CASE WHEN cancelled_by <> '' AND %(state)s::text <> 'succeeded'
        THEN jsonb_build_object(
        'kind', 'Cancelled', 'message', 'cancelled by ' || cancelled_by, 'field', '', 'fix', '')
        ELSE %(failure)s::jsonb END,
    key = CASE WHEN %(keep_key)s::boolean THEN key ELSE '' END
WHERE id = %(id)s AND finished_at IS NULL
RETURNING *;

-- name: refused
-- A Job that found the lease held, and whose run nobody had asked for.
INSERT INTO control.runs
    (id, pipeline, job, holder, reason, caller, state, submitted_at, finished_at, exit_code,
    failure)
VALUES (%(id)s, %(pipeline)s, %(job)s, %(holder)s, %(reason)s, %(caller)s, 'failed', now(), now(),
    %(exit_code)s, %(failure)s);

-- name: cancel
-- Note who wants a run to end; the first stays. No row comes back when it has ended.
UPDATE control.runs SET changes = changes + 1,
    cancelled_by = CASE WHEN cancelled_by = '' THEN %(by)s ELSE cancelled_by END
WHERE id = %(id)s AND finished_at IS NULL
RETURNING *;

-- name: find
-- A run by its id, or the last one of a Job.
SELECT * FROM control.runs
WHERE pipeline = %(pipeline)s AND (id = %(run)s OR job = %(run)s AND job <> '')
ORDER BY requested_at DESC, id DESC LIMIT 1;

-- name: list
-- Runs of a pipeline in some states, latest first.
SELECT * FROM control.runs WHERE pipeline = %(pipeline)s
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
ORDER BY requested_at DESC, id DESC LIMIT %(limit)s;

-- name: changes
-- How often runs have changed, and whether they have ended.
SELECT id, changes, finished_at IS NOT NULL FROM control.runs WHERE id = ANY(%(ids)s);

-- name: open
-- Runs that have not ended: whether they hold their lease, and for how many seconds they wait.
SELECT run.*, coalesce(lease.token_expires_at > now(), false) AS holds,
    extract(epoch FROM now() - coalesce(run.submitted_at, run.requested_at))::float AS waited_s
FROM control.runs AS run LEFT JOIN control.leases AS lease ON lease.run = run.id
WHERE run.finished_at IS NULL ORDER BY run.requested_at;

-- name: remove
-- Records past their days.
SELECT items, size FROM control.remove_runs(%(pipeline)s, %(before)s, %(most)s, %(remove)s);
