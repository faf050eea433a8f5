-- A line of an import that can't be read is quarantined once, however often the import is tried again.
CREATE UNIQUE INDEX quarantine_import_line ON warehouse.quarantine (pipeline, (payload ->> 'import'), ((payload ->> 'record')::bigint))
WHERE digest IS NULL AND payload ? 'import';
