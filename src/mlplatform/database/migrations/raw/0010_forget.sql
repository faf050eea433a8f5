-- Rows of a request whose values were removed because a person is to be forgotten, and for each of them the entry of the ledger that says why.
-- Metadata only: no row is written anew.
ALTER TABLE raw.requests
    ADD COLUMN forgotten    integer[],
    ADD COLUMN forgotten_in bigint[];

-- A dead letter that was forgotten has no payload any more, but still what links it in the chain of its outbox.
ALTER TABLE raw.dead_letters
    ADD COLUMN forgotten_in bigint,
    ADD COLUMN digest       bytea,
    ADD COLUMN chain        bytea,
    ADD COLUMN begins       text;

-- Columns (name -> list, one item a row) with null in the place of some rows; all other values stay as they are written. NUL, which is valid in
-- a JSON text but not in one of PostgreSQL's, becomes its symbol.
CREATE FUNCTION raw.without_rows(columns json, gone integer[]) RETURNS json
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog AS $$
    SELECT coalesce(json_object_agg(item.key, CASE WHEN json_typeof(item.value) = 'array' THEN coalesce((
        SELECT json_agg(CASE WHEN cells.n - 1 = ANY(gone) THEN NULL ELSE cells.cell END ORDER BY cells.n)
        FROM json_array_elements(item.value) WITH ORDINALITY AS cells (cell, n)
    ), '[]') END ORDER BY item.place), '{}')
    FROM json_each(regexp_replace(columns::text, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\u2400', 'g')::json) WITH ORDINALITY AS item (key, value, place)
$$;

-- Remove the values of some rows of a request, and with them the salt, without which its digest proves nothing and gives nothing away: a few values
-- could be guessed from it. Numbers, digest and chain stay. Of a request none of whose rows is left the client's id goes as well. Returns how many
-- rows were not forgotten before.
CREATE FUNCTION raw.forget_rows(which text, id uuid, gone integer[], entry bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    request record;
    fresh   integer[];
BEGIN
    SELECT rows, inputs, outputs, coalesce(forgotten, '{}') AS forgotten INTO request FROM raw.requests AS stored
    WHERE stored.request_id = id AND stored.pipeline = which FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    fresh := ARRAY(SELECT DISTINCT n FROM unnest(gone) AS n WHERE n >= 0 AND n < request.rows AND n <> ALL(request.forgotten) ORDER BY n);
    IF cardinality(fresh) = 0 THEN
        RETURN 0;
    END IF;
    UPDATE raw.requests AS stored SET
        salt = NULL, form = NULL, forgotten = request.forgotten || fresh,
        forgotten_in = coalesce(stored.forgotten_in, '{}') || array_fill(entry, ARRAY[cardinality(fresh)])
    WHERE stored.request_id = id;
    IF cardinality(request.forgotten) + cardinality(fresh) = request.rows THEN
        UPDATE raw.requests AS stored SET inputs = '{}', outputs = NULL, client_id = NULL WHERE stored.request_id = id;
    ELSE
        UPDATE raw.requests AS stored SET inputs = raw.without_rows(request.inputs, fresh), outputs = raw.without_rows(request.outputs, fresh)
        WHERE stored.request_id = id;
    END IF;
    RETURN cardinality(fresh);
END
$$;

-- The field of the proof that a record shows (contracts/request.py: base64); null where it can't be read.
CREATE FUNCTION raw.proof_of(payload bytea, field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN regexp_replace(convert_from(payload, 'UTF8'), '(?<!\\)((?:\\\\)*)\\u0000', '\1\\u2400', 'g')::json -> 'proof' ->> field;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

-- Remove the payload of dead letters, and the reasons, which may quote it. They stay, with their numbers; those that never became rows are given up.
CREATE FUNCTION raw.forget_letters(which bigint[], entry bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        UPDATE raw.dead_letters AS letter SET
            payload = '', reason = 'forgotten', forgotten_in = entry,
            digest = decode(raw.proof_of(letter.payload, 'digest'), 'base64'), chain = decode(raw.proof_of(letter.payload, 'chain'), 'base64'),
            begins = nullif(raw.proof_of(letter.payload, 'begins'), ''),
            dropped_at = CASE WHEN resolved_at IS NULL THEN coalesce(dropped_at, now()) ELSE dropped_at END,
            dropped_by = CASE WHEN resolved_at IS NULL THEN coalesce(dropped_by, 'forget') ELSE dropped_by END,
            dropped_why = CASE WHEN resolved_at IS NULL THEN coalesce(dropped_why, 'forgotten: entry ' || entry || ' of the ledger') ELSE dropped_why END
        WHERE id = ANY(which) AND forgotten_in IS NULL RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

REVOKE EXECUTE ON FUNCTION raw.without_rows(json, integer[]), raw.forget_rows(text, uuid, integer[], bigint), raw.proof_of(bytea, text),
    raw.forget_letters(bigint[], bigint) FROM PUBLIC;
