-- name: add
-- A receipt, written only after its stream was complete and proven.
INSERT INTO control.receipts (id, dataset, receipt) VALUES (%(id)s, %(dataset)s, %(receipt)s);

-- name: find
-- One receipt.
SELECT receipt FROM control.receipts WHERE id = %(id)s;
