-- One of two twins: TWIN is 1 or 2. What bob may see is the same in both: people of the region US, with their masks; their
-- orders; events that are not internal. What he may not see differs: other rows, in number and in values; the values
-- behind the masks; all of payroll. A hidden value is one on which a careless expression fails or tells.
CREATE SCHEMA data;
CREATE TABLE data.people (
    id int PRIMARY KEY, name text, email text, ssn text, phone varchar(20), birth_date date, salary numeric(10,2), region text,
    department text, notes text, level int, score float8, code text, created_at timestamptz, marks int[], tags text[], extra jsonb);
-- Seen: every third number.
INSERT INTO data.people
SELECT n,
    CASE TWIN WHEN 1 THEN chr(65 + n % 26) || 'na ' || n ELSE chr(65 + n % 26) || 'uite Another' END,
    CASE WHEN n % 30 = 0 THEN 'no address' WHEN TWIN = 1 THEN chr(97 + n % 26) || n || '@mail.example' ELSE chr(97 + n % 26) || 'x' || n * 7 || '@mail.example' END,
    CASE TWIN WHEN 1 THEN lpad((n * 7 % 1000)::text, 3, '0') || '-' || lpad((n % 100)::text, 2, '0') ELSE '999-99' END || '-' || lpad((n * 37 % 10000)::text, 4, '0'),
    CASE TWIN WHEN 1 THEN '+' || n * 31 ELSE '+00 00' END || ' ' || lpad((n % 100)::text, 2, '0'),
    CASE TWIN WHEN 1 THEN make_date(1950 + n % 50, 1 + n % 12, 1 + n % 28) ELSE make_date(1950 + n % 50, 12, 31) END,
    (n * 1234 % 9) * 10000 + CASE TWIN WHEN 1 THEN n % 4000 ELSE -(n % 3) END,
    'US', CASE WHEN n % 4 = 0 THEN NULL ELSE 'D' || n % 5 END,
    CASE WHEN n % 5 = 0 THEN NULL WHEN TWIN = 1 THEN 'note ' || n ELSE '7' END,
    n % 40, n / 8.0, n::text,
    TIMESTAMPTZ '2022-01-01 00:00:00+00' + n * INTERVAL '3 days 1 hour', ARRAY[n % 7, n % 3], ARRAY['t' || n % 4, (n % 9)::text],
    jsonb_build_object('k', n % 6)
FROM generate_series(3, 240, 3) AS n;
-- Hidden: other numbers, other counts.
INSERT INTO data.people
SELECT n, 'secret ' || TWIN || n, 'hidden' || n * TWIN, 'no ssn ' || TWIN, NULL, DATE '1900-01-01' + n * TWIN, CASE TWIN WHEN 1 THEN -1 ELSE 0 END,
    CASE n % 2 WHEN 0 THEN 'EU' END, 'hidden', 'secret', CASE TWIN WHEN 1 THEN 40 + n % 40 ELSE 100 + n END, CASE TWIN WHEN 1 THEN -1 ELSE -2 - n END,
    'not a number', NULL, CASE TWIN WHEN 1 THEN '{}'::int[] END, ARRAY['secret'], '{"k": "secret"}'
FROM generate_series(1, 200) AS n WHERE CASE TWIN WHEN 1 THEN n % 3 = 1 ELSE n % 6 = 2 END;

CREATE TABLE data.orders (id int PRIMARY KEY, person_id int, day date, amount numeric(12,2), qty int, status text, placed timestamptz);
INSERT INTO data.orders
SELECT n, n % 80 * 3, DATE '2022-11-01' + n, n * 7.25 % 300, n % 9, (ARRAY['open', 'paid', '12'])[1 + n % 3], TIMESTAMPTZ '2022-11-01 08:00:00+00' + n * INTERVAL '1 day'
FROM generate_series(1, 160) AS n WHERE n % 80 <> 0;
INSERT INTO data.orders
SELECT 1000 + n, CASE WHEN n % 2 = 0 THEN n END, DATE '1999-01-01' + n * TWIN, -n * TWIN, 0, 'secret', NULL
FROM generate_series(1, 100) AS n WHERE CASE TWIN WHEN 1 THEN n % 3 = 1 ELSE n % 6 = 2 END;

CREATE TABLE data.events (id int PRIMARY KEY, person_id int, kind text, at timestamptz, amount numeric, note text, weight float8, marks int[]);
INSERT INTO data.events
SELECT n, n * 2 % 250, (ARRAY['login', 'view', 'buy'])[1 + n % 3], TIMESTAMPTZ '2023-01-01 00:00:00+00' + n * INTERVAL '5 hours',
    CASE WHEN n % 3 = 2 THEN n * 1.005 END, CASE TWIN WHEN 1 THEN 'denied ' || n ELSE 'other' END, n % 10 / 4.0, ARRAY[n % 5]
FROM generate_series(1, 120) AS n;
INSERT INTO data.events
SELECT 1000 + n, n, 'internal', NULL, -n * TWIN, 'secret', -TWIN, '{}' FROM generate_series(1, 30 * TWIN) AS n;

CREATE TABLE data.regions (id int PRIMARY KEY, name text, budget numeric(12,2), parent int);
INSERT INTO data.regions VALUES (1, 'US', 100.50, NULL), (2, 'EU', 200, 1), (3, 'APAC', NULL, 1), (4, '12', 0, 2);
CREATE TABLE data.payroll (id int PRIMARY KEY, person_id int, base_pay numeric(10,2), period text);
INSERT INTO data.payroll SELECT n, n, n * TWIN, 'secret' FROM generate_series(1, 50 * TWIN) AS n;
CREATE VIEW data.recent AS SELECT id, person_id, day, amount, status FROM data.orders WHERE day > '2023-02-01' OR status = 'secret';
