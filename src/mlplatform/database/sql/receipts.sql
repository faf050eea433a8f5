-- name: add
-- A receipt, written only after its stream was complete and proven.
INSERT INTO control.receipts (id, dataset, receipt) VALUES (%(id)s, %(dataset)s, %(receipt)s);

-- name: find
-- One receipt.
SELECT receipt FROM control.receipts WHERE id = %(id)s;

-- name: forgotten
-- Rows of a version's dataset that were forgotten since, by the ledger's entry.
SELECT entry, rows FROM control.forgotten_reads WHERE receipt_id = %(id)s ORDER BY entry;
