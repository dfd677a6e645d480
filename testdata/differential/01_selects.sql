-- Plain SELECTs: columns, stars, conditions.
SELECT * FROM departments;
-- upstream: differs ?
SELECT * FROM people WHERE id < 20;
SELECT id, name, email, ssn, phone FROM people;
-- upstream: differs ?
SELECT salary, rating, score, part, ratio FROM people;
SELECT born, created, active, notes, uid FROM people;
SELECT mood, tags, marks, extra, zip, boss, code FROM people;
-- upstream: differs ?
SELECT p.* FROM people AS p WHERE p.region = 'EU';
-- upstream: differs ?
SELECT p.*, p.id AS again FROM people p WHERE p.dept = 3;
-- files: differs ?
SELECT id AS "Id Of", name AS "a""b" FROM people WHERE id = 8;
SELECT count(*) FROM people;
SELECT 1 AS one, id FROM departments;
-- files: differs ?
SELECT id, id, id AS id FROM departments;
SELECT * FROM orders WHERE day = DATE '2022-05-02';
SELECT * FROM orders WHERE day BETWEEN '2022-11-01' AND '2023-02-01';
SELECT id, amount FROM orders WHERE amount > 700 AND status <> 'open';
SELECT id FROM orders WHERE NOT (amount > 100 OR qty < 3);
SELECT id FROM orders WHERE person IS NULL;
SELECT id FROM people WHERE email LIKE '%@mail1%';
SELECT id FROM people WHERE name ILIKE 'f%';
SELECT id FROM people WHERE name NOT LIKE '%a%';
SELECT id FROM people WHERE region IN ('EU', 'APAC') AND dept NOT IN (1, 2);
SELECT id FROM people WHERE salary BETWEEN 40000 AND 60000.5;
SELECT id FROM people WHERE salary NOT BETWEEN 40000 AND 60000;
SELECT id FROM people WHERE active;
SELECT id FROM people WHERE NOT active;
SELECT id FROM people WHERE active IS NOT TRUE;
SELECT id FROM people WHERE active IS UNKNOWN;
SELECT id FROM people WHERE dept IS DISTINCT FROM 3;
SELECT id FROM people WHERE dept IS NOT DISTINCT FROM boss;
SELECT id FROM people WHERE (dept, boss) = (3, 2);
SELECT id FROM people WHERE (dept, boss) IN ((3, 2), (4, 1));
SELECT id FROM people WHERE notes LIKE 'note 1_';
SELECT id FROM people WHERE uid = 'c81e728d-9d4c-2f63-6f06-7f89cc14862c';
SELECT id FROM people WHERE mood = 'calm';
SELECT id FROM people WHERE zip = 'Z111';
SELECT id FROM people WHERE born > '1970-01-01' AND created < '2021-01-01 00:00:00+01';
SELECT id FROM people WHERE name ~ '^[AB]' AND name !~* 'Z';
SELECT id, name SIMILAR TO '(A|B)%' AS s FROM people;
SELECT id FROM people WHERE email LIKE '%\_%' OR email LIKE '%!%%' ESCAPE '!';
SELECT id FROM items WHERE off > 0;
SELECT product, off FROM items WHERE off = 0.25 AND price < 10;
-- files: differs ?
SELECT id + 1, id * 2.5, -id, id / 3, id % 4, id - 0.5, id ^ 2 FROM departments;
-- files: differs ?
SELECT name || ' ' || id, name || NULL FROM departments;
-- files: refused 0A000 not supported by the engine: Unsupported SQL unary operator BitwiseNot
SELECT id, id # 3, id & 5, id | 8, ~ id, id << 2, id >> 1 FROM departments;
SELECT id FROM places WHERE lat < 0;
SELECT * FROM places;
-- files: differs ?
SELECT * FROM order_totals WHERE total > 250;
SELECT * FROM secrets;
SELECT absent FROM people;
SELECT * FROM absent;
SELECT id FROM people p WHERE q.id = 1;
SELECT 1 / (id - 3) FROM departments;
SELECT name::int FROM departments;
-- upstream: differs ?
SELECT people FROM people WHERE id = 5;
-- upstream: differs ?
SELECT d FROM departments d;
SELECT count(d) FROM departments d;
TABLE departments;
-- upstream: differs ?
VALUES (1, 'a'), (2, 'b');
