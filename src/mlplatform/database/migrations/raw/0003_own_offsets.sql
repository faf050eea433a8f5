-- The consumer and the data API write offsets of different roads, and neither has business with the other's: a queue's offset set back or
-- forward would store records again or leave them out.
ALTER TABLE raw.offsets ENABLE ROW LEVEL SECURITY;
CREATE POLICY offsets_are_seen ON raw.offsets FOR SELECT USING (true);
CREATE POLICY offsets_of_the_queue ON raw.offsets TO mlplatform_consumer
    USING (topic NOT LIKE 'import:%') WITH CHECK (topic NOT LIKE 'import:%');
CREATE POLICY offsets_of_imports ON raw.offsets TO mlplatform_dataapi
    USING (topic LIKE 'import:%') WITH CHECK (topic LIKE 'import:%');

-- Transaction ids begin anew in a server that was filled from a dump. A batch under an id that has its mark already would be taken for the old
-- one, and datasets as of that mark would change: such a transaction is refused, and its writer tries again under the next id.
CREATE OR REPLACE FUNCTION raw.open_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    mine bigint := pg_current_xact_id()::text::bigint;
BEGIN
    INSERT INTO raw.batches (xact) VALUES (mine) ON CONFLICT DO NOTHING;
    IF NOT FOUND AND EXISTS (SELECT FROM raw.batches WHERE xact = mine AND mark IS NOT NULL) THEN
        RAISE EXCEPTION 'transaction id % was used before this database was restored', mine USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END
$$;
