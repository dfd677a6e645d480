-- Prepared statements.
-- params: 5
SELECT id, name FROM people WHERE id = $1;
-- params: EU
SELECT count(*) FROM people WHERE region = $1;
-- params: 40000 | 60000
SELECT id, salary FROM people WHERE salary BETWEEN $1 AND $2;
-- params: 2022-03-01
SELECT id FROM orders WHERE day >= $1 AND status = 'paid';
-- params: paid | 3
SELECT id, day FROM orders WHERE status = $1 ORDER BY day, id LIMIT $2;
-- params: 7 | 10
SELECT id FROM orders ORDER BY id LIMIT $1 OFFSET $2;
-- params: %a%
SELECT id FROM people WHERE name LIKE $1;
-- params: {1,3,5}
SELECT id FROM people WHERE dept = ANY ($1);
-- params: {1,3,5}
SELECT id FROM people WHERE dept = ANY ($1::int[]);
-- params: \N
SELECT id FROM people WHERE $1::text IS NULL OR region = $1;
-- params: US
SELECT id FROM people WHERE $1::text IS NULL OR region = $1;
-- params: 3 | x
SELECT id + $1, name || $2 FROM departments;
-- params: 3
SELECT $1::int AS n, id FROM departments;
-- params: 2
SELECT id, $1::numeric * budget FROM departments;
-- params: 2023-01-01 00:00:00+00
SELECT count(*) FROM people WHERE created < $1;
-- params: c81e728d-9d4c-2f63-6f06-7f89cc14862c
SELECT id FROM people WHERE uid = $1;
-- params: t
SELECT id FROM people WHERE active = $1;
-- params: 2.5
SELECT id FROM people WHERE rating > $1;
-- params: calm
SELECT id FROM people WHERE mood = $1;
-- params: abc
SELECT id FROM people WHERE id = $1;
-- params: 3
-- files: refused 42804 expected parameter of type Int32, got Int64: Conflicting types for id $1
SELECT id FROM people WHERE dept = $1 AND boss = $1 - 1;
-- params: 100 | EU
SELECT p.id, sum(o.amount) FROM people p JOIN orders o ON o.person = p.id AND o.amount > $1 WHERE p.region = $2 GROUP BY p.id HAVING count(*) > 1;
-- params: 1 | 2
SELECT id FROM departments WHERE id IN ($1, $2);
-- params: 1 | 2
SELECT CASE WHEN id = $1 THEN 'a' WHEN id = $2 THEN 'b' ELSE 'c' END FROM departments;
-- params: month
SELECT date_trunc($1, placed), count(*) FROM orders GROUP BY 1;
-- params: 1
SELECT (SELECT name FROM departments WHERE id = $1), id FROM people;
-- params: {"n": 4}
-- files: refused 0A000 not supported by the engine: Binary operator 'AtArrow' is not supported in the physical expr
SELECT id FROM people WHERE extra @> $1;
-- params: 10 days
-- files: differs a date and an interval give a date, not a timestamp
SELECT id, born + $1::interval FROM people WHERE id < 12;
-- params: mail1.example
SELECT id FROM people WHERE split_part(email, '@', 2) = $1;
-- params: 0
SELECT 1 / $1::int FROM departments;
