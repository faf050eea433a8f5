-- A run's token is given with the lease, for its pipeline and run alone, and dies with it.
-- It has an end of its own beside the lease's: a data API of the earlier version, which knows no
-- tokens, extends only the lease when another run takes it over, and must not revive the former
-- run's token with that. A run can renew both until must_end_at at most.
ALTER TABLE control.leases
    ADD COLUMN run              text,
    ADD COLUMN caller           text,
    ADD COLUMN token_sha256     text,
    ADD COLUMN token_expires_at timestamptz,
    ADD COLUMN must_end_at      timestamptz;
