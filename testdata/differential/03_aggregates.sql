-- Aggregates, HAVING, FILTER, DISTINCT, ordered sets, grouping sets.
SELECT count(*), count(email), count(DISTINCT region), count(notes) FROM people WHERE id > 3;
SELECT count(*), count(email), count(DISTINCT region) FROM people;
SELECT sum(id), avg(id), min(id), max(id) FROM people;
SELECT sum(salary), avg(salary), min(salary), max(salary) FROM people;
-- files: differs sums of reals are summed as double precision and not rounded to a real
SELECT sum(dept), avg(dept), sum(rating), avg(rating), sum(score), avg(score) FROM people;
SELECT sum(qty), avg(qty), max(qty) FROM orders;
SELECT min(name), max(name), min(born), max(born), min(created), max(created) FROM people;
SELECT min(email), max(ssn), min(phone) FROM people;
SELECT bool_and(active), bool_or(active), every(active) FROM people;
SELECT bit_and(dept), bit_or(dept), bit_xor(dept) FROM people;
SELECT round(stddev(salary), 3), round(stddev_pop(salary), 3), round(variance(salary), 3), round(var_pop(salary), 3) FROM people;
SELECT round(corr(score, id)::numeric, 6), round(covar_pop(score, id)::numeric, 4), round(regr_slope(score, id)::numeric, 6), regr_count(score, id) FROM people;
SELECT region, count(*) FROM people GROUP BY region;
SELECT region, dept, count(*), max(salary) FROM people GROUP BY region, dept;
SELECT region AS r, count(*) FROM people GROUP BY r;
SELECT region, count(*) FROM people GROUP BY 1 HAVING count(*) > 5;
SELECT region, avg(salary) FROM people GROUP BY region HAVING avg(salary) > 50000;
SELECT dept, count(*) FILTER (WHERE active), sum(salary) FILTER (WHERE region = 'EU') FROM people GROUP BY dept;
-- files: differs a real becomes a numeric with all of its binary digits, not its shortest ones
SELECT dept, count(DISTINCT region), sum(DISTINCT rating::numeric) FROM people GROUP BY dept;
SELECT dept % 3 AS k, count(*) FROM people GROUP BY dept % 3;
SELECT extract(year FROM born) AS y, count(*) FROM people GROUP BY extract(year FROM born);
-- files: differs date_trunc of a date gives a timestamp, not a timestamptz
SELECT date_trunc('month', day) AS m, sum(amount) FROM orders GROUP BY date_trunc('month', day);
SELECT status, sum(amount), count(*), round(avg(amount), 2) FROM orders GROUP BY status;
SELECT status, string_agg(id::text, ',' ORDER BY id) FROM orders WHERE id < 30 GROUP BY status;
SELECT region, string_agg(DISTINCT mood::text, ',') FROM people WHERE mood = 'calm' GROUP BY region;
SELECT region, array_agg(id ORDER BY id DESC) FROM people GROUP BY region;
SELECT dept, array_agg(DISTINCT region ORDER BY region) FROM people GROUP BY dept;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY score) FROM people;
SELECT dept, percentile_cont(0.25) WITHIN GROUP (ORDER BY salary::float8) FROM people GROUP BY dept;
-- files: refused 0A000 function percentile_disc over files is not supported
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY salary) FROM people;
-- files: refused 0A000 function mode over files is not supported
SELECT mode() WITHIN GROUP (ORDER BY region) FROM people;
SELECT region, dept, count(*) FROM people GROUP BY ROLLUP (region, dept);
SELECT region, active, count(*), grouping(region), grouping(active) FROM people GROUP BY CUBE (region, active);
SELECT region, dept, sum(salary) FROM people GROUP BY GROUPING SETS ((region), (dept), ());
SELECT status, qty, count(*) FROM orders GROUP BY GROUPING SETS ((status, qty), (status), ()) HAVING count(*) > 2;
SELECT status, extract(year FROM day) AS y, grouping(status, extract(year FROM day)) AS g, sum(amount) FROM orders GROUP BY ROLLUP (status, extract(year FROM day));
SELECT region, active, count(*) FROM people GROUP BY region, ROLLUP (active);
-- files: refused 0A000 not supported by the engine: Empty tuple not supported yet
SELECT count(*) FROM people GROUP BY ();
SELECT count(*) FROM people HAVING count(*) > 1000;
SELECT sum(amount) FROM orders WHERE id < 0;
SELECT max(salary) - min(salary) AS spread, count(*) * 2 FROM people;
SELECT sum(price * qty * (1 - off::numeric)) FROM items;
SELECT product, sum(price * qty), min(price), max(off) FROM items GROUP BY product;
SELECT product, round(avg(price), 4), count(*) FROM items WHERE qty > 0 GROUP BY product HAVING sum(qty) > 50;
-- files: refused 42703 column "took" does not exist
SELECT kind, count(*), sum(amount), max(took) FROM events GROUP BY kind;
-- files: refused 42703 column "took" does not exist
SELECT kind, sum(took), avg(took) FROM events GROUP BY kind;
SELECT name, id, max(pop) FROM places GROUP BY name, id;
SELECT DISTINCT region FROM people;
SELECT DISTINCT region, active FROM people;
SELECT DISTINCT dept % 2, boss FROM people;
SELECT count(*) FROM (SELECT DISTINCT region, dept FROM people) x;
SELECT p.id, count(o.id) FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.id;
SELECT region, count(*) AS n FROM people GROUP BY region ORDER BY n DESC, region NULLS LAST;
SELECT region, max(name), min(ssn), bool_or(region IS NULL) FROM people GROUP BY region;
-- files: refused 0A000 function json_agg over files is not supported
SELECT json_agg(id ORDER BY id) FROM departments;
-- files: refused 0A000 function jsonb_agg over files is not supported
SELECT jsonb_agg(name ORDER BY id), jsonb_object_agg(id, name) FROM departments;
SELECT region, id FROM people GROUP BY region;
SELECT sum(name) FROM people;
-- files: refused 42703 column "n" does not exist
SELECT avg(n), sum(n), max(n5), min(f4), sum(i8 / 2), sum(i2) FROM kinds;
