-- What proves a row (contracts/chain.py). Null for imports, and for what an earlier version of serving has sent. Metadata only: no row is
-- written anew.
ALTER TABLE raw.requests
    ADD COLUMN form   text,   -- how the body that was sent is made of `inputs` (contracts/request_form.py)
    ADD COLUMN salt   bytea,
    ADD COLUMN digest bytea,
    ADD COLUMN chain  bytea,
    ADD COLUMN begins text;   -- why the chain of the outbox begins anew with this row; null: it does not
