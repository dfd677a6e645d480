-- The data of the differential suite: the same in the upstream, in the oracle, and (but for types that files do not have)
-- in Parquet and CSV. Every value is worked out from a counter, so that each run has the same.
CREATE SCHEMA data;
CREATE TYPE data.mood AS ENUM ('calm', 'cross', 'merry');
CREATE DOMAIN data.zip AS varchar(10) CHECK (VALUE ~ '^[0-9A-Z-]*$');
CREATE DOMAIN data.share AS numeric(5,4);

CREATE TABLE data.departments (id int PRIMARY KEY, name varchar(30), budget numeric(14,2), parent int);
INSERT INTO data.departments VALUES
    (1, 'Board', 1000000.00, NULL), (2, 'Sales', 250000.50, 1), (3, 'Sales EU', 90000.25, 2), (4, 'Sales US', 110000.00, 2),
    (5, 'Engineering', 400000.00, 1), (6, 'Platform', 150000.75, 5), (7, 'Databases', NULL, 6), (8, 'HR', 0, 1);

CREATE TABLE data.people (
    id bigint PRIMARY KEY, name text NOT NULL, email varchar(60), ssn char(11), phone text, region varchar(8), dept int,
    salary numeric(10,2), rating real, score double precision, born date, created timestamptz, active boolean, notes text,
    uid uuid, mood data.mood, tags text[], marks int[], extra jsonb, zip data.zip, part data.share, boss bigint, code bytea,
    ratio numeric);
INSERT INTO data.people
SELECT n,
    (ARRAY['Ana', 'Béla', 'Chloë', 'Dov', 'Eve', 'Fynn O''Hara', 'Gül', '日向'])[1 + n % 8] || ' ' || chr(65 + n % 26) || n,
    CASE WHEN n % 11 = 0 THEN NULL WHEN n % 13 = 0 THEN 'no address' ELSE lower(chr(97 + n % 26)) || n || '@mail' || n % 3 || '.example' END,
    CASE WHEN n % 9 = 0 THEN NULL ELSE lpad((n * 7 % 1000)::text, 3, '0') || '-' || lpad((n % 100)::text, 2, '0') || '-' || lpad((n * 37 % 10000)::text, 4, '0') END,
    CASE WHEN n % 7 = 0 THEN NULL ELSE '+' || (40 + n % 10) || ' ' || n * 1009 % 100000 END,
    CASE WHEN n % 17 = 0 THEN NULL ELSE (ARRAY['EU', 'US', 'APAC', 'EU'])[1 + n % 4] END,
    CASE WHEN n % 10 = 0 THEN NULL ELSE 1 + n % 8 END,
    CASE WHEN n % 12 = 0 THEN NULL ELSE 30000 + n * 1234.5 % 70000 END,
    CASE WHEN n % 15 = 0 THEN NULL ELSE (n % 50) / 10.0 END,
    n * 1.5 - 20,
    DATE '1950-01-31' + n * 211,
    TIMESTAMPTZ '2019-12-31 22:30:00+00' + n * INTERVAL '9 days 5 hours 7 minutes 1.25 seconds',
    CASE WHEN n % 14 = 0 THEN NULL ELSE n % 3 <> 0 END,
    CASE WHEN n % 4 = 0 THEN NULL ELSE 'note ' || n || CASE WHEN n % 5 = 0 THEN ' urgent' ELSE '' END END,
    md5(n::text)::uuid,
    CASE WHEN n % 8 = 0 THEN NULL ELSE (ARRAY['calm', 'cross', 'merry'])[1 + n % 3]::data.mood END,
    CASE WHEN n % 6 = 0 THEN NULL WHEN n % 6 = 1 THEN '{}' ELSE ARRAY['t' || n % 4, 'u' || n % 3, 'two words'] END,
    CASE WHEN n % 5 = 0 THEN NULL ELSE ARRAY[n % 7, n % 3, n % 11] END,
    CASE WHEN n % 4 = 3 THEN NULL ELSE jsonb_build_object('n', n, 'tags', jsonb_build_array(n % 2, 'x' || n % 3), 'in', jsonb_build_object('deep', n % 5 = 0)) END,
    CASE WHEN n % 9 = 4 THEN NULL ELSE 'Z' || n * 111 END,
    n % 17 / 17.0,
    CASE WHEN n > 3 THEN 1 + n % 3 END,
    decode(md5('c' || n), 'hex'),
    CASE WHEN n % 3 = 0 THEN NULL ELSE n / 7.0 END
FROM generate_series(1, 72) AS n;

CREATE TABLE data.orders (
    id bigint, person bigint, day date NOT NULL, amount numeric(12,2), qty smallint, status varchar(12), note varchar(30),
    placed timestamp) PARTITION BY RANGE (day);
CREATE TABLE data.orders_2022 PARTITION OF data.orders FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE data.orders_2023 PARTITION OF data.orders FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE data.orders_rest PARTITION OF data.orders DEFAULT;
INSERT INTO data.orders
SELECT n, CASE WHEN n % 20 = 0 THEN NULL ELSE 1 + n * 7 % 80 END, DATE '2021-11-03' + n * 5,
    CASE WHEN n % 25 = 0 THEN NULL ELSE n * 17.35 % 900 - 20 END, n % 9 - 1,
    (ARRAY['open', 'paid', 'sent', 'returned'])[1 + n % 4], CASE WHEN n % 3 = 0 THEN 'rush' WHEN n % 3 = 1 THEN '' END,
    TIMESTAMP '2021-11-03 08:00:00' + n * INTERVAL '5 days 3 hours 11 minutes'
FROM generate_series(1, 180) AS n;

CREATE TABLE data.items (order_id bigint, line int, product text, price numeric(8,3), qty int, off real, PRIMARY KEY (order_id, line));
INSERT INTO data.items
SELECT n % 180 + 1, n / 180 + 1, (ARRAY['anvil', 'bolt', 'clamp', 'drill', 'file'])[1 + n % 5], n * 3.125 % 97, n % 6,
    CASE WHEN n % 4 = 0 THEN 0.25 ELSE 0 END
FROM generate_series(0, 399) AS n;

CREATE TABLE data.places (id int, name text, pop int, lat double precision);
CREATE TABLE data.capitals (country varchar(2)) INHERITS (data.places);
INSERT INTO data.places SELECT n, 'Place ' || n, n * 4001 % 90000, n * 3.7 - 60 FROM generate_series(1, 14) AS n;
INSERT INTO data.capitals SELECT n, 'Capital ' || n, n * 7001, n * 2.5, chr(60 + n) || 'X' FROM generate_series(15, 20) AS n;

CREATE TABLE data.events (id bigint PRIMARY KEY, person bigint, kind text, at timestamptz, payload jsonb, took interval, amount numeric);
INSERT INTO data.events
SELECT n, 1 + n * 5 % 75, (ARRAY['login', 'view', 'buy', 'leave'])[1 + n % 4], TIMESTAMPTZ '2023-03-01 00:00:00+00' + n * INTERVAL '7 hours 13 minutes',
    jsonb_build_object('page', '/p/' || n % 6, 'ms', n * 31 % 500, 'ok', n % 4 <> 0),
    (n % 5) * INTERVAL '1 hour 1 minute 1 second', CASE WHEN n % 4 = 2 THEN n * 1.005 END
FROM generate_series(1, 120) AS n;

CREATE TABLE data.spans (
    id int PRIMARY KEY, days daterange, nums int4range, amounts numrange, moments tstzrange, took interval, clock time,
    clock_tz timetz, mask bit(4), price numeric(9,4), ids bigint[], grid int[], moods data.mood[]);
INSERT INTO data.spans VALUES
    (1, '[2024-01-01,2024-02-01)', '[1,5)', '[1.5,2.5]', '[2024-01-01 00:00+00,2024-01-02 00:00+00)', '1 day', '01:02:03', '01:02:03+02', B'1010', 1.5, '{1,2}', '{{1,2},{3,4}}', '{calm,merry}'),
    (2, '(,2024-03-01)', '[5,9]', '(,7)', NULL, '-3 months 2 days', '23:59:59.999999', '23:59:59-07', B'0000', -0.0001, '{}', '{}', '{}'),
    (3, 'empty', 'empty', 'empty', 'empty', '00:00:00', '00:00:00', '00:00:00+00', B'1111', 99999.9999, NULL, NULL, NULL),
    (4, NULL, NULL, NULL, '[2024-02-29 12:00+00,)', '1 year 2 months 3 days 04:05:06.789', '12:30:00', NULL, NULL, NULL, '{9,NULL,7}', '{{NULL,1}}', '{cross}'),
    (5, '[2024-02-10,)', '[-3,3)', '[0,0]', '(2023-12-31 23:00+00,2024-01-01 01:00+00]', '36:00:00', '06:00:00', '06:00:00+05:30', B'0001', 0, '{-1}', '{{5}}', '{merry,cross,calm}');

CREATE TABLE data.kinds (
    id int PRIMARY KEY, b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric, n5 numeric(5,1),
    t text, v varchar(12), c char(5), by bytea, d date, ts timestamp, tz timestamptz, u uuid, j json, jb jsonb, ta text[], na numeric(6,2)[]);
INSERT INTO data.kinds VALUES
    (1, true, 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '1970-01-01', '1970-01-01 00:00:00', '1970-01-01 00:00:00+00', '00000000-0000-0000-0000-000000000000', '{}', '{}', '{}', '{}'),
    (2, false, -32768, -2147483648, -9223372036854775808, -1.5, -1e300, -123456789012345678901234567890.5, -9999.9, 'Zoë', 'twelve chars', 'ab', '\x00ff', '0001-01-01', '0001-01-01 00:00:00', '1900-01-01 00:00:00+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '[1, 2,  3]', '[1, 2, 3]', '{a,"b c",NULL}', '{1.50,-2.25}'),
    (3, NULL, 32767, 2147483647, 9223372036854775807, 3.25, 1e-300, 0.000000000000000000001, 9999.9, E'tab\tnew\nline', ' pad ', 'abcde', '\xdeadbeef', '9999-12-31', '9999-12-31 23:59:59.999999', '2024-02-29 23:59:59.5+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '"text"', '"text"', '{"{x}","\"q\""}', '{NULL,0}'),
    (4, true, 5, 42, 4200000000, 0.1, 0.1, 1.10, 1.1, '100%_\x', '42', '42', '\x616263', '2024-02-29', '2024-02-29 12:34:56.789', '2024-06-30 22:00:00+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 'null', 'null', '{42}', '{42}'),
    (5, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, true, -7, -7, -7, 2.5, 2.5, 2.5, 2.5, '日本語', 'ß', 'é', '\x31', '2000-12-31', '2000-12-31 00:00:00', '2000-01-01 00:00:00+00', NULL, '{"b": 1, "a": [true, null]}', '{"b": 1, "a": [true, null]}', '{é,ß}', NULL);

CREATE VIEW data.order_totals AS
    SELECT o.id, o.person, o.day, sum(i.price * i.qty) AS total, count(i.line) AS lines
    FROM data.orders o LEFT JOIN data.items i ON i.order_id = o.id GROUP BY o.id, o.person, o.day;
CREATE TABLE data.secrets (id int, word text);
INSERT INTO data.secrets VALUES (1, 'hidden');
