-- Datasets read labels in the order of (request_id, row), and all that a training needs of them stands in the index: labels come in another
-- order than feature rows, so that each would otherwise cost a page. An entry must fit a third of a page, hence the bound.
ALTER TABLE warehouse.labels ADD CONSTRAINT labels_text_fits CHECK (octet_length(text) <= 2000);
CREATE INDEX labels_read ON warehouse.labels (pipeline, request_id, row) INCLUDE (number, text, valid_from, valid_to);
DROP INDEX warehouse.labels_pipeline;
-- Only vacuum marks pages as visible to all, without which the index alone is not enough; the usual fifth of the table comes too late.
ALTER TABLE warehouse.labels SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- What was refused at the door (a label, with its request and row inside) is kept once, however often it is sent.
DELETE FROM warehouse.quarantine AS later USING warehouse.quarantine AS earlier
WHERE later.digest IS NULL AND earlier.digest IS NULL AND NOT later.payload ? 'import' AND later.id > earlier.id
  AND later.pipeline = earlier.pipeline AND later.column_name = earlier.column_name AND later.payload = earlier.payload;
CREATE UNIQUE INDEX quarantine_refused ON warehouse.quarantine (pipeline, column_name, md5(payload::text))
WHERE digest IS NULL AND NOT payload ? 'import';
