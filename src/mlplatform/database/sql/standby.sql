-- name: proof
-- What a session's own server says of itself: role, position, and the stream that feeds it.
-- `written` is the primary's end of WAL as it last told us, or what was received if that is
-- further; a time would grow on an idle primary. Needs pg_monitor for the receiver.
SELECT
    pg_is_in_recovery() AS standby,
    coalesce(host(inet_server_addr()), 'local') || ':' || coalesce(inet_server_port(), 0) AS server,
    coalesce(pg_last_wal_replay_lsn(), '0/0'::pg_lsn)::text AS lsn,
    coalesce(receiver.received_tli, 0) AS timeline,
    coalesce(receiver.status = 'streaming', false) AS streaming,
    greatest(
        greatest(receiver.latest_end_lsn, pg_last_wal_receive_lsn()) - pg_last_wal_replay_lsn(), 0
    )::bigint AS lag_bytes
FROM (SELECT 1) AS one
LEFT JOIN pg_stat_wal_receiver AS receiver ON true;

-- name: still_standby
-- Promotion is one way while a server runs: a session that is in recovery at its end was so at
-- every moment before.
SELECT pg_is_in_recovery();
