-- Imports through the data API, by the key of the sender: written in the transaction of the rows, so that an import that is sent again goes on
-- exactly where it ended, and one that had ended gets its old answer.
CREATE TABLE raw.imports (
    pipeline    text        NOT NULL,
    key         text        NOT NULL,
    caller      text        NOT NULL,
    body_sha256 text        NOT NULL,  -- the same key with another body is a mistake and refused
    records     bigint      NOT NULL DEFAULT 0,  -- of the body, from its beginning: stored or quarantined
    accepted    bigint      NOT NULL DEFAULT 0,
    quarantined bigint      NOT NULL DEFAULT 0,
    reasons     jsonb       NOT NULL DEFAULT '[]',  -- the first few
    last_offset bigint,
    finished    boolean     NOT NULL DEFAULT false,
    started_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, key)
);
