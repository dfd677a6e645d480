-- What is planted beside the demo's data in the upstream. Whatever a user may not see holds the word Canary, or a number
-- that begins with 7700770; names of things do not, for an error may say a name that the user has said.

-- Hidden rows of what the catalog knows.
INSERT INTO data.people SELECT 900000 + n, 'initech', 'Canary Person ' || n, 'canary' || n || '@canary.example',
    'Canary-ssn-' || n, 'Canary-phone-' || n, '1907-07-07', 7700770 + n, 'APAC', 'CanaryDept', 'XC', 'Canary note ' || n,
    '1977-07-07 07:07:07' FROM generate_series(1, 3) AS n;
INSERT INTO data.people SELECT 900010, 'initech', 'Canary Nowhere', 'not an address', '0', 'x', NULL, 0, NULL, NULL, NULL, 'Canary', NULL;
INSERT INTO data.events VALUES (900001, 900001, 'initech', 'CanaryKind', 'Canary at', 7700770.5), (900002, NULL, NULL, 'CanaryKind', '', 0);
INSERT INTO data.payroll SELECT 900001, '2025-10-01', 'CanaryDept', 7700770.07, 7700770.08, 'Canary-iban';
INSERT INTO data.investigations (id, person_id, status, subject, findings) VALUES (900001, 1, 'Canary status', 'Canary subject', 'Canary findings');

-- A table by partitions: a child of its own may be named, and has rows that the parent hides.
ALTER TABLE data.tickets RENAME TO tickets_of_all;
CREATE TABLE data.tickets (LIKE data.tickets_of_all) PARTITION BY LIST (tenant_id);
CREATE TABLE data.tickets_acme PARTITION OF data.tickets FOR VALUES IN ('acme');
CREATE TABLE data.tickets_other PARTITION OF data.tickets DEFAULT;
INSERT INTO data.tickets SELECT * FROM data.tickets_of_all;
INSERT INTO data.tickets (id, tenant_id, person_id, subject, body, status) VALUES (900001, 'initech', 1, 'Canary ticket subject', 'Canary body', 'Canary');
-- A child by inheritance, with a column more than its parent.
CREATE TABLE data.events_of_old (verdict text DEFAULT 'Canary verdict') INHERITS (data.events);
INSERT INTO data.events_of_old VALUES (900003, 900001, 'initech', 'CanaryKind', 'Canary at', 1);

-- Every kind of column. 1 to 6 are of the EU, 11 to 16 of the US; the others are hidden, and expressions fail on them.
CREATE TYPE data.mood AS ENUM ('calm', 'cross', 'Canary label');
CREATE TYPE data.pair AS (a int, b text);
CREATE DOMAIN data.zip AS text CHECK (length(VALUE) < 40);
CREATE TABLE data.kit (
    id bigint PRIMARY KEY, region text, secret text, pin text, word text, n int, num numeric, f float8, ip inet, net cidr, r int4range,
    tr tstzrange, mr int4multirange, pt point, bx box, pa path, pg polygon, ci circle, tv tsvector, j jsonb, js json, arr int[],
    ws text[], m money, b bytea, bits bit(8), vb varbit, iv interval, u uuid, mac macaddr, lsn pg_lsn, e data.mood, z data.zip,
    c char(12), nm name, d date, ts timestamptz, q tsquery, jp jsonpath, t time);
INSERT INTO data.kit SELECT n, CASE WHEN n < 10 THEN 'EU' ELSE 'US' END, 'Canary secret ' || n, '7700770' || n, 'w' || n, n, n + 0.5,
    n / 4.0, ('10.0.0.' || n)::inet, '10.0.0.0/8', int4range(n::int, n::int + 5), tstzrange('2022-01-01Z', '2023-01-01Z'), int4multirange(int4range(1, n::int + 1)),
    point(n, 1), box(point(0, 0), point(n, n)), path '((0,0),(1,1))', polygon '((0,0),(1,1),(1,0))', circle(point(0, 0), n),
    to_tsvector('simple', 'plain word' || n), jsonb_build_object('k', n, 'l', jsonb_build_array(1, 2)), '{"k": 1}', ARRAY[n, 2], ARRAY['x', 'y'],
    n::int::money, '\x0102', B'00000001', B'101', n * INTERVAL '1 day', gen_random_uuid(), '08:00:2b:01:02:03', '0/1', 'calm', 'z' || n, 'c', 'nm',
    DATE '2022-01-01' + n::int, TIMESTAMPTZ '2022-01-01Z', 'plain', '$.k', '12:00'
    FROM generate_series(1, 16) AS n WHERE n NOT BETWEEN 7 AND 10;
INSERT INTO data.kit SELECT 100 + n, CASE WHEN n < 40 THEN 'APAC' END, 'Canary secret ' || n, '7700770' || n, 'Canary word ' || n, 0, -7700770, -7700770,
    '77.0.77.0', '77.0.77.0/32', 'empty', 'empty', '{}', point(7700770, 7700770), box(point(7700770, 7700770), point(7700770, 7700770)), path '[(7700770,0)]', polygon '((7700770,0))',
    circle(point(7700770, 0), 0), to_tsvector('simple', 'Canary vector' || n), '{"Canary key": "Canary value", "k": "Canary k"}', '{"Canary key": 7700770}', '{}', ARRAY['Canary array'],
    -7700770, 'Canary bytes', B'00000000', B'', '-7700770 days', '77007700-0000-0000-0000-000000000000', '77:00:77:00:77:00', '7700770/0', 'Canary label', 'Canary zip', 'Canary char',
    'Canary name', '-infinity', 'infinity', 'canary', '$."Canary path"', '07:07:07' FROM generate_series(1, 60) AS n;
-- Views over what is governed. The first speaks of each row that it is asked for.
CREATE FUNCTION data.say(id bigint, word text) RETURNS text LANGUAGE plpgsql COST 1 SECURITY DEFINER AS $$
    BEGIN
        RAISE NOTICE 'Canary notice of %', word;
        RAISE WARNING 'Canary warning of %', word;
        IF id > 100 THEN RAISE EXCEPTION 'Canary exception %', word USING DETAIL = 'Canary detail', HINT = 'Canary hint', TABLE = 'Canary table', COLUMN = 'Canary column'; END IF;
        RETURN 'said ' || id;
    END $$;
CREATE VIEW data.chatty AS SELECT id, region, data.say(id, word) AS said, 1 / n AS part FROM data.kit;
CREATE VIEW data.strict WITH (security_barrier) AS SELECT id, region, word, n FROM data.kit;

-- What no catalog knows.
CREATE TABLE data.secrets (id int PRIMARY KEY, word text, "Canary column" text);
INSERT INTO data.secrets VALUES (1, 'Canary uncatalogued', 'Canary value');
CREATE VIEW data.secrets_view AS SELECT * FROM data.secrets;
CREATE VIEW data.people_view AS SELECT * FROM data.people;
CREATE MATERIALIZED VIEW data.people_stored AS SELECT * FROM data.people;
CREATE UNLOGGED TABLE public.secrets AS SELECT * FROM data.secrets;
CREATE TABLE public.people AS SELECT 'Canary public' AS name;
CREATE SEQUENCE data.counter START 7700770;
SELECT nextval('data.counter');
CREATE FUNCTION data.leak() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT word FROM data.secrets $$;
CREATE FUNCTION public.leak() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS $$ SELECT word FROM data.secrets $$;
COMMENT ON TABLE data.people IS 'Canary comment';
COMMENT ON COLUMN data.people.ssn IS 'Canary comment';
COMMENT ON TABLE data.secrets IS 'Canary comment';
COMMENT ON DATABASE postgres IS 'Canary comment';
SELECT lo_from_bytea(7700, 'Canary large object');
CREATE EXTENSION dblink SCHEMA public;
-- A dictionary, and a search that uses it.
CREATE TEXT SEARCH DICTIONARY data.words (TEMPLATE = synonym, SYNONYMS = 'synonym_sample');
CREATE TEXT SEARCH CONFIGURATION data.finder (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION data.finder ALTER MAPPING FOR asciiword WITH data.words;
CREATE COLLATION data.folded (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);

-- Functions and operators that would be found by their arguments, were a name or a symbol not of pg_catalog.
CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'Canary hijack' $$;
CREATE FUNCTION public.starts_with(text, varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'Canary hijack' $$;
CREATE FUNCTION public.host(text) RETURNS text LANGUAGE sql AS $$ SELECT 'Canary hijack' $$;
CREATE FUNCTION public.add(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'Canary hijack' $$;
CREATE OPERATOR public.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.add);
CREATE FUNCTION public.add(varchar, varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'Canary hijack' $$;
CREATE OPERATOR public.|| (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.add);

-- The gateway's user may do all that can be granted: only the gateway stands between a user and the rest.
GRANT USAGE, CREATE ON SCHEMA data, public TO scram;
GRANT ALL ON ALL TABLES IN SCHEMA data, public TO scram;
GRANT ALL ON ALL SEQUENCES IN SCHEMA data, public TO scram;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA data, public TO scram;
GRANT ALL ON LARGE OBJECT 7700 TO scram;
GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_read_server_files, pg_write_server_files, pg_execute_server_program TO scram;
ANALYZE;
