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
