-- Entries of raw.setbacks that a cursor has been set back for.
ALTER TABLE warehouse.progress ADD COLUMN setbacks bigint NOT NULL DEFAULT 0;
