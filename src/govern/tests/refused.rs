//! What is refused, with its code.

use super::fixture::Fixture;

#[test]
fn faults_have_postgresql_codes_and_texts() {
    let fixture = Fixture::new();
    for (sql, code, message) in [
        ("SELECT 1 FROM nowhere", "42P01", "relation \"nowhere\" does not exist"),
        ("SELECT 1 FROM ops.nowhere", "42P01", "relation \"ops.nowhere\" does not exist"),
        ("SELECT 1 FROM tenants", "42P01", "relation \"tenants\" does not exist"),
        ("SELECT 1 FROM \"People\"", "42P01", "relation \"People\" does not exist"),
        ("SELECT 1 FROM \"/etc/passwd\"", "42P01", "relation \"/etc/passwd\" does not exist"),
        ("SELECT 1 FROM \"people.parquet\"", "42P01", "relation \"people.parquet\" does not exist"),
        ("SELECT 1 FROM \"public.people\"", "42P01", "relation \"public.people\" does not exist"),
        ("SELECT 1 FROM __querygate.r0", "42P01", "relation \"__querygate.r0\" does not exist"),
        ("SELECT 1 FROM __querygate_raw.f0", "42P01", "relation \"__querygate_raw.f0\" does not exist"),
        (
            "SELECT 1 FROM other.public.people",
            "0A000",
            "cross-database references are not implemented: \"other.public.people\"",
        ),
        ("SELECT nothing FROM people", "42703", "column \"nothing\" does not exist"),
        ("SELECT p.nothing FROM people p", "42703", "column p.nothing does not exist"),
        ("SELECT people.id FROM people p", "42P01", "missing FROM-clause entry for table \"people\""),
        ("SELECT public.p.id FROM people p", "42P01", "missing FROM-clause entry for table \"p\""),
        ("SELECT ops.people.id FROM people", "42P01", "missing FROM-clause entry for table \"people\""),
        ("SELECT id FROM people, orders", "42702", "column reference \"id\" is ambiguous"),
        ("SELECT 1 FROM people, people", "42712", "table name \"people\" specified more than once"),
        ("SELECT 1 FROM people p JOIN orders p ON true", "42712", "table name \"p\" specified more than once"),
        ("WITH a AS (SELECT 1), a AS (SELECT 2) SELECT 1", "42712", "WITH query name \"a\" specified more than once"),
        ("SELECT x.id FROM people p, (SELECT p.id) x", "42P01", "missing FROM-clause entry for table \"p\""),
        ("SELECT 1 FROM people p JOIN orders o ON q.id = 1", "42P01", "missing FROM-clause entry for table \"q\""),
        (
            "SELECT 1 FROM regions r, people p JOIN orders o ON r.region = ''",
            "42P01",
            "missing FROM-clause entry for table \"r\"",
        ),
        (
            "SELECT 1 FROM people JOIN orders USING (region)",
            "42P10",
            "column \"region\" specified in USING clause does not exist in right table",
        ),
        ("SELECT evil(1)", "42883", "function evil(...) does not exist"),
        ("SELECT public.lower('A')", "42883", "function public.lower(...) does not exist"),
        ("SELECT pg_read_file('/etc/passwd')", "42883", "function pg_read_file(...) does not exist"),
        ("SELECT count(*) FROM people ORDER BY 3", "42P10", "ORDER BY position 3 is not in select list"),
        ("SELECT region FROM people GROUP BY 2", "42P10", "GROUP BY position 2 is not in select list"),
        (
            "SELECT DISTINCT region FROM people ORDER BY salary",
            "42P10",
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        ),
        ("SELECT 1 FROM people WHERE count(*) > 1", "42803", "aggregate functions are not allowed in WHERE"),
        (
            "SELECT sum(count(*)) FROM people",
            "42803",
            "aggregate functions are not allowed in arguments of an aggregate function",
        ),
        ("SELECT 1 FROM people WHERE rank() OVER () = 1", "42803", "window functions are not allowed in WHERE"),
        ("SELECT rank() OVER w FROM people", "42704", "window \"w\" does not exist"),
        ("SELECT (SELECT 1, 2)", "42601", "subquery must return only one column"),
        ("SELECT 1 UNION SELECT 1, 2", "42601", "each UNION query must have the same number of columns"),
        ("SELECT *", "42601", "SELECT * with no tables specified is not valid"),
        (
            "SELECT id FROM regions AS r(a, b, c)",
            "42P10",
            "table \"r\" has 2 columns available but 3 columns specified",
        ),
        ("SELECT 1 AS a UNION SELECT 2 ORDER BY b", "42703", "column \"b\" does not exist"),
        ("SELECT 1 LIMIT id", "42703", "column \"id\" does not exist"),
        (
            "WITH RECURSIVE r AS (SELECT * FROM r) SELECT 1 FROM r",
            "0A000",
            "a reference to \"r\" in its own non-recursive term is not supported",
        ),
    ] {
        let report = fixture.error(sql);
        assert_eq!((report.sqlstate.0, report.message.as_str()), (code, message), "{sql}");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let fixture = Fixture::new();
    let mut understood = 0_usize;
    for sql in [
        "SELECT id FROM ONLY people",
        "SELECT id FROM people TABLESAMPLE SYSTEM (10)",
        "SELECT id FROM people FOR UPDATE",
        "SELECT id INTO t FROM people",
        "SELECT TOP 5 id FROM people",
        "SELECT * EXCEPT (id) FROM people",
        "SELECT * REPLACE (1 AS id) FROM people",
        "SELECT id FROM people ORDER BY people",
        "SELECT count(*) FROM people GROUP BY people",
        "SELECT row_to_json(r) FROM regions AS r (other)",
        "SELECT r FROM people p LEFT JOIN regions r ON true",
        "SELECT region FROM people GROUP BY ALL",
        "SELECT id FROM people LIMIT 1, 2",
        "SELECT 1 FROM generate_series(1, 2) WITH ORDINALITY",
        "SELECT 1 FROM read_parquet('/etc/passwd')",
        "SELECT 1 FROM pg_ls_dir('/')",
        "SELECT TRY_CAST('1' AS int)",
        "SELECT 1::xml",
        "SELECT B'01'",
        "SELECT X'1F'",
        "SELECT ?",
        "SELECT :name",
        "SELECT @1",
        "SELECT 1 FROM people, repeat('x', 1000000000)",
        "SELECT 1 FROM people, lpad('x', 1000000000) AS l",
        "SELECT 1 FROM people, version()",
        "SELECT 1 @@ 2",
        "SELECT '{}' -> 'a'",
        "SELECT 1 COLLATE \"de_DE\"",
        "SELECT 1 UNION BY NAME SELECT 1",
        "SELECT 1 MINUS SELECT 2",
        "SELECT 1 FROM people SEMI JOIN orders ON true",
        "SELECT 1 FROM people ANTI JOIN orders ON true",
        "SELECT 1 FROM (people p JOIN orders o ON true) AS j",
        "SELECT 1 FROM people FETCH FIRST 1 ROWS WITH TIES",
        "SELECT {'a': 1}",
        "SELECT make_interval(days => 3)",
        "SELECT 1 WHERE 'a' REGEXP 'b'",
        "SELECT lower(name => 'x')",
        "WITH x AS (INSERT INTO people VALUES (1)) SELECT 1",
        "WITH x AS (DELETE FROM people) SELECT 1",
        "SELECT INTERVAL 1 DAY",
        "SELECT 1 FROM people QUALIFY rank() OVER () = 1",
        "SELECT (SELECT max(p.salary)) FROM people p GROUP BY region",
        "SELECT (SELECT max(p.salary) FROM orders) FROM people p GROUP BY region",
    ] {
        // The parser refuses some of it already.
        let Ok(parsed) = super::fixture::try_parse(sql) else { continue };
        understood = understood.saturating_add(1);
        let report = match crate::govern::resolve(&parsed, &fixture.context()) {
            Ok(resolved) => panic!("{sql}: resolved to {}", resolved.query()),
            Err(error) => error.report(),
        };
        assert!(["0A000", "42883"].contains(&report.sqlstate.0), "{sql}: {report}");
        assert!(report.hint.is_some(), "{sql}: {report}");
    }
    assert!(understood > 25, "most of these reach the resolver: {understood}");
}

#[test]
fn errors_point_into_the_text_and_suggest_what_is_visible() {
    let fixture = Fixture::new();
    let report = fixture.error("SELECT id,\n  emial FROM people");
    assert_eq!(
        (report.position, report.hint.as_deref()),
        (Some(14), Some("Perhaps you meant to reference \"email\"."))
    );
    let report = fixture.error("SELECT 1 FROM poeple");
    assert_eq!(
        (report.position, report.hint.as_deref()),
        (Some(15), Some("Perhaps you meant to reference \"public.people\"."))
    );
    let report = fixture.error("SELECT 1 FROM tenants");
    assert_eq!(report.hint.as_deref(), Some("Perhaps you meant to reference \"ops.tenants\"."));
    let report = fixture.error("SELECT lowr('A')");
    assert!(report.hint.is_some_and(|hint| hint.contains("lower")));
    assert_eq!(fixture.error("SELECT 1 FROM valt").hint, None, "a dataset that hides is never suggested");
}

#[test]
fn depth_is_bounded_and_long_chains_are_not() {
    let fixture = Fixture::new();
    let chain = format!("SELECT 1 FROM people WHERE {} true", "id = 1 OR ".repeat(900));
    assert!(fixture.resolve(&chain).is_ok());
    let unions = format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(200));
    assert!(fixture.resolve(&unions).is_ok());
    let nested = (0..8).fold("people".to_owned(), |inner, n| format!("(SELECT id FROM {inner} AS a{n})"));
    assert!(fixture.resolve(&format!("SELECT id FROM {nested} AS x")).is_ok());
    let scalar = (0..8).fold("id".to_owned(), |inner, _| format!("(SELECT {inner} FROM people WHERE id = 1)"));
    assert!(fixture.resolve(&format!("SELECT {scalar}")).is_ok());
    let many = (0..40).fold("1".to_owned(), |inner, _| format!("(SELECT {inner})"));
    assert_eq!(fixture.error(&format!("SELECT {many}")).sqlstate.0, "54001");
    let deep = format!("SELECT {}1{}", "(".repeat(250), ")".repeat(250));
    assert_eq!(fixture.error(&deep).sqlstate.0, "54001");
}
