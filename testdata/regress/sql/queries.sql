-- Statements that read no relation
SELECT 1, 'text', NULL, 1.0, true, 1 + 1 AS two;
SELECT 100 * 9223372036854775807;
SELECT count(*), sum(x) FROM (VALUES (1), (2.5)) AS v (x);
VALUES (1, 'a'), (2, NULL);
WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t LIMIT 5;
SELECT CASE WHEN true THEN 'a' ELSE 1 / 0 || 'b' END;
SELECT to_char(timestamp '2024-03-04 15:06:07', 'FMDay, DD FMMonth YYYY HH12:MI:SS AM'), to_number('12,454.8-', '99G999D9S');
SELECT round(2.5), round(-2.5), round(2.5::float8), (-2.5)::int4, 0.1 + 0.2, 1.0 / 3, 'NaN'::numeric, 10 ^ 20;
SELECT 'abc' ~ '(?<=a)b', regexp_replace('abc', '(?=b)', '-'), substring('foobar' FROM 'o(.)b'), 'x' SIMILAR TO '(x|y)';
SELECT current_date = now()::date, localtimestamp IS NOT NULL;
SELECT ARRAY[[1, 2], [3, 4]][2][1], (ARRAY[1, 2, 3])[2:], array_position(ARRAY['a', 'b'], 'b'), ROW(1, 'x'), ROW(1), ROW(1) = ROW(2);
SELECT interval '1 month' - interval '30 days', age(date '2024-03-31', date '2024-02-29'), date '2024-01-31' + interval '1 month';
-- Rows in subqueries
SELECT id FROM papers WHERE (id, score) IN (SELECT id, 2.5 FROM papers) ORDER BY id;
SELECT id FROM papers WHERE (id, title) NOT IN (SELECT id, lower(title) FROM papers WHERE title IS NOT NULL) ORDER BY id;
SELECT (1, 2) IN (SELECT 1, 2), (1, 2) IN (SELECT 1, 3);
SELECT id FROM papers WHERE (id, score) IN (SELECT id FROM papers);
SELECT id FROM papers WHERE (id, score) IN (SELECT id, score, title FROM papers);
-- What is wrong in the same way
SELECT id FROM papers GROUP BY title;
SELECT nothing FROM papers;
SELECT max(id) FROM papers WHERE max(id) > 1;
SELECT string_agg(DISTINCT title, ',' ORDER BY id) FROM papers;
SELECT score, title FROM papers GROUP BY score, ROLLUP (title) ORDER BY 1, 2;
SELECT array_agg(title COLLATE "C" ORDER BY title COLLATE "POSIX") FROM papers ORDER BY title COLLATE "C" || title COLLATE "POSIX";
SELECT title FROM papers UNION SELECT 1;
-- Whole rows by name
SELECT row_to_json(p) FROM papers p ORDER BY id;
SELECT json_agg(p ORDER BY p.id DESC), count(p) FROM papers p WHERE p.score > 1;
SELECT to_jsonb(papers) - 'words' FROM papers ORDER BY id;
SELECT row_to_json(p.*, true) FROM papers AS p ORDER BY id;
SELECT array_to_json(array_agg(q), false) FROM (SELECT id AS b, id * 2 AS c FROM papers) q;
SELECT p.id, row_to_json(h) FROM papers p LEFT JOIN hosts h ON h.id = p.id AND h.id = 1 ORDER BY 1;
SELECT substring(h::text, 1, 20), length(h::text) FROM hosts h ORDER BY 1;
WITH w AS (SELECT id, title FROM papers) SELECT json_agg(w) FROM w WHERE row_to_json(w) ->> 'title' IS NOT NULL;
SELECT (SELECT json_agg(r) FROM (SELECT h.id, p.id AS other FROM hosts h) r) FROM papers p ORDER BY p.id;
SELECT ROW(p.*), ROW(p.id, h.*) FROM (SELECT id, title FROM papers) p, hosts h ORDER BY p.id, h.id;
SELECT id FROM hosts h WHERE h IS NOT NULL ORDER BY id;
SELECT row_to_json(q) FROM (SELECT 1 AS a, 2 AS "B c", 3 AS "q") q;
SELECT json_agg(nothing) FROM papers;
-- Orders, frames, and columns of two types made one
SELECT id, title FROM papers ORDER BY score USING >, title USING <;
SELECT id FROM papers ORDER BY doc USING >;
SELECT id, sum(id) OVER (ORDER BY id RANGE BETWEEN '1' PRECEDING AND '1'::int FOLLOWING) FROM papers;
SELECT d, count(*) OVER (ORDER BY d RANGE BETWEEN '1 month'::interval PRECEDING AND '1 day' FOLLOWING) FROM (SELECT date '2024-01-01' + n AS d FROM generate_series(0, 60, 20) AS n) s;
SELECT id, score FROM papers* AS p WHERE p.id * 2 > 2 ORDER BY id;
SELECT id FROM hosts h LEFT JOIN (SELECT 1::bigint AS id) s USING (id) ORDER BY 1;
SELECT id FROM hosts h JOIN (SELECT 1::bigint AS id) s USING (id) GROUP BY id;
SELECT h.id FROM hosts h JOIN (SELECT 1::bigint AS id) s USING (id) GROUP BY id;
SELECT id, count(*) FROM hosts RIGHT JOIN (VALUES (1.5), (2)) AS v (id) USING (id) GROUP BY id ORDER BY id;
SELECT score FROM papers NATURAL JOIN (SELECT 2.5::float8 AS score) s;
SELECT * FROM (SELECT id AS x FROM hosts) a JOIN (SELECT id::smallint AS x FROM papers) b USING (x) ORDER BY x;
SELECT current_user = session_user, current_role IS NOT NULL;
