-- name: enter
-- One access: who, what, which columns and rows, and how it ended. Returns its number.
INSERT INTO control.ledger (caller, action, subject, columns, rows, lsn, outcome, detail)
VALUES (%(caller)s, %(action)s, %(subject)s, %(columns)s, %(rows)s, %(lsn)s, %(outcome)s,
    %(detail)s)
RETURNING id;

-- name: latest
-- The newest entries, newest first.
SELECT id, at, caller, action, subject, columns, rows, lsn, outcome, detail
FROM control.ledger
WHERE %(subject)s::text IS NULL OR subject = %(subject)s
ORDER BY id DESC
LIMIT %(limit)s;
