-- ORDER BY, LIMIT, OFFSET, FETCH, DISTINCT ON.
SELECT id, name FROM people ORDER BY name, id;
SELECT id, salary FROM people ORDER BY salary DESC NULLS LAST, id LIMIT 10;
SELECT id, salary FROM people ORDER BY salary NULLS FIRST, id DESC LIMIT 10 OFFSET 5;
SELECT id FROM people ORDER BY dept, id OFFSET 30;
SELECT id FROM orders ORDER BY amount DESC, id FETCH FIRST 7 ROWS ONLY;
-- ties
-- upstream: refused 0A000 FETCH ... WITH TIES is not supported
-- files: refused 0A000 FETCH ... WITH TIES is not supported
SELECT status FROM orders ORDER BY status FETCH FIRST 5 ROWS WITH TIES;
SELECT id, ssn FROM people ORDER BY ssn, id;
SELECT id, email FROM people ORDER BY email DESC, id;
SELECT id FROM people ORDER BY lower(name), id LIMIT 12;
SELECT id, salary * 12 AS yearly FROM people ORDER BY yearly, id LIMIT 9;
SELECT id, region FROM people ORDER BY 2, 1 DESC;
SELECT id FROM people ORDER BY CASE WHEN region = 'EU' THEN 0 ELSE 1 END, id;
SELECT DISTINCT ON (region) region, id, salary FROM people ORDER BY region, salary DESC NULLS LAST, id;
SELECT DISTINCT ON (dept, active) dept, active, id FROM people ORDER BY dept, active, id DESC;
SELECT DISTINCT ON (person) person, id, amount FROM orders ORDER BY person, day DESC, id;
SELECT DISTINCT region FROM people ORDER BY region DESC NULLS LAST;
SELECT id FROM people ORDER BY id LIMIT 0;
SELECT id FROM people ORDER BY id LIMIT NULL OFFSET 60;
SELECT id FROM people ORDER BY id LIMIT 2 + 1;
-- files: refused 0A000 not supported by the engine: Unsupported LIMIT expression: Some(ScalarSubquery(<subquery>))
SELECT id FROM people ORDER BY id LIMIT (SELECT 4);
SELECT id, born FROM people ORDER BY born DESC, id LIMIT 5;
SELECT id, created FROM people ORDER BY created, id LIMIT 5;
SELECT id, mood FROM people ORDER BY mood, id;
SELECT id, tags FROM people ORDER BY tags NULLS FIRST, id;
SELECT id FROM people ORDER BY active DESC, id LIMIT 20;
SELECT id FROM people ORDER BY name COLLATE "C", id;
SELECT p.id, o.id FROM people p JOIN orders o ON o.person = p.id ORDER BY p.id, o.id LIMIT 15 OFFSET 10;
SELECT region, count(*) FROM people GROUP BY region ORDER BY count(*) DESC, region;
SELECT id, name FROM departments ORDER BY -id;
SELECT id FROM items i JOIN departments d ON d.id = i.order_id ORDER BY line, id, price LIMIT 5;
SELECT id FROM people ORDER BY 2;
-- files: differs a negative LIMIT is 42601, not 2201W
SELECT id FROM people ORDER BY id LIMIT -1;
SELECT f8 FROM kinds ORDER BY f8;
SELECT t FROM kinds ORDER BY t COLLATE "C" DESC;
