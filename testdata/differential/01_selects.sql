-- Plain SELECTs: columns, stars, conditions.
SELECT * FROM departments;
SELECT * FROM people WHERE id < 20;
SELECT id, name, email, ssn, phone FROM people;
SELECT salary, rating, score, part, ratio FROM people;
SELECT born, created, active, notes, uid FROM people;
SELECT mood, tags, marks, extra, zip, boss, code FROM people;
SELECT p.* FROM people AS p WHERE p.region = 'EU';
SELECT p.*, p.id AS again FROM people p WHERE p.dept = 3;
SELECT id AS "Id Of", name AS "a""b" FROM people WHERE id = 8;
SELECT count(*) FROM people;
SELECT 1 AS one, id FROM departments;
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
SELECT id + 1, id * 2.5, -id, id / 3, id % 4, id - 0.5, id ^ 2 FROM departments;
SELECT name || ' ' || id, name || NULL FROM departments;
-- files: refused 0A000 not supported by the engine: Unsupported SQL unary operator BitwiseNot
SELECT id, id # 3, id & 5, id | 8, ~ id, id << 2, id >> 1 FROM departments;
SELECT id FROM places WHERE lat < 0;
SELECT * FROM places;
SELECT * FROM order_totals WHERE total > 250;
SELECT * FROM secrets;
SELECT absent FROM people;
SELECT * FROM absent;
SELECT id FROM people p WHERE q.id = 1;
SELECT 1 / (id - 3) FROM departments;
SELECT name::int FROM departments;
-- upstream: differs a whole row is an anonymous record: its type is the upstream's own
SELECT people FROM people WHERE id = 5;
-- upstream: differs a whole row is an anonymous record: its type is the upstream's own
SELECT d FROM departments d;
SELECT count(d) FROM departments d;
TABLE departments;
VALUES (1, 'a'), (2, 'b');
-- How operators bind.
SELECT id FROM people WHERE id < 20 AND dept IS DISTINCT FROM 3 AND id > 4 OR id = 40;
SELECT id, -id ^ 2, - id ^ 2 * 3, id - -2 FROM departments;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id, NOT EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id) = (id > 2) FROM departments d;
SELECT id, 'a' || id::text ~ 'a1' AS x, 'ab' LIKE 'a' || '%' AS y FROM departments;
