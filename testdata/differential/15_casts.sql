-- Casts, CASE, NULLs.
-- files: differs files have no numeric without a precision and no arrays of it: the columns are not there
SELECT * FROM kinds;
-- files: refused 42703 column "n" does not exist
SELECT id, b, i2, i4, i8, f4, f8, n, n5 FROM kinds;
-- files: differs char(5) is text without its padding
SELECT id, t, v, c, by, u, j, jb FROM kinds;
-- files: refused 42703 column "n" does not exist
SELECT id, i4::text, i8::text, f4::text, f8::text, b::text, n::text, n5::text FROM kinds;
-- files: refused 22000 encountered non-UTF-8 data at index 1: invalid utf-8 sequence of 1 bytes from index 1
SELECT id, d::text, ts::text, tz::text, u::text, by::text, jb::text, ta::text FROM kinds;
SELECT id, i2::int, i4::bigint, i4::float8, i4::numeric, f8::numeric FROM kinds WHERE id IN (1, 4, 6);
-- files: refused 42703 column "n" does not exist
SELECT id, f8::int, n::int, n5::int, f4::numeric(6,2), 2.5::int, -2.5::int, 2.5::float8::int FROM kinds WHERE id IN (1, 4, 6);
SELECT i8::int FROM kinds;
SELECT i4::smallint FROM kinds;
-- files: differs too large a number becomes an infinite real
SELECT f8::real FROM kinds;
SELECT t::int FROM kinds WHERE id = 4;
SELECT v::int FROM kinds WHERE id IN (4, 5);
SELECT v::int FROM kinds;
-- files: differs char(n) is text without its padding
SELECT t::varchar(3), t::char(3), v::varchar(2), c::varchar(2), name::varchar(4) FROM kinds, departments WHERE departments.id = 2;
-- files: differs a decimal is cut to an integer, not rounded
SELECT CAST(name AS text), CAST(id AS numeric(5,1)), CAST(budget AS int), CAST(budget AS double precision) FROM departments;
SELECT '1'::int, '1.5'::numeric, 't'::boolean, 'yes'::boolean, '2024-01-01'::date, '10:00'::time, '1 day'::interval, id FROM departments WHERE id = 1;
SELECT 'abc'::int FROM departments;
SELECT 'maybe'::boolean FROM departments;
SELECT 'abc'::uuid FROM departments;
SELECT 1::boolean, true::int, 'x'::"char", id FROM departments WHERE id = 1;
-- files: differs a text is not read as hexadecimal bytes
SELECT '\x6162'::bytea, 'ab'::bytea, id FROM departments WHERE id = 1;
SELECT id, CASE WHEN salary > 60000 THEN 'high' WHEN salary > 40000 THEN 'middle' ELSE 'low' END FROM people;
SELECT id, CASE region WHEN 'EU' THEN 1 WHEN 'US' THEN 2 END FROM people;
SELECT id, CASE WHEN dept = 0 THEN 1 / (dept - dept) ELSE dept END FROM people;
-- files: differs a numeric and a real give double precision with all binary digits
SELECT id, CASE WHEN active THEN salary ELSE rating END FROM people;
SELECT id, CASE WHEN id > 5 THEN NULL ELSE id END FROM departments;
SELECT sum(CASE WHEN region = 'EU' THEN 1 ELSE 0 END), count(CASE WHEN active THEN 1 END) FROM people;
SELECT id, coalesce(dept, boss, 0), coalesce(email, phone, 'none'), nullif(dept, 3) FROM people;
SELECT id, greatest(salary, 50000), least(born, DATE '1990-01-01'), greatest(NULL, dept) FROM people;
SELECT id, dept IS NULL, dept IS NOT NULL, dept = NULL, NULL IS NULL FROM people;
SELECT NULL, NULL::int, NULL::text, id FROM departments WHERE id = 1;
SELECT num_nulls(dept, boss, email), num_nonnulls(dept, boss) FROM people;
SELECT id, active AND NULL, active OR NULL, NOT active FROM people;
SELECT id FROM people WHERE dept = NULL;
SELECT id FROM people WHERE dept IN (1, NULL);
SELECT id FROM people WHERE dept NOT IN (1, NULL);
SELECT b, NOT b, b = true, b::int, b IS FALSE FROM kinds;
SELECT u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', u < 'b0000000-0000-0000-0000-000000000000' FROM kinds;
-- files: refused 22000 encountered non-UTF-8 data at index 1: invalid utf-8 sequence of 1 bytes from index 1
SELECT by, by = '\xdeadbeef', by || by, length(by) FROM kinds;
-- upstream: refused 0A000 function pg_typeof beside data of a PostgreSQL source is not supported
SELECT pg_typeof(id), id FROM departments WHERE id = 1;
SELECT mood::text, mood = 'calm', mood < 'merry' FROM people;
SELECT zip, zip || '!', upper(zip), part FROM people;
SELECT ssn, ssn::text || '|', length(ssn), email::varchar(5) FROM people WHERE id < 12;
