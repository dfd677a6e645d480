-- UNION, INTERSECT, EXCEPT, VALUES.
SELECT id FROM people UNION SELECT person FROM orders;
SELECT id FROM people UNION ALL SELECT id FROM people WHERE dept = 1;
SELECT id FROM people INTERSECT SELECT person FROM orders;
SELECT person FROM orders EXCEPT SELECT id FROM people;
-- files: refused 0A000 INTERSECT ALL over files is not supported
SELECT dept FROM people INTERSECT ALL SELECT id FROM departments;
-- files: refused 0A000 EXCEPT ALL over files is not supported
SELECT dept FROM people EXCEPT ALL SELECT id FROM departments;
SELECT region FROM people UNION SELECT name FROM departments ORDER BY 1;
SELECT region AS x, 1 AS n FROM people UNION ALL SELECT status, 2 FROM orders WHERE id < 9;
(SELECT id FROM people ORDER BY id LIMIT 3) UNION ALL (SELECT id FROM orders ORDER BY id DESC LIMIT 2);
SELECT email FROM people UNION SELECT ssn FROM people;
SELECT salary FROM people UNION SELECT amount FROM orders WHERE id < 30;
SELECT id, NULL AS x FROM departments UNION ALL SELECT id::int, name FROM people;
SELECT 1 AS a, id FROM departments UNION SELECT 2.5, id FROM departments;
SELECT a FROM (SELECT id AS a FROM departments UNION ALL SELECT pop FROM places) u WHERE a > 3;
SELECT count(*) FROM (SELECT region FROM people UNION SELECT region FROM people WHERE active) u;
SELECT id FROM departments UNION SELECT id FROM places EXCEPT SELECT parent FROM departments;
SELECT id FROM departments UNION (SELECT id FROM places EXCEPT SELECT parent FROM departments);
SELECT born FROM people INTERSECT SELECT day FROM orders;
SELECT notes FROM people EXCEPT SELECT name FROM people;
SELECT id FROM people WHERE dept = 1 UNION SELECT id FROM people WHERE dept = 2 UNION SELECT id FROM people WHERE dept = 3 ORDER BY id DESC LIMIT 5;
SELECT v.a, d.name FROM (VALUES (1, 'x'), (3, 'y')) v (a, b) JOIN departments d ON d.id = v.a;
SELECT id, name FROM departments UNION ALL SELECT id, name FROM places UNION ALL SELECT id::int, product FROM (SELECT order_id AS id, product FROM items WHERE line = 1) i WHERE id < 4;
-- files: differs sides of a UNION are brought to text where PostgreSQL refuses
SELECT id FROM departments UNION SELECT name FROM departments;
