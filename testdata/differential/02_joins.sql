-- Inner, outer, cross, natural and lateral joins.
SELECT p.id, o.id, o.amount FROM people p JOIN orders o ON o.person = p.id;
SELECT p.name, o.id FROM people p JOIN orders o ON o.person = p.id WHERE o.amount > 500 AND p.active;
SELECT p.id, o.id FROM people p LEFT JOIN orders o ON o.person = p.id;
SELECT p.id, o.id FROM people p LEFT JOIN orders o ON o.person = p.id AND o.amount > 400;
SELECT p.id, o.id FROM people p LEFT JOIN orders o ON o.person = p.id WHERE o.id IS NULL;
SELECT p.id, o.id FROM people p RIGHT JOIN orders o ON o.person = p.id;
SELECT p.id, o.id FROM people p RIGHT JOIN orders o ON o.person = p.id AND p.salary > 50000 WHERE o.qty > 2;
SELECT p.id, o.id FROM people p FULL JOIN orders o ON o.person = p.id;
SELECT p.id, d.id FROM people p FULL JOIN departments d ON d.id = p.dept;
SELECT d.name, e.kind FROM departments d CROSS JOIN (SELECT DISTINCT kind FROM events) e;
SELECT a.id, b.id FROM departments a, departments b WHERE a.id < b.id;
SELECT a.name, b.name FROM departments a JOIN departments b ON b.parent = a.id;
SELECT a.name, b.name FROM departments a LEFT JOIN departments b ON b.parent = a.id;
SELECT * FROM departments a JOIN departments b USING (id);
SELECT * FROM (SELECT id, name FROM departments) a NATURAL JOIN (SELECT id, budget FROM departments) b;
SELECT id, a.name, b.name FROM departments a FULL JOIN places b USING (id);
SELECT p.id, b.name AS boss FROM people p JOIN people b ON b.id = p.boss;
SELECT p.id, b.name AS boss, bb.name AS above FROM people p LEFT JOIN people b ON b.id = p.boss LEFT JOIN people bb ON bb.id = b.boss;
SELECT o.id, i.line, i.product, i.price * i.qty AS cost FROM orders o JOIN items i ON i.order_id = o.id WHERE o.qty > 4;
SELECT p.region, i.product, sum(i.qty) FROM people p JOIN orders o ON o.person = p.id JOIN items i ON i.order_id = o.id GROUP BY p.region, i.product;
SELECT p.id, x.n FROM people p LEFT JOIN (SELECT person, count(*) AS n FROM orders GROUP BY person) x ON x.person = p.id;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT p.id, x.id, x.amount FROM people p CROSS JOIN LATERAL (SELECT o.id, o.amount FROM orders o WHERE o.person = p.id ORDER BY o.amount DESC NULLS LAST, o.id LIMIT 1) x;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT p.id, x.n FROM people p LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.person = p.id AND o.amount > p.salary / 100) x ON true;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT p.id, t FROM people p, unnest(p.tags) AS t;
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT p.id, t FROM people p CROSS JOIN LATERAL unnest(p.tags) AS u (t) WHERE t LIKE 't%';
-- files: refused 0A000 not supported by the engine: a correlated subquery of this shape
SELECT p.id, m FROM people p LEFT JOIN LATERAL unnest(p.marks) AS m ON m > 3;
SELECT d.id, g FROM departments d, generate_series(1, 2) AS g;
-- files: refused 42601 argument #2 must be an INTEGER or NULL, got Column(Column { relation: Some(Bare { table: "d" }), name: "id" })
SELECT d.id, g FROM departments d CROSS JOIN LATERAL generate_series(1, d.id) AS g WHERE d.id < 4;
SELECT o.id, d.day FROM orders o JOIN (SELECT DISTINCT day FROM orders WHERE qty = 3) d ON d.day = o.day;
SELECT p.id, e.id FROM people p JOIN events e ON e.person = p.id AND e.at > p.created;
SELECT p.id, o.id FROM people p JOIN orders o ON o.person = p.id AND o.amount / nullif(p.score, 0) > 20;
SELECT a.id, b.id FROM people a JOIN people b ON a.region = b.region AND a.id < b.id WHERE a.dept = 3;
SELECT a.id, b.id FROM people a JOIN people b ON a.email = b.email;
SELECT a.id, b.id FROM people a JOIN people b ON a.phone = b.phone AND a.id <= b.id;
SELECT a.id, b.id FROM people a JOIN people b ON a.salary = b.salary AND a.id < b.id;
SELECT d.id, p.id FROM departments d LEFT JOIN (people p JOIN orders o ON o.person = p.id AND o.qty = 7) ON p.dept = d.id;
SELECT d.id, count(p.id) FROM departments d LEFT JOIN people p ON p.dept = d.id GROUP BY d.id;
SELECT d.id, count(*) FROM departments d LEFT JOIN people p ON p.dept = d.id GROUP BY d.id;
SELECT t.id, o.day, t.total FROM order_totals t JOIN orders o ON o.id = t.id;
SELECT c.name, d.name FROM places c JOIN departments d ON c.id = d.id;
SELECT p.id FROM people p JOIN departments d ON d.id = p.dept AND d.budget > 100000 JOIN orders o ON o.person = p.id AND o.status = 'paid';
SELECT p.id, k.id FROM people p JOIN kinds k ON k.i4 = p.id;
SELECT x.a, y.b FROM (VALUES (1), (2), (NULL)) x (a) LEFT JOIN (VALUES (2), (3), (NULL)) y (b) ON x.a = y.b, departments d WHERE d.id = 1;
SELECT p.id, d.id FROM people p JOIN departments d ON p.dept >= d.id AND p.boss <= d.id WHERE p.id < 12;
SELECT p.id, s.id FROM people p, spans s WHERE s.id = p.dept;
