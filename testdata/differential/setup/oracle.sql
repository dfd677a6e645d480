-- The oracle: what the policies mean, said natively. A schema for each user with a security-barrier view where there are
-- masks or filters over masked tables; row-level security on orders and items, which have no masks. Texts that masks make
-- are of type text, whatever the length of the column: a hash of a varchar(8) does not fit into it.
-- INNER and OUTER are the padded key blocks of the workspace's key.
CREATE FUNCTION data.keyed(message bytea) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT sha256('OUTER'::bytea || sha256('INNER'::bytea || message)) $$;
CREATE FUNCTION data.hashed(word text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT left(encode(data.keyed(convert_to(word, 'UTF8')), 'hex'), 32) $$;
CREATE FUNCTION data.hashed_number(word bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT ('x' || left(data.hashed(word::text), 16))::bit(64)::bigint & 9223372036854775807 $$;
CREATE FUNCTION data.address(word text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT CASE WHEN word ~ '^.+@[^@]+$' THEN left(word, 1) || '***@' || substring(word FROM '[^@]*$') ELSE data.hashed(word) END $$;
CREATE FUNCTION data.last(word text, n int) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT CASE WHEN char_length(word) > n THEN '***' || right(word, n) ELSE '***' END $$;

CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE dana;
CREATE SCHEMA alice; CREATE SCHEMA bob; CREATE SCHEMA dana;

CREATE VIEW alice.people WITH (security_barrier) AS
    SELECT id, name, data.address(email) AS email, data.last(ssn::text, 4) AS ssn, phone, region, dept,
        (round(salary / 1000) * 1000)::numeric(10,2) AS salary, rating, score, date_trunc('year', born)::date AS born, created, active,
        CASE WHEN notes IS NOT NULL THEN '***' END AS notes, uid, mood, tags, marks, extra, zip, part, boss, code, ratio
    FROM data.people WHERE region = 'EU';
CREATE VIEW bob.people WITH (security_barrier) AS
    SELECT id, CASE WHEN char_length(name) > 3 THEN left(name, 2) || '…' || right(name, 1) ELSE '…' END AS name, email, ssn,
        data.hashed(phone) AS phone, region, dept, least(salary, 60000)::numeric(10,2) AS salary, rating, score, born,
        date_trunc('month', created, 'UTC') AS created, active, uid, mood, tags, marks, extra, zip, part, boss,
        data.keyed(code) AS code, ratio
    FROM data.people WHERE region IN ('US', 'APAC') OR region IS NULL;
CREATE VIEW dana.people WITH (security_barrier) AS
    SELECT id, name, email, ssn, phone, region, dept,
        (CASE WHEN salary >= 80000 THEN 80000 WHEN salary >= 50000 THEN 50000 WHEN salary >= 0 THEN 0 END)::numeric(10,2) AS salary,
        rating, score, born, created, active, left(notes, 6) AS notes, NULL::uuid AS uid, mood, tags, marks, extra, zip, part,
        data.hashed_number(boss) AS boss, code, ratio
    FROM data.people WHERE active;

ALTER TABLE data.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_alice ON data.orders TO alice USING (person IN (SELECT p.id FROM data.people p WHERE p.region = 'EU'));
CREATE POLICY of_bob ON data.orders TO bob USING (true);
CREATE POLICY of_dana ON data.orders TO dana USING (amount < 500);
ALTER TABLE data.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_alice ON data.items TO alice USING (true);
CREATE POLICY of_bob ON data.items TO bob USING (product <> 'drill');
CREATE POLICY of_dana ON data.items TO dana USING (true);

CREATE VIEW alice.events WITH (security_barrier) AS SELECT * FROM data.events;
CREATE VIEW bob.events WITH (security_barrier) AS SELECT * FROM data.events WHERE kind <> 'leave';
CREATE VIEW dana.events WITH (security_barrier) AS
    SELECT id, person, kind, date_trunc('day', at, 'UTC') AS at, payload, took, amount FROM data.events;
CREATE VIEW alice.order_totals WITH (security_barrier) AS SELECT * FROM data.order_totals;
CREATE VIEW bob.order_totals WITH (security_barrier) AS SELECT * FROM data.order_totals WHERE total > 100;
CREATE VIEW dana.order_totals WITH (security_barrier) AS SELECT * FROM data.order_totals;
CREATE VIEW alice.places WITH (security_barrier) AS SELECT * FROM data.places;
CREATE VIEW bob.places WITH (security_barrier) AS SELECT * FROM data.places WHERE pop > 20000;
CREATE VIEW dana.places WITH (security_barrier) AS SELECT * FROM data.places;
CREATE VIEW alice.kinds WITH (security_barrier) AS SELECT * FROM data.kinds;
CREATE VIEW bob.kinds WITH (security_barrier) AS
    SELECT id, b, i2, i4, i8, f4, f8, n, n5, t, v, c, by, date_trunc('month', d)::date AS d, ts, tz, u, j, jb, ta, na FROM data.kinds WHERE id <> 3;
CREATE VIEW dana.kinds WITH (security_barrier) AS SELECT * FROM data.kinds;

GRANT USAGE ON SCHEMA data, alice, bob, dana TO alice, bob, dana;
GRANT SELECT ON ALL TABLES IN SCHEMA alice TO alice;
GRANT SELECT ON ALL TABLES IN SCHEMA bob TO bob;
GRANT SELECT ON ALL TABLES IN SCHEMA dana TO dana;
GRANT SELECT ON data.orders, data.items, data.departments, data.spans TO alice, bob, dana;
GRANT SELECT ON data.people TO alice;
