-- The embedded queue. Offsets grow by one per partition from 0.
CREATE TABLE IF NOT EXISTS topics (
    topic       TEXT    PRIMARY KEY,
    partitions  INTEGER NOT NULL,
    retention_s INTEGER NOT NULL
) WITHOUT ROWID;

-- The topic's own id: one that was made anew has another, whatever its name.
CREATE TABLE IF NOT EXISTS identities (
    topic TEXT PRIMARY KEY,
    id    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS heads (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    first_kept  INTEGER NOT NULL DEFAULT 0,  -- oldest offset that was not cleaned up
    next_offset INTEGER NOT NULL DEFAULT 0,  -- of the next record
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS messages (
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    key       BLOB    NOT NULL,
    value     BLOB    NOT NULL,
    at        REAL    NOT NULL,              -- seconds since the epoch
    PRIMARY KEY (topic, partition, offset)
);

CREATE TABLE IF NOT EXISTS members (
    topic      TEXT NOT NULL,
    team       TEXT NOT NULL,                -- consumer group
    member     TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (topic, team, member)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS leases (
    topic     TEXT    NOT NULL,
    team      TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    member    TEXT    NOT NULL,              -- a lease ends with its member
    PRIMARY KEY (topic, team, partition)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS committed (
    topic       TEXT    NOT NULL,
    team        TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, team, partition)
) WITHOUT ROWID;
