-- One index for what two did: a label is added once under a mark, and datasets read labels in the order of (request_id, row) out of the index
-- alone. Each entry of the other one cost 50 bytes a label and a write.
ALTER TABLE warehouse.labels DROP CONSTRAINT labels_pkey;
DROP INDEX warehouse.labels_read;
ALTER TABLE warehouse.labels ADD CONSTRAINT labels_read
    PRIMARY KEY (pipeline, request_id, row, valid_from) INCLUDE (number, text, valid_to);
