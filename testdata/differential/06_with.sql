-- WITH, recursive too.
WITH x AS (SELECT id, salary FROM people WHERE region = 'EU') SELECT count(*), max(salary) FROM x;
WITH a AS (SELECT id FROM people), b AS (SELECT a.id, o.amount FROM a JOIN orders o ON o.person = a.id) SELECT id, sum(amount) FROM b GROUP BY id;
WITH a AS MATERIALIZED (SELECT id, dept FROM people) SELECT a.id, b.id FROM a JOIN a b ON a.dept = b.dept AND a.id < b.id;
WITH a AS NOT MATERIALIZED (SELECT id, dept FROM people) SELECT dept, count(*) FROM a GROUP BY dept;
WITH RECURSIVE t (id, name, depth) AS (SELECT id, name::text, 0 FROM departments WHERE parent IS NULL UNION ALL SELECT d.id, t.name || '/' || d.name, t.depth + 1 FROM departments d JOIN t ON d.parent = t.id) SELECT * FROM t ORDER BY name;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6) SELECT i, d.name FROM n LEFT JOIN departments d ON d.id = n.i;
WITH RECURSIVE up AS (SELECT id, boss FROM people WHERE id = 40 UNION SELECT p.id, p.boss FROM people p JOIN up ON p.id = up.boss) SELECT id FROM up;
WITH RECURSIVE s (day) AS (SELECT DATE '2022-01-01' UNION ALL SELECT (day + INTERVAL '1 month')::date FROM s WHERE day < '2022-06-01') SELECT s.day, count(o.id) FROM s LEFT JOIN orders o ON o.day >= s.day AND o.day < s.day + INTERVAL '1 month' GROUP BY s.day ORDER BY s.day;
WITH x (a, b) AS (SELECT id, name FROM departments) SELECT b FROM x WHERE a = 2;
WITH x AS (SELECT * FROM departments), y AS (SELECT * FROM x WHERE id > 2) SELECT * FROM y WHERE id IN (SELECT id FROM x WHERE budget > 0);
WITH people AS (SELECT 1 AS id) SELECT id FROM people, departments WHERE departments.id = 1;
SELECT * FROM (WITH q AS (SELECT id FROM departments WHERE id < 3) SELECT * FROM q) z;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id, (WITH q AS (SELECT count(*) AS n FROM orders o WHERE o.person = p.id) SELECT n FROM q) FROM people p;
-- files: differs date_trunc of a date gives a timestamp, not a timestamptz
WITH monthly AS (SELECT date_trunc('month', day) AS m, sum(amount) AS total FROM orders GROUP BY 1) SELECT m, total, lag(total) OVER (ORDER BY m), total - lag(total) OVER (ORDER BY m) AS change FROM monthly ORDER BY m;
WITH top AS (SELECT person, sum(amount) AS s FROM orders GROUP BY person ORDER BY s DESC NULLS LAST, person LIMIT 5) SELECT p.name, top.s FROM top JOIN people p ON p.id = top.person ORDER BY top.s DESC, p.name;
WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 3), b AS (SELECT n * 10 AS m FROM a) SELECT a.n, b.m FROM a, b, departments d WHERE d.id = 1;
WITH x AS (VALUES (1, 'one'), (2, 'two')) SELECT x.column2, d.name FROM x JOIN departments d ON d.id = x.column1;
