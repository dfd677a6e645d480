//! What is understood, and the tree that comes of it.

use super::fixture::{Fixture, table_command};
use crate::govern::{Place, resolve};
use crate::types::DatasetName;

fn check(cases: &[(&str, &str)]) {
    let fixture = Fixture::new();
    for (sql, tree) in cases {
        assert_eq!(fixture.tree(sql), *tree, "{sql}");
    }
}

#[test]
fn relations_get_their_own_key_and_an_alias() {
    check(&[
        ("SELECT id FROM people", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT p.id FROM people p", "SELECT p.id FROM __querygate.r0 AS p"),
        ("SELECT ID FROM PEOPLE AS P", "SELECT p.id FROM __querygate.r0 AS p"),
        ("SELECT \"id\" FROM \"people\"", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT id FROM public.people", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT id FROM lab.public.people", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT public.people.id FROM public.people", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT lab.public.people.id FROM people", "SELECT people.id FROM __querygate.r0 AS people"),
        ("SELECT badge FROM ops.people", "SELECT people.badge FROM __querygate.r0 AS people"),
        ("SELECT relname FROM pg_class", "SELECT pg_class.relname FROM __querygate.r0 AS pg_class"),
        ("SELECT table_name FROM information_schema.tables", "SELECT tables.table_name FROM __querygate.r0 AS tables"),
        ("SELECT name FROM querygate.my_datasets d", "SELECT d.name FROM __querygate.r0 AS d"),
        (
            "SELECT c.tableoid FROM pg_class c ORDER BY c.tableoid",
            "SELECT CAST(1259 AS BIGINT) AS tableoid FROM __querygate.r0 AS c ORDER BY tableoid",
        ),
        ("SELECT 1", "SELECT 1 AS \"?column?\""),
        (
            "SELECT a.id, b.id FROM people a, people b",
            "SELECT a.id, b.id AS id_2 FROM __querygate.r0 AS a, __querygate.r1 AS b",
        ),
        (
            "SELECT public.people.id, ops.people.badge FROM public.people, ops.people",
            "SELECT people.id, people_2.badge FROM __querygate.r0 AS people, __querygate.r1 AS people_2",
        ),
        ("SELECT \"Order\", \"select\" FROM \"Odd Name\"", "SELECT t.\"Order\", t.\"select\" FROM __querygate.r0 AS t"),
        ("SELECT \"T\".id FROM people \"T\"", "SELECT t.id FROM __querygate.r0 AS t"),
        ("SELECT \"a.b\".id FROM people \"a.b\"", "SELECT t.id FROM __querygate.r0 AS t"),
        ("SELECT \"order\".id FROM people \"order\"", "SELECT t.id FROM __querygate.r0 AS t"),
    ]);
}

#[test]
fn stars_become_columns() {
    check(&[
        ("SELECT * FROM regions", "SELECT regions.region, regions.label FROM __querygate.r0 AS regions"),
        ("SELECT r.* FROM regions r", "SELECT r.region, r.label FROM __querygate.r0 AS r"),
        ("SELECT public.regions.* FROM regions", "SELECT regions.region, regions.label FROM __querygate.r0 AS regions"),
        (
            "SELECT r.*, t.* FROM regions r, ops.tenants t",
            "SELECT r.region, r.label, t.tenant_id, t.region AS region_2 FROM __querygate.r0 AS r, __querygate.r1 AS t",
        ),
        ("SELECT * FROM regions AS r(a)", "SELECT r.a, r.label FROM __querygate.r0 AS r (a, label)"),
        ("SELECT b, a FROM regions AS r(a, b)", "SELECT r.b, r.a FROM __querygate.r0 AS r (a, b)"),
    ]);
}

#[test]
fn table_is_select_all() {
    let fixture = Fixture::new();
    let resolved = resolve(&table_command("regions"), &fixture.context()).unwrap();
    assert_eq!(resolved.query().to_string(), "SELECT regions.region, regions.label FROM __querygate.r0 AS regions");
    assert!(resolve(&table_command("People"), &fixture.context()).is_err(), "its quotes are not kept");
}

#[test]
fn joins_say_which_columns_they_compare() {
    check(&[
        (
            "SELECT p.id FROM people p JOIN orders o ON p.id = person_id",
            "SELECT p.id FROM __querygate.r0 AS p JOIN __querygate.r1 AS o ON p.id = o.person_id",
        ),
        (
            "SELECT region, label FROM regions JOIN ops.tenants USING (region)",
            "SELECT regions.region, regions.label FROM __querygate.r0 AS regions JOIN __querygate.r1 AS tenants ON regions.region = tenants.region",
        ),
        (
            "SELECT * FROM regions NATURAL JOIN ops.tenants",
            "SELECT regions.region, regions.label, tenants.tenant_id FROM __querygate.r0 AS regions JOIN __querygate.r1 AS tenants ON regions.region = tenants.region",
        ),
        (
            "SELECT region FROM regions RIGHT JOIN ops.tenants USING (region)",
            "SELECT tenants.region FROM __querygate.r0 AS regions RIGHT JOIN __querygate.r1 AS tenants ON regions.region = tenants.region",
        ),
        (
            "SELECT region FROM regions FULL JOIN ops.tenants USING (region)",
            "SELECT coalesce(regions.region, tenants.region) AS region FROM __querygate.r0 AS regions FULL JOIN __querygate.r1 AS tenants ON regions.region = tenants.region",
        ),
        (
            "SELECT 1 FROM regions NATURAL JOIN orders",
            "SELECT 1 AS \"?column?\" FROM __querygate.r0 AS regions CROSS JOIN __querygate.r1 AS orders",
        ),
        (
            "SELECT 1 FROM regions NATURAL LEFT JOIN orders",
            "SELECT 1 AS \"?column?\" FROM __querygate.r0 AS regions LEFT JOIN __querygate.r1 AS orders ON true",
        ),
        (
            "SELECT p.id FROM (people p CROSS JOIN orders o) LEFT OUTER JOIN regions r ON r.region = p.region",
            "SELECT p.id FROM (__querygate.r0 AS p CROSS JOIN __querygate.r1 AS o) LEFT JOIN __querygate.r2 AS r ON r.region = p.region",
        ),
        (
            "SELECT p.id, l.n FROM people p, LATERAL (SELECT count(*) AS n FROM orders WHERE person_id = p.id) l",
            "SELECT p.id, l.n FROM __querygate.r0 AS p, LATERAL (SELECT count(*) AS n FROM __querygate.r1 AS orders WHERE orders.person_id = p.id) AS l",
        ),
        (
            "SELECT l.x FROM people p LEFT JOIN LATERAL (SELECT p.id AS x) l ON true",
            "SELECT l.x FROM __querygate.r0 AS p LEFT JOIN LATERAL (SELECT p.id AS x) AS l ON true",
        ),
    ]);
}

#[test]
fn with_queries_shadow_tables() {
    check(&[
        (
            "WITH people AS (SELECT 1 AS id) SELECT id FROM people",
            "WITH people AS (SELECT 1 AS id) SELECT people.id FROM people AS people",
        ),
        (
            "WITH people AS (SELECT id FROM people) SELECT id FROM people",
            "WITH people AS (SELECT people.id FROM __querygate.r0 AS people) SELECT people.id FROM people AS people",
        ),
        (
            "WITH x AS (SELECT 1 AS a), y AS (SELECT a FROM x) SELECT * FROM y",
            "WITH x AS (SELECT 1 AS a), y AS (SELECT x.a FROM x AS x) SELECT y.a FROM y AS y",
        ),
        (
            "WITH x AS (SELECT 1 AS a) SELECT * FROM (WITH x AS (SELECT a + 1 AS a FROM x) SELECT a FROM x) z",
            "WITH x AS (SELECT 1 AS a) SELECT z.a FROM (WITH x_2 AS (SELECT x.a + 1 AS a FROM x AS x) SELECT x.a FROM x_2 AS x) AS z",
        ),
        (
            "WITH x (n, m) AS (SELECT id, name FROM people) SELECT m FROM x",
            "WITH x (n, m) AS (SELECT people.id, people.name FROM __querygate.r0 AS people) SELECT x.m FROM x AS x",
        ),
        (
            "WITH x AS MATERIALIZED (SELECT 1 AS a) SELECT a FROM x AS y",
            "WITH x AS MATERIALIZED (SELECT 1 AS a) SELECT y.a FROM x AS y",
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
            "WITH RECURSIVE n (i) AS (SELECT 1 AS \"?column?\" UNION ALL SELECT n.i + 1 AS \"?column?\" FROM n AS n WHERE n.i < 5) SELECT n.i FROM n AS n",
        ),
    ]);
}

#[test]
fn subqueries_may_stand_anywhere_and_see_outwards() {
    check(&[
        (
            "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id)",
            "SELECT p.id FROM __querygate.r0 AS p WHERE EXISTS (SELECT 1 AS \"?column?\" FROM __querygate.r1 AS o WHERE o.person_id = p.id)",
        ),
        (
            "SELECT (SELECT max(amount) FROM orders WHERE person_id = people.id) FROM people",
            "SELECT (SELECT max(orders.amount) AS max FROM __querygate.r1 AS orders WHERE orders.person_id = people.id) AS max FROM __querygate.r0 AS people",
        ),
        (
            "SELECT id FROM people WHERE region IN (SELECT region FROM regions)",
            "SELECT people.id FROM __querygate.r0 AS people WHERE people.region IN (SELECT regions.region FROM __querygate.r1 AS regions)",
        ),
        (
            "SELECT id FROM people WHERE id = ANY (SELECT person_id FROM orders)",
            "SELECT people.id FROM __querygate.r0 AS people WHERE people.id IN (SELECT orders.person_id FROM __querygate.r1 AS orders)",
        ),
        (
            "SELECT id FROM people WHERE id <> ALL (SELECT person_id FROM orders)",
            "SELECT people.id FROM __querygate.r0 AS people WHERE people.id NOT IN (SELECT orders.person_id FROM __querygate.r1 AS orders)",
        ),
        (
            // The inner relation hides the outer one's name, not its columns: no engine may read `salary` as the inner's.
            "SELECT id FROM people WHERE EXISTS (SELECT 1 FROM orders people WHERE amount > salary)",
            "SELECT people.id FROM __querygate.r0 AS people WHERE EXISTS (SELECT 1 AS \"?column?\" FROM __querygate.r1 AS people_2 WHERE people_2.amount > people.salary)",
        ),
        (
            "SELECT x.b FROM (SELECT id AS a, name AS b FROM people) AS x",
            "SELECT x.b FROM (SELECT people.id AS a, people.name AS b FROM __querygate.r0 AS people) AS x",
        ),
        (
            "SELECT max FROM (SELECT max(salary) FROM people) x",
            "SELECT x.max FROM (SELECT max(people.salary) AS max FROM __querygate.r0 AS people) AS x",
        ),
        (
            "SELECT id FROM people ORDER BY (SELECT count(*) FROM orders WHERE person_id = people.id)",
            "SELECT people.id FROM __querygate.r0 AS people ORDER BY (SELECT count(*) AS count FROM __querygate.r1 AS orders WHERE orders.person_id = people.id)",
        ),
    ]);
}

#[test]
fn set_operations_and_values() {
    check(&[
        (
            "SELECT id FROM people UNION ALL SELECT person_id FROM orders ORDER BY id LIMIT 5",
            "SELECT people.id FROM __querygate.r0 AS people UNION ALL SELECT orders.person_id FROM __querygate.r1 AS orders ORDER BY id LIMIT 5",
        ),
        (
            "SELECT 1 AS a EXCEPT SELECT 2 INTERSECT SELECT 3",
            "SELECT 1 AS a EXCEPT SELECT 2 AS \"?column?\" INTERSECT SELECT 3 AS \"?column?\"",
        ),
        ("VALUES (1, 'a'), (2, 'b')", "VALUES (1, 'a'), (2, 'b')"),
        ("SELECT v.b FROM (VALUES (1, 'a')) AS v(a, b)", "SELECT v.b FROM (VALUES (1, 'a')) AS v (a, b)"),
        ("SELECT column1 FROM (VALUES (1)) v", "SELECT v.column1 FROM (VALUES (1)) AS v"),
        (
            "(SELECT id FROM people) UNION (SELECT id FROM orders) ORDER BY 1",
            "(SELECT people.id FROM __querygate.r0 AS people) UNION (SELECT orders.id FROM __querygate.r1 AS orders) ORDER BY id",
        ),
        ("SELECT 1 AS a FETCH FIRST 3 ROWS ONLY", "SELECT 1 AS a LIMIT 3"),
        ("SELECT 1 AS a LIMIT 3 OFFSET 2 ROWS", "SELECT 1 AS a LIMIT 3 OFFSET 2"),
        ("SELECT 1 AS a LIMIT $1", "SELECT 1 AS a LIMIT $1"),
    ]);
}

#[test]
fn grouping_and_ordering_name_outputs_or_columns() {
    check(&[
        (
            "SELECT region, count(*) FROM people GROUP BY region HAVING count(*) > 2 ORDER BY 2 DESC",
            "SELECT people.region, count(*) AS count FROM __querygate.r0 AS people GROUP BY people.region HAVING count(*) > 2 ORDER BY count DESC",
        ),
        (
            "SELECT lower(region) AS r, count(*) FROM people GROUP BY r ORDER BY r",
            "SELECT lower(people.region) AS r, count(*) AS count FROM __querygate.r0 AS people GROUP BY lower(people.region) ORDER BY r",
        ),
        (
            "SELECT lower(region) AS region, count(*) FROM people GROUP BY region",
            "SELECT lower(people.region) AS region, count(*) AS count FROM __querygate.r0 AS people GROUP BY people.region",
        ),
        (
            "SELECT 'x' AS k, count(*) FROM people GROUP BY k",
            "SELECT 'x' AS k, count(*) AS count FROM __querygate.r0 AS people GROUP BY 1",
        ),
        (
            "SELECT region FROM people GROUP BY 1",
            "SELECT people.region FROM __querygate.r0 AS people GROUP BY people.region",
        ),
        (
            "SELECT region, sum(salary) FROM people GROUP BY ROLLUP (region)",
            "SELECT people.region, sum(people.salary) AS sum FROM __querygate.r0 AS people GROUP BY ROLLUP (people.region)",
        ),
        (
            "SELECT region, sum(salary) FROM people GROUP BY GROUPING SETS ((region), ())",
            "SELECT people.region, sum(people.salary) AS sum FROM __querygate.r0 AS people GROUP BY GROUPING SETS ((people.region), ())",
        ),
        (
            "SELECT id AS name, name AS id FROM people ORDER BY id",
            "SELECT people.id AS name, people.name AS id FROM __querygate.r0 AS people ORDER BY people.name",
        ),
        (
            "SELECT DISTINCT ON (region) region, id FROM people ORDER BY region, born DESC NULLS LAST",
            "SELECT DISTINCT ON (people.region) people.region, people.id FROM __querygate.r0 AS people ORDER BY people.region, people.born DESC NULLS LAST",
        ),
        (
            "SELECT upper(name) FROM people ORDER BY upper(name)",
            "SELECT upper(people.name) AS upper FROM __querygate.r0 AS people ORDER BY upper",
        ),
        (
            "SELECT upper(name) AS born FROM people ORDER BY 1",
            "SELECT upper(people.name) AS born FROM __querygate.r0 AS people ORDER BY 1",
        ),
        (
            "SELECT count(*) FILTER (WHERE salary > 1), count(DISTINCT region) FROM people",
            "SELECT count(*) FILTER (WHERE people.salary > 1) AS count, count(DISTINCT people.region) AS count_2 FROM __querygate.r0 AS people",
        ),
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY salary) FROM people",
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY people.salary) AS percentile_cont FROM __querygate.r0 AS people",
        ),
        (
            "SELECT string_agg(name, ', ' ORDER BY name) FROM people",
            "SELECT string_agg(people.name, ', ' ORDER BY people.name) AS string_agg FROM __querygate.r0 AS people",
        ),
        (
            "SELECT id, rank() OVER w FROM people WINDOW w AS (PARTITION BY region ORDER BY salary)",
            "SELECT people.id, rank() OVER w AS rank FROM __querygate.r0 AS people WINDOW w AS (PARTITION BY people.region ORDER BY people.salary)",
        ),
        (
            "SELECT sum(salary) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM people",
            "SELECT sum(people.salary) OVER (ORDER BY people.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS sum FROM __querygate.r0 AS people",
        ),
    ]);
}

#[test]
fn expressions_keep_their_meaning() {
    let cases = [
        ("salary::int", "people.salary::INT AS salary"),
        ("CAST(id AS text)", "CAST(people.id AS TEXT) AS id"),
        ("'people'::regclass", "'people'::REGCLASS AS regclass"),
        ("id::oid", "people.id::oid AS id"),
        ("id::pg_catalog.int4", "people.id::INTEGER AS id"),
        ("CASE region WHEN 'EU' THEN 1 ELSE 2 END", "CASE people.region WHEN 'EU' THEN 1 ELSE 2 END AS \"case\""),
        ("name COLLATE pg_catalog.\"C\"", "people.name COLLATE \"C\" AS name"),
        ("extract(year FROM born)", "EXTRACT(YEAR FROM people.born) AS \"extract\""),
        ("substring(name FROM 1 FOR 2)", "SUBSTRING(people.name FROM 1 FOR 2) AS \"substring\""),
        ("trim(both 'x' FROM name)", "TRIM(BOTH 'x' FROM people.name) AS btrim"),
        ("position('a' IN name)", "POSITION('a' IN people.name) AS \"position\""),
        ("overlay(name PLACING 'x' FROM 1)", "OVERLAY(people.name PLACING 'x' FROM 1) AS \"overlay\""),
        ("INTERVAL '1' DAY", "INTERVAL '1' DAY AS \"interval\""),
        ("DATE '2024-01-31'", "DATE '2024-01-31' AS date"),
        ("name ILIKE 'a%' ESCAPE '\\'", "people.name ILIKE 'a%' ESCAPE '\\' AS \"?column?\""),
        ("name SIMILAR TO 'a+'", "people.name SIMILAR TO 'a+' AS \"?column?\""),
        ("name ~* 'a'", "people.name ~* 'a' AS \"?column?\""),
        ("name OPERATOR(pg_catalog.~) 'a'", "(people.name ~ 'a') AS \"?column?\""),
        ("id OPERATOR(pg_catalog.*) 2 + 3", "(people.id * (2 + 3)) AS \"?column?\""),
        ("born BETWEEN $1 AND $2", "people.born BETWEEN $1 AND $2 AS \"?column?\""),
        ("id = ANY (ARRAY[1, 2])", "people.id = ANY(ARRAY[1, 2]) AS \"?column?\""),
        ("(ARRAY[1, 2])[1]", "(ARRAY[1, 2])[1] AS \"array\""),
        ("ROW(id, 1) = (1, 2)", "(people.id, 1) = (1, 2) AS \"?column?\""),
        ("current_date", "current_date AS \"current_date\""),
        ("ARRAY(SELECT 1)", "array(SELECT 1 AS \"?column?\") AS \"array\""),
        ("current_schema", "current_schema() AS \"current_schema\""),
        ("pg_catalog.lower(name)", "lower(people.name) AS lower"),
        ("born AT TIME ZONE 'UTC'", "people.born AT TIME ZONE 'UTC' AS timezone"),
        ("2 ^ 3", "power(2, 3) AS \"?column?\""),
        ("salary IS DISTINCT FROM NULL", "people.salary IS DISTINCT FROM NULL AS \"?column?\""),
        ("'it''s'", "$q$it's$q$ AS \"?column?\""),
        ("E'a\\'b'", "$q$a'b$q$ AS \"?column?\""),
        ("E'a\\nb'", "'a\nb' AS \"?column?\""),
        ("$$a$$", "'a' AS \"?column?\""),
        ("1_000", "1000 AS \"?column?\""),
        ("(p2).id", "p2.id"),
    ];
    let fixture = Fixture::new();
    for (sql, tree) in cases {
        let (from, to) = if sql.contains("p2") { ("people p2", "p2") } else { ("people", "people") };
        let expected = format!("SELECT {tree} FROM __querygate.r0 AS {to}");
        assert_eq!(fixture.tree(&format!("SELECT {sql} FROM {from}")), expected, "{sql}");
    }
}

#[test]
fn subscripts_stay_on_their_column() {
    check(&[
        ("SELECT tags[1] FROM orders", "SELECT (orders.tags)[1] AS tags FROM __querygate.r0 AS orders"),
        ("SELECT o.tags[1:2] FROM orders o", "SELECT (o.tags)[1:2] AS tags FROM __querygate.r0 AS o"),
    ]);
}

#[test]
fn whole_rows_are_their_visible_columns() {
    check(&[
        (
            "SELECT regions FROM regions",
            "SELECT named_struct('region', regions.region, 'label', regions.label) AS regions FROM __querygate.r0 AS regions",
        ),
        (
            "SELECT count(r) FROM regions r",
            "SELECT count(named_struct('region', r.region, 'label', r.label)) AS count FROM __querygate.r0 AS r",
        ),
        (
            "SELECT count(r.*) FROM regions r",
            "SELECT count(named_struct('region', r.region, 'label', r.label)) AS count FROM __querygate.r0 AS r",
        ),
    ]);
    let fixture = Fixture::denying("public.regions", &["label"]);
    assert_eq!(
        fixture.tree("SELECT r FROM regions r"),
        "SELECT named_struct('region', r.region) AS r FROM __querygate.r0 AS r"
    );
    let resolved = fixture.resolve("SELECT r FROM regions r").unwrap();
    assert!(resolved.relations()[0].whole);
}

#[test]
fn table_functions_have_one_column_named_like_them() {
    check(&[
        (
            "SELECT * FROM generate_series(1, 3)",
            "SELECT generate_series.generate_series FROM generate_series(1, 3) AS generate_series (generate_series)",
        ),
        ("SELECT g FROM generate_series(1, 3) g", "SELECT g.g FROM generate_series(1, 3) AS g (g)"),
        ("SELECT n FROM generate_series(1, 3) AS g(n)", "SELECT g.n FROM generate_series(1, 3) AS g (n)"),
        ("SELECT x FROM unnest(ARRAY[1, 2]) AS u(x)", "SELECT u.x FROM UNNEST(ARRAY[1, 2]) AS u (x)"),
        ("SELECT u.u FROM orders o, unnest(o.tags) u", "SELECT u.u FROM __querygate.r0 AS o, UNNEST(o.tags) AS u (u)"),
    ]);
}

#[test]
fn what_is_used_is_told_with_its_places() {
    let fixture = Fixture::new();
    let sql = "SELECT lower(p.name), sum(o.amount) FROM people p JOIN orders o ON p.id = o.person_id \
               WHERE p.region = 'EU' GROUP BY p.name ORDER BY sum(o.amount)";
    let resolved = fixture.resolve(sql).unwrap();
    let people = &resolved.relations()[0];
    let places = |name: &str| people.columns.get(name).map(|column| column.places.iter().copied().collect::<Vec<_>>());
    assert_eq!(places("name"), Some(vec![Place::Output, Place::Group, Place::Argument]));
    assert_eq!(places("id"), Some(vec![Place::Join]));
    assert_eq!(places("region"), Some(vec![Place::Predicate]));
    assert_eq!(places("salary"), None);
    assert!(resolved.is_aggregate());
    assert!(resolved.functions().contains("sum"));
    let orders = DatasetName::new("public", "orders");
    assert_eq!(resolved.columns_used(&orders).into_iter().collect::<Vec<_>>(), ["amount", "person_id"]);
    let star = fixture.resolve("SELECT * FROM regions").unwrap();
    assert!(star.relations()[0].columns.values().all(|column| !column.explicit));
}

#[test]
fn an_aggregate_statement_has_groups_alone() {
    let fixture = Fixture::new();
    for (sql, expected) in [
        ("SELECT count(*) FROM people", true),
        ("SELECT region, avg(salary) FROM people GROUP BY region", true),
        ("SELECT id FROM people", false),
        ("SELECT DISTINCT region FROM people", false),
        ("SELECT sum(salary) OVER () FROM people", false),
        ("SELECT count(*) FROM people UNION ALL SELECT id FROM people", false),
        ("SELECT count(*) FROM people UNION ALL SELECT count(*) FROM orders", true),
        ("SELECT (SELECT name FROM people LIMIT 1), count(*) FROM orders", false),
        ("SELECT (SELECT max(name) FROM people), count(*) FROM orders", true),
        ("SELECT * FROM (SELECT count(*) FROM people) x", false),
        ("SELECT 1", false),
    ] {
        assert_eq!(fixture.resolve(sql).unwrap().is_aggregate(), expected, "{sql}");
    }
}

#[test]
fn lineage_goes_through_everything() {
    let fixture = Fixture::new();
    for (sql, sources) in [
        ("SELECT name || region FROM people", "name region"),
        ("WITH x AS (SELECT salary AS s FROM people) SELECT s * 2 FROM x", "salary"),
        ("SELECT a FROM (SELECT name AS a FROM people UNION SELECT region FROM people) x", "name region"),
        ("SELECT (SELECT max(salary) FROM people)", "salary"),
        ("SELECT x.s FROM people p, LATERAL (SELECT p.salary AS s) x", "salary"),
        ("SELECT rank() OVER w FROM people WINDOW w AS (ORDER BY salary)", "salary"),
        ("SELECT EXISTS (SELECT 1 FROM people WHERE salary > 5)", "salary"),
        ("SELECT p FROM people p", "born email id name region salary"),
        ("SELECT count(*) FROM people WHERE salary > 5", ""),
        ("SELECT CASE WHEN salary > 5 THEN 1 ELSE 2 END FROM people", "salary"),
        ("SELECT CASE region WHEN 'EU' THEN 1 END FROM people", "region"),
        ("SELECT count(*) FILTER (WHERE salary > 5) FROM people", "salary"),
        ("SELECT string_agg(region, ',' ORDER BY name) FROM people", "name region"),
        ("SELECT EXISTS (SELECT 1 FROM people UNION ALL SELECT 1 FROM people WHERE salary > 5)", "salary"),
        (
            "WITH RECURSIVE r(a, b) AS (SELECT id, name FROM people UNION ALL SELECT a, b FROM r) SELECT a FROM r",
            "id name",
        ),
    ] {
        let resolved = fixture.resolve(sql).unwrap();
        let found: Vec<String> =
            resolved.output()[0].lineage.value_sources().into_iter().map(|(_, column)| column).collect();
        assert_eq!(found.join(" "), sources, "{sql}");
    }
}

#[test]
fn lineage_knows_what_chose_the_rows() {
    let fixture = Fixture::new();
    for (sql, sources) in [
        ("SELECT id FROM people WHERE salary > 5", "id salary"),
        ("SELECT id FROM people ORDER BY salary LIMIT 1", "id salary"),
        ("SELECT DISTINCT ON (region) id FROM people ORDER BY region, salary", "id region salary"),
        ("SELECT count(*) FROM people GROUP BY salary", "salary"),
        ("SELECT count(*) FROM people HAVING max(salary) > 5", "salary"),
        ("SELECT p.id FROM people p JOIN orders o ON o.person_id = p.salary", "person_id id salary"),
        ("SELECT 1 AS one, name FROM people EXCEPT SELECT 2, region FROM people", "name region"),
        ("SELECT 1 AS one, name FROM people INTERSECT SELECT 2, region FROM people", "name region"),
        ("SELECT DISTINCT 1 AS one, name FROM people", "name"),
        ("SELECT x.id FROM (SELECT id FROM people WHERE salary > 5) x", "id salary"),
    ] {
        let resolved = fixture.resolve(sql).unwrap();
        let found: Vec<&str> =
            resolved.output()[0].lineage.sources().keys().map(|(_, column)| column.as_str()).collect();
        assert_eq!(found.join(" "), sources, "{sql}");
    }
}

#[test]
fn what_reads_no_relation_is_answered_by_the_only_source_if_that_is_postgresql() {
    use crate::catalog::{DsnSource, PoolSettings, Source, SourceKind};
    use crate::types::DatasetName;
    let source = |name: &str, kind: SourceKind| (name.to_owned(), Source { name: name.to_owned(), kind, region: None });
    let postgres =
        || SourceKind::Postgres { dsn: DsnSource::Env("DSN".into()), pool: PoolSettings::default(), barrier: None };
    let home = |fixture: &Fixture, sql: &str| fixture.resolve(sql).unwrap().home;
    let mut fixture = Fixture::new();
    assert_eq!(home(&fixture, "SELECT 1"), None);
    fixture.catalog.sources.extend([source("lake", postgres())]);
    for sql in
        ["SELECT 1", "SELECT lower('A') COLLATE \"C\"", "WITH x AS (VALUES (1)) SELECT * FROM x", "SELECT '1'::inet"]
    {
        assert_eq!(home(&fixture, sql).as_deref(), Some("lake"), "{sql}");
    }
    // What asks for the session is the gateway's to answer, and what reads a relation goes where that is.
    for sql in ["SELECT current_user", "SELECT version(), 1", "SELECT 'people'::regclass", "SELECT id FROM people"] {
        assert_eq!(home(&fixture, sql), None, "{sql}");
    }
    assert_eq!(fixture.error("SELECT '1'::inet, version()").sqlstate.0, "0A000");
    // Who sees nothing of the source has nothing computed there.
    fixture.invisible = fixture.catalog.datasets.keys().cloned().collect::<std::collections::BTreeSet<DatasetName>>();
    assert_eq!(home(&fixture, "SELECT 1"), None);
    fixture.invisible.clear();
    fixture.catalog.sources.extend([source("disk", SourceKind::Files { location: "x".into() })]);
    assert_eq!(home(&fixture, "SELECT 1"), None);
    assert_eq!(fixture.error("SELECT '1'::inet").sqlstate.0, "0A000");
}
