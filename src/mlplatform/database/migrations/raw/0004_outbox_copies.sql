-- Copies of an outbox are told apart by the run that numbers under its identity; what its disk damaged explains what is missing.
ALTER TABLE raw.outboxes
    ADD COLUMN incarnation uuid,
    ADD COLUMN damaged     jsonb  NOT NULL DEFAULT '[]',  -- ranges: first, last, file, offset
    ADD COLUMN copies      bigint NOT NULL DEFAULT 0;     -- reports of copies that were told to take another identity
