-- etl's progress is per raw server: each has positions of its own.
ALTER TABLE warehouse.progress ADD COLUMN shard text NOT NULL DEFAULT 'raw';
ALTER TABLE warehouse.progress DROP CONSTRAINT progress_pkey, ADD PRIMARY KEY (pipeline, digest, shard, topic, partition);

-- Which raw server holds which part of the queue: from_offset up to the next segment of the partition. Of a partition that has none all lies on the
-- first server. moves: as in raw.offsets of that server.
CREATE TABLE control.segments (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    moves       bigint      NOT NULL,
    from_offset bigint      NOT NULL,
    shard       text        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, moves)
);
