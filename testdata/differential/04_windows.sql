-- Window functions and frames.
SELECT id, row_number() OVER (ORDER BY id) FROM people;
SELECT id, rank() OVER (PARTITION BY region ORDER BY dept), dense_rank() OVER (PARTITION BY region ORDER BY dept) FROM people;
SELECT id, lag(id) OVER (ORDER BY id), lead(id, 2) OVER (ORDER BY id), lag(id, 1, 0::bigint) OVER (ORDER BY id) FROM people;
SELECT id, first_value(name) OVER w, last_value(name) OVER w, nth_value(name, 2) OVER w FROM people WINDOW w AS (PARTITION BY dept ORDER BY id);
SELECT id, sum(amount) OVER (PARTITION BY status ORDER BY id) FROM orders;
SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM orders;
SELECT id, count(*) OVER (ORDER BY qty RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM orders;
SELECT id, sum(qty) OVER (ORDER BY day RANGE BETWEEN INTERVAL '10 days' PRECEDING AND CURRENT ROW) FROM orders;
SELECT id, count(*) OVER (ORDER BY qty GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders;
SELECT id, max(amount) OVER (PARTITION BY status) - amount AS gap FROM orders;
SELECT id, ntile(4) OVER (ORDER BY id), percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY qty) FROM orders;
SELECT id, avg(salary) OVER (PARTITION BY region) FROM people;
SELECT id, round(avg(score) OVER (ORDER BY id ROWS 3 PRECEDING)::numeric, 4) FROM people;
SELECT region, count(*) AS n, rank() OVER (ORDER BY count(*) DESC) FROM people GROUP BY region;
SELECT region, sum(count(*)) OVER () FROM people GROUP BY region;
SELECT * FROM (SELECT id, dept, row_number() OVER (PARTITION BY dept ORDER BY salary DESC NULLS LAST, id) AS r FROM people) x WHERE r <= 2;
SELECT id, count(*) FILTER (WHERE active) OVER (PARTITION BY dept) FROM people;
SELECT id, sum(amount) OVER (PARTITION BY person ORDER BY day, id ROWS UNBOUNDED PRECEDING) FROM orders WHERE person < 10;
SELECT id, lead(at) OVER (PARTITION BY person ORDER BY at, id) - at AS gap FROM events;
SELECT id, row_number() OVER (ORDER BY salary, id), row_number() OVER (ORDER BY ssn NULLS FIRST, id) FROM people;
SELECT id, string_agg(kind, '>') OVER (PARTITION BY person ORDER BY id) FROM events;
SELECT id, array_agg(qty) OVER (ORDER BY id ROWS 1 PRECEDING) FROM orders;
-- upstream: refused 0A000 the syntax at or near "EXCLUDE" is not supported by the gateway yet
-- files: refused 0A000 the syntax at or near "EXCLUDE" is not supported by the gateway yet
SELECT id, sum(qty) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders;
SELECT id, min(name) OVER (PARTITION BY phone), max(email) OVER (PARTITION BY boss) FROM people;
SELECT DISTINCT region, count(*) OVER (PARTITION BY region) FROM people;
-- files: refused 0A000 a window that extends another over files is not supported
SELECT id, sum(amount) OVER w, avg(amount) OVER (w ROWS 2 PRECEDING) FROM orders WINDOW w AS (PARTITION BY status ORDER BY id);
SELECT id, rank() OVER (ORDER BY mood, id) FROM people;
-- files: differs a quotient of decimals has four digits more than its dividend, not as many as numeric has
SELECT id, 100 * amount / sum(amount) OVER () AS share FROM orders;
