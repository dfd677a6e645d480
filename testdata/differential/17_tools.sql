-- What BI tools and drivers write.
SELECT "people"."id" AS "id", "people"."region" AS "region", SUM("people"."salary") AS "sum" FROM "people" GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 2000;
SELECT CAST("t0"."region" AS TEXT) AS "c1", SUM(1) AS "count" FROM "people" "t0" WHERE (NOT ("t0"."region" IS NULL)) GROUP BY 1;
SELECT "source"."region" AS "region", count(*) AS "count" FROM (SELECT "people"."id" AS "id", "people"."region" AS "region" FROM "people") "source" GROUP BY "source"."region" ORDER BY "source"."region" ASC;
SELECT DATE_TRUNC('MONTH', CAST("orders"."day" AS TIMESTAMP)) AS "tmn:day:ok", SUM("orders"."amount") AS "sum:amount:ok" FROM "orders" GROUP BY 1;
SELECT (DATE_TRUNC('QUARTER', "orders"."placed")) AS "q", COUNT(DISTINCT "orders"."person") AS "ctd" FROM "orders" WHERE ("orders"."status" IN ('paid', 'sent')) GROUP BY 1 ORDER BY 1;
SELECT "orders"."status" AS "status", (CASE WHEN ("orders"."amount" > 300) THEN 'big' ELSE 'small' END) AS "size", SUM(CAST("orders"."qty" AS double precision)) AS "sum" FROM "orders" GROUP BY 1, 2;
SELECT * FROM (SELECT * FROM orders) AS virtual_table WHERE amount >= 100 ORDER BY id LIMIT 100;
SELECT status AS status, sum(amount) AS "SUM(amount)" FROM orders GROUP BY status ORDER BY "SUM(amount)" DESC LIMIT 10;
SELECT TO_CHAR(day, 'YYYY-MM') AS month, COUNT(*) FROM orders GROUP BY TO_CHAR(day, 'YYYY-MM') ORDER BY month;
SELECT * FROM people LIMIT 0;
SELECT * FROM orders WHERE 1 = 0;
SELECT 1 FROM people WHERE 1 = 1 AND id = 4;
SELECT p.id AS id1, p.name AS name2, d.name AS name3 FROM people p INNER JOIN departments d ON (p.dept = d.id) WHERE (p.id >= 1) AND (p.id <= 20);
SELECT _.id, _.amount FROM orders AS _ ORDER BY _.id NULLS FIRST LIMIT 11;
select rows.region as region, count(1) as a0 from (select * from people) rows where not rows.region is null group by rows.region limit 1000001;
select "_"."region", "_"."a0" from (select "rows"."region" as "region", sum("rows"."salary") as "a0" from (select "region", "salary" from "people" "$Table") "rows" group by "region") "_" where not "_"."a0" is null limit 1000001;
SELECT COUNT(*) AS n, COUNT(*) - COUNT(email) AS missing, MIN(id), MAX(id) FROM people;
SELECT width_bucket(salary, 0, 100000, 10) AS bucket, count(*) FROM people GROUP BY bucket ORDER BY bucket;
-- files: differs a quotient of decimals has four digits more than its dividend, not as many as numeric has
SELECT 100.0 * count(*) FILTER (WHERE status = 'returned') / nullif(count(*), 0) AS pct FROM orders;
SELECT current_database() IS NOT NULL, version() LIKE 'PostgreSQL 1%', id FROM departments WHERE id = 1;
SELECT current_user, id FROM departments WHERE id = 1;
-- upstream: differs names are shown as text, not as the type name; other schemas are not there
-- files: differs other schemas are not there
SELECT relname FROM pg_catalog.pg_class WHERE relname = 'people' AND relkind IN ('r', 'v');
-- upstream: differs names are shown as text, not as the type name
SELECT column_name FROM information_schema.columns WHERE table_name = 'items' ORDER BY ordinal_position;
-- upstream: refused 0A000 a statement over several sources is not supported
SELECT c.relname, p.id FROM pg_catalog.pg_class c JOIN people p ON p.name = c.relname;
-- upstream: differs names are shown as text, not as the type name
SELECT typname, typlen FROM pg_type WHERE oid IN (16, 20, 23, 25, 1043, 1184, 1700) ORDER BY oid;
-- upstream: differs names are shown as text, not as the type name
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0 ORDER BY attnum;
SELECT date_part('year', day) AS y, date_part('month', day) AS m, sum(amount) FROM orders GROUP BY 1, 2 HAVING sum(amount) > 0 ORDER BY 1, 2;
SELECT id, name, count(*) OVER () AS total_rows FROM people ORDER BY id LIMIT 10 OFFSET 0;
SELECT region, percentile_cont(0.5) WITHIN GROUP (ORDER BY score) AS median FROM people GROUP BY region;
SELECT a.region, a.n, b.n FROM (SELECT region, count(*) n FROM people GROUP BY region) a FULL OUTER JOIN (SELECT region, count(*) n FROM people WHERE active GROUP BY region) b ON (a.region = b.region);
