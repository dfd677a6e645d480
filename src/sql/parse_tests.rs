//! What is read, what is refused and where, and what hostile texts get.

use super::*;
use crate::error::SqlState;
use sqlparser::ast::BinaryOperator;
use std::time::{Duration, Instant};

fn read(sql: &str) -> Result<Vec<ParsedStatement>, ParseError> {
    parse(sql, &ParseBounds::default())
}

/// On a thread with half of the stack that the bounds are made for: read, copy, compare, show, print, classify and drop.
fn on_a_small_stack(sql: String) -> Result<(), ParseError> {
    let work = move || {
        let read = read(&sql)?;
        for statement in &read {
            let copy = statement.tree().clone();
            assert!(copy == *statement.tree());
            assert!(!format!("{copy:?}{copy}").is_empty());
            let _ = crate::sql::command(statement);
        }
        Ok(())
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap()
}

fn state(sql: String) -> Option<SqlState> {
    on_a_small_stack(sql).err().map(|error| error.report().sqlstate)
}

#[test]
fn several_statements_and_none() {
    assert_eq!(read("").unwrap().len(), 0);
    assert_eq!(read(" ; -- x\n ;/* */").unwrap().len(), 0);
    let all = read("SELECT ';' ; ; SET a = 'b;c'; SELECT $2").unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[2].parameters(), 2);
    assert_eq!(all[1].sanitized().as_str(), "SET a = ?");
    assert_eq!(all[0].fingerprint(), read("select 'x'").unwrap()[0].fingerprint());
}

#[test]
fn syntax_errors_are_postgresqls_with_their_place() {
    for (sql, message, position) in [
        ("SELEC 1", "syntax error at or near \"SELEC\"", Some(1)),
        ("SELECT é FROM FROM t", "syntax error at or near \"FROM\"", Some(15)),
        ("SELECT a b c, c FROM t", "syntax error at or near \"c\"", Some(12)),
        ("SELECT (1", "syntax error at end of input", Some(10)),
        ("SELECT 'a", "unterminated quoted string at or near \"'a\"", Some(8)),
        ("SELECT 1a", "trailing junk after numeric literal at or near \"1a\"", Some(8)),
        ("SELECT 1; SELECT * FRM t", "syntax error at or near \"FRM\"", Some(20)),
        ("SELECT TOP 5 * FROM t", "syntax error at or near \"5\"", Some(12)),
        ("SELECT * FROM `t`", "syntax error at or near \"`\"", Some(15)),
        ("SELECT * FROM '/etc/passwd'", "syntax error at or near \"'/etc/passwd'\"", Some(15)),
        ("FROM t SELECT a", "syntax error at or near \"FROM\"", Some(1)),
    ] {
        let report = read(sql).expect_err(sql).report();
        let found = (report.sqlstate, report.message.as_str(), report.position);
        assert_eq!(found, (SqlState::SYNTAX_ERROR, message, position), "{sql}");
    }
}

#[test]
fn what_only_postgresql_reads_is_not_supported_yet() {
    for sql in [
        "SELECT 0x42F",
        "SELECT 0b101",
        "SELECT 1_000",
        // An operator of its own in PostgreSQL: `!=-`.
        "SELECT a!=-1",
        "SELECT U&\"d\\0061ta\"",
        "SELECT 'a'\n'b'",
        "SELECT U&'d!0061' UESCAPE '!'",
    ] {
        let report = read(sql).expect_err(sql).report();
        assert_eq!(report.sqlstate, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
        assert!(report.hint.is_some() && report.position.is_some(), "{sql}: {report:?}");
    }
}

#[test]
fn nul_is_refused() {
    let report = read("SELECT 'é\0'").unwrap_err().report();
    assert_eq!((report.sqlstate, report.position), (SqlState::CHARACTER_NOT_IN_REPERTOIRE, Some(10)));
}

#[test]
fn everyday_queries_are_read() {
    for sql in [
        "SELECT a<>-1, a>-1, a>=-1, a<=-1, a=-1, a||- 1, a*-1 FROM t",
        "SELECT a->'b'->>'c', a::int::text, a[1], a[2:3] FROM t",
        "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default",
        "SELECT * FROM generate_series(1, 3) AS g(n), LATERAL unnest(ARRAY[1, 2]) WITH ORDINALITY AS u(x, i)",
        "SELECT sum(a) FILTER (WHERE b) OVER w FROM t WINDOW w AS (PARTITION BY c ORDER BY d ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ()) HAVING count(*) > 1 ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET 5",
        "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a FETCH FIRST 5 ROWS ONLY",
        "SELECT extract(year FROM d), d AT TIME ZONE 'UTC', INTERVAL '1 day', DATE '2024-01-01', CAST(x AS numeric(10, 2)) FROM t",
        "SELECT substring(a FROM 1 FOR 2), trim(both 'x' from a), position('a' IN b), overlay(a placing 'b' from 1) FROM t",
        "WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "SELECT * FROM a LEFT JOIN b USING (id) NATURAL JOIN c CROSS JOIN d",
        "SELECT x IS DISTINCT FROM y, x NOT IN (SELECT 1), x = ANY (ARRAY[1]), x BETWEEN SYMMETRIC 1 AND 2 FROM t",
        "TABLE t",
        "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
        "VALUES (1, 'a'), (2, 'b')",
    ] {
        match read(sql) {
            Ok(_) => {}
            // Known gaps of the parser; they must be refused, never misread.
            Err(ParseError::Unsupported { .. }) if sql.contains("SYMMETRIC") => {}
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }
}

#[test]
fn names_and_constants_know_their_position() {
    use sqlparser::ast::{SelectItem, SetExpr};
    let all = read("SELECT 'é',\n x").unwrap();
    let SetExpr::Select(select) = &*all[0].query().unwrap().body else { panic!() };
    let SelectItem::UnnamedExpr(Expr::Identifier(x)) = &select.projection[1] else { panic!() };
    assert_eq!((x.span.start.line, x.span.start.column), (1, 14));
}

#[test]
fn queries_that_write_lock_or_leave_the_dialect_are_refused() {
    for sql in [
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SELECT * INTO u FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM (SELECT * FROM t FOR SHARE) x",
        "SELECT 1 WHERE EXISTS (SELECT * FROM t FOR UPDATE)",
    ] {
        let refused = match read(sql) {
            Ok(all) => crate::sql::command(&all[0]).expect_err(sql).report().sqlstate,
            Err(error) => error.report().sqlstate,
        };
        assert_eq!(refused, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
    }
}

#[test]
fn hostile_shapes_are_answered_on_a_small_stack() {
    let many = 10_000;
    for sql in [
        format!("SELECT {}1{}", "(".repeat(many), ")".repeat(many)),
        format!("SELECT {}1", "(".repeat(many)),
        format!("SELECT 1{}", " + 1".repeat(many)),
        format!("SELECT 1{}", " OR a = 1".repeat(many)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(many)),
        format!("SELECT {}1", "- ".repeat(many)),
        format!("SELECT {}true", "NOT ".repeat(many)),
        format!("SELECT a{}", "::int".repeat(many)),
        format!("SELECT a{}", "[1]".repeat(many)),
        format!("SELECT 1::int{}", "[]".repeat(many)),
        format!("SELECT {}1{}", "f(".repeat(many), ")".repeat(many)),
        format!("SELECT {}1{}", "CASE WHEN ".repeat(many), " THEN 1 END".repeat(many)),
        format!("SELECT * FROM t{}", " JOIN t ON true".repeat(many)),
        format!("SELECT a{} FROM t", " IS NULL".repeat(many)),
        format!("SELECT a{} FROM t", " COLLATE \"C\"".repeat(many)),
        format!("SELECT a{} FROM t", ".a".repeat(many)),
        "x".repeat(16 << 20),
        "SELECT 1;".repeat(100_000),
    ] {
        let shown: String = sql.chars().take(40).collect();
        assert_eq!(state(sql), Some(SqlState::STATEMENT_TOO_COMPLEX), "{shown}");
    }
}

#[test]
fn the_largest_shapes_that_pass_are_safe_on_a_small_stack() {
    let bounds = ParseBounds::default();
    type Shape = fn(usize) -> String;
    let shapes: [(&str, Shape); 13] = [
        ("or", |n| format!("SELECT 1{}", " OR a".repeat(n))),
        ("plus", |n| format!("SELECT 1{}", " + 1".repeat(n))),
        ("not", |n| format!("SELECT {}true", "NOT ".repeat(n))),
        ("parentheses", |n| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n))),
        ("calls", |n| format!("SELECT {}1{}", "f(".repeat(n), ")".repeat(n))),
        ("case", |n| format!("SELECT {}1{}", "CASE WHEN ".repeat(n), " THEN 1 END".repeat(n))),
        ("unions", |n| format!("SELECT 1{}", " UNION SELECT 1".repeat(n))),
        ("from", |n| format!("{}SELECT 1{}", "SELECT * FROM (".repeat(n), ") t".repeat(n))),
        ("in", |n| format!("SELECT 1 WHERE {}1{}", "a IN (SELECT ".repeat(n), ")".repeat(n))),
        ("with", |n| format!("{}SELECT 1{}", "WITH t AS (".repeat(n), ") SELECT * FROM t".repeat(n))),
        ("casts", |n| format!("SELECT a{}", "::int".repeat(n))),
        ("arrays", |n| format!("SELECT {}1{}", "ARRAY[".repeat(n), "]".repeat(n))),
        ("joins", |n| format!("SELECT * FROM {}t{}", "(".repeat(n), " JOIN t ON true)".repeat(n))),
    ];
    for (name, shape) in shapes {
        let fits = |n: &usize| {
            let sql = shape(*n);
            let all: Vec<_> = tokens(&sql).map(Result::unwrap).collect();
            measure(&all, &bounds).is_ok()
        };
        let most = (1..=bounds.max_depth + 1).rev().find(fits).unwrap();
        let before = Instant::now();
        assert_eq!(state(shape(most)), None, "{name} {most}");
        assert!(before.elapsed() < Duration::from_secs(20), "{name} {most}: {:?}", before.elapsed());
        println!("{name}: {most} in {:?}", before.elapsed());
    }
}

#[test]
fn large_flat_statements_pass() {
    let list = (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let parameters = (1..=65_535).map(|n| format!("${n}")).collect::<Vec<_>>().join(",");
    let columns = (0..1_600).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
    for sql in [
        format!("SELECT 1 WHERE a IN ({list})"),
        format!("SELECT 1 WHERE a IN ({parameters})"),
        format!("SELECT {columns} FROM t"),
    ] {
        assert_eq!(state(sql), None);
    }
}

#[test]
fn nested_forms_cost_no_more_than_their_length() {
    let before = Instant::now();
    for sql in [
        format!("SELECT {}1{}", "round(".repeat(25), ")".repeat(25)),
        format!("SELECT {}1{}", "coalesce(position('a' in ".repeat(12), "), 1)".repeat(12)),
        format!("SELECT {}1{}", "cast(".repeat(25), " AS int)".repeat(25)),
        format!("SELECT {}a{}", "substring(".repeat(25), " SIMILAR b ESCAPE c)".repeat(25)),
        format!("SELECT {}a{}", "substring(trim(both from ".repeat(12), ") FROM 2)".repeat(12)),
    ] {
        assert_eq!(state(sql), None);
    }
    // Where something inside is not taken, each level is read twice: the fuel ends it.
    let gap = "a BETWEEN SYMMETRIC 1 AND 2";
    for sql in [
        format!("SELECT {}{gap}{}", "cast(".repeat(25), " AS int)".repeat(25)),
        format!("SELECT {}{gap}{}", "CASE WHEN ".repeat(25), " THEN 1 END".repeat(25)),
        format!("SELECT {}{gap}{}", "position('a' in ".repeat(25), ")".repeat(25)),
        format!("SELECT * FROM {}(SELECT {gap}) t{}", "((SELECT * FROM ".repeat(8), ") t)".repeat(8)),
    ] {
        assert!(read(&sql).is_err());
    }
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[test]
fn a_word_names_a_column_or_a_table_wherever_it_does_in_postgresql() {
    // Here PostgreSQL means something else than a name.
    const OTHERWISE: &[&str] = &["FULL", "INNER", "LEFT", "NATURAL", "NOTNULL", "RIGHT"];
    let (mut named, mut refused) = (0, std::collections::BTreeSet::new());
    for word in sqlparser::keywords::ALL_KEYWORDS.iter().filter(|word| !OTHERWISE.contains(word)) {
        for (sql, tree) in [
            (format!("SELECT 1 {word}"), format!("SELECT 1 AS {word}")),
            (format!("SELECT 1 FROM t {word}"), format!("SELECT 1 FROM t {word}")),
            (format!("SELECT 1 FROM t {word} JOIN u ON true"), format!("SELECT 1 FROM t {word} JOIN u ON true")),
        ] {
            if pg_query::split_with_parser(&sql).is_err() {
                continue;
            }
            match read(&sql) {
                Ok(all) => assert_eq!(all[0].tree().to_string(), tree),
                Err(error) => {
                    assert_eq!(error.report().sqlstate, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
                    refused.insert(*word);
                }
            }
            named += 1;
        }
    }
    assert!(named > 1_000, "{named}");
    // Words that sqlparser takes for operators.
    let operators = [
        "AND", "BETWEEN", "COLLATE", "DIV", "ILIKE", "IN", "IS", "LIKE", "MATCH", "MEMBER", "OPERATOR", "OR", "REGEXP",
        "RLIKE", "SIMILAR", "XOR",
    ];
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), operators);
    assert_eq!(read("SELECT a ISNULL FROM t").unwrap()[0].tree().to_string(), "SELECT a IS NULL FROM t");
}

#[test]
fn a_policys_expression_binds_as_in_postgresql() {
    let read = super::read_expression("flag IS DISTINCT FROM true AND region = :region").unwrap();
    assert!(matches!(read, Expr::BinaryOp { op: BinaryOperator::And, .. }), "{read:?}");
    let read = super::read_expression("name ~ '^A' || :rest").unwrap();
    assert!(matches!(read, Expr::BinaryOp { op: BinaryOperator::StringConcat, .. }), "{read:?}");
    let told = super::read_expression("- n COLLATE \"C\"").unwrap_err();
    assert!(told.ends_with("put parentheses where they matter"), "{told}");
    assert!(super::read_expression("a = 1 )").is_err());
}

#[test]
fn joins_nest_without_parentheses() {
    for (sql, same) in [
        (
            "SELECT 1 FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x",
            "SELECT 1 FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x",
        ),
        (
            "SELECT 1 FROM a LEFT JOIN b INNER JOIN c USING (x) FULL JOIN d ON true ON a.x = b.x CROSS JOIN e",
            "SELECT 1 FROM a LEFT JOIN (b INNER JOIN c USING (x) FULL JOIN d ON true) ON a.x = b.x CROSS JOIN e",
        ),
        ("SELECT 1 FROM a JOIN b ON true JOIN c ON true", "SELECT 1 FROM a JOIN b ON true JOIN c ON true"),
        ("SELECT 1 FROM a CROSS JOIN b JOIN c ON true", "SELECT 1 FROM a CROSS JOIN b JOIN c ON true"),
        ("SELECT 1 FROM a NATURAL JOIN b JOIN c ON true", "SELECT 1 FROM a NATURAL JOIN b JOIN c ON true"),
    ] {
        assert_eq!(read(sql).unwrap()[0].tree(), read(same).unwrap()[0].tree(), "{sql}");
    }
    // Each nests in the one before: they are bounded as parentheses are.
    let nested = |times: usize| format!("SELECT 1 FROM a{}{}", " LEFT JOIN a".repeat(times), " ON true".repeat(times));
    assert_eq!(state(nested(10)), None);
    for times in [100, 499, 5_000] {
        assert_eq!(state(nested(times)), Some(SqlState("54001")), "{times}");
    }
    assert_eq!(state(format!("SELECT 1 FROM a{}", " JOIN a ON true".repeat(400))), None);
    assert_eq!(state(format!("SELECT 1 FROM a{}", " NATURAL JOIN a".repeat(400))), None);
}
