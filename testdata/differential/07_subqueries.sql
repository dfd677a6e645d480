-- Scalar subqueries, EXISTS, IN, ANY, ALL, ARRAY(), derived tables.
SELECT id, (SELECT max(amount) FROM orders o WHERE o.person = p.id) FROM people p;
SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM orders);
SELECT id FROM people WHERE salary > (SELECT avg(salary) FROM people);
SELECT id FROM people p WHERE salary = (SELECT max(salary) FROM people q WHERE q.dept = p.dept);
SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id AND o.amount > 600);
SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id);
SELECT id FROM people WHERE id IN (SELECT person FROM orders WHERE status = 'paid');
SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders WHERE person IS NOT NULL);
SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders);
SELECT id FROM people WHERE dept = ANY (SELECT id FROM departments WHERE budget > 100000);
SELECT id FROM people WHERE salary >= ALL (SELECT salary FROM people WHERE salary IS NOT NULL);
SELECT id FROM people WHERE dept = ANY (ARRAY[1, 3, 5]);
SELECT id FROM people WHERE dept <> ALL ('{1,3}');
-- files: refused 0A000 a row in a subquery over files is not supported
SELECT id FROM people WHERE (region, dept) IN (SELECT region, max(dept) FROM people GROUP BY region);
SELECT id, ARRAY(SELECT o.id FROM orders o WHERE o.person = p.id ORDER BY o.id) FROM people p;
SELECT d.name, (SELECT count(*) FROM people p WHERE p.dept = d.id) AS n, (SELECT sum(p.salary) FROM people p WHERE p.dept = d.id) FROM departments d;
SELECT x.region, x.n FROM (SELECT region, count(*) AS n FROM people GROUP BY region) x WHERE x.n > 3;
SELECT * FROM (SELECT id, name FROM departments ORDER BY id LIMIT 3) AS d (a, b);
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id FROM departments WHERE (SELECT id = 3);
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT id, EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id) AS used, id IN (SELECT boss FROM people) AS leads FROM departments d;
SELECT id FROM orders o WHERE amount > (SELECT avg(amount) FROM orders q WHERE q.status = o.status);
SELECT id FROM people p WHERE (SELECT count(*) FROM orders o WHERE o.person = p.id) > 2;
SELECT (SELECT name FROM departments WHERE id = 99);
SELECT id, (SELECT id FROM departments) FROM people;
SELECT id FROM people WHERE id = (SELECT person FROM orders WHERE id = 11);
-- files: refused 0A000 not supported by the engine: Physical plan does not support logical expression Exists(Exists { subquery: <subquery>, negated: false })
SELECT CASE WHEN EXISTS (SELECT 1 FROM people WHERE region = 'US') THEN 'yes' ELSE 'no' END;
SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o JOIN items i ON i.order_id = o.id WHERE o.person = p.id AND i.product = 'drill');
SELECT d.id, x.top FROM departments d, LATERAL (SELECT max(salary) AS top FROM people p WHERE p.dept = d.id) x;
SELECT coalesce((SELECT sum(amount) FROM orders o WHERE o.person = p.id), 0) AS s FROM people p;
SELECT id FROM people WHERE email IN (SELECT email FROM people GROUP BY email HAVING count(*) > 1);
SELECT count(*) FROM people WHERE ssn IN (SELECT ssn FROM people WHERE dept = 2);
SELECT p.id FROM people p WHERE p.boss IN (SELECT q.id FROM people q WHERE q.region = p.region);
SELECT id, row(id, name) FROM departments WHERE id < 3;
SELECT id FROM departments WHERE row(id, parent) = row(3, 2);
SELECT id FROM departments WHERE row(id, parent) < row(3, 2);
