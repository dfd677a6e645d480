//! Every statement for the session in every spelling, and every refusal.

use super::*;
use crate::error::{ErrorReport, SqlState};
use crate::sql::{
    Command, CopyFormat, ExplainFormat, Fetch, FetchDirection, ForceQuote, ParseBounds, ParsedStatement, command,
    literal, parse,
};
use postgres_types::Type;

fn one(sql: &str) -> ParsedStatement {
    let mut all = parse(sql, &ParseBounds::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(all.len(), 1, "{sql}");
    all.remove(0)
}

fn refused(sql: &str) -> ErrorReport {
    command(&one(sql)).expect_err(sql).report()
}

fn set(sql: &str) -> (String, Option<String>, bool) {
    match command(&one(sql)).unwrap() {
        Command::Set(set) => (set.name.clone(), set.value.as_text(), set.local),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn settings_in_every_spelling() {
    for (sql, name, value) in [
        ("SET querygate.purpose = 'a b'", "querygate.purpose", Some("a b")),
        ("SET Querygate.Notices TO on", "querygate.notices", Some("on")),
        ("SET SESSION statement_timeout = 5000", "statement_timeout", Some("5000")),
        ("SET extra_float_digits = 3", "extra_float_digits", Some("3")),
        ("SET x TO -1", "x", Some("-1")),
        ("SET search_path TO public, \"My Schema\"", "search_path", Some("public, My Schema")),
        ("SET DateStyle = ISO, MDY", "datestyle", Some("iso, mdy")),
        ("SET TIME ZONE 'UTC'", "timezone", Some("UTC")),
        ("SET TIME ZONE LOCAL", "timezone", None),
        ("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", "timezone", Some("-08:00")),
        ("SET NAMES 'UTF8'", "client_encoding", Some("UTF8")),
        ("SET client_encoding TO 'UTF8'", "client_encoding", Some("UTF8")),
        (r"SET application_name = E'a\'b'", "application_name", Some("a'b")),
        ("SET x TO DEFAULT", "x", None),
        ("SET SCHEMA 'public'", "search_path", Some("public")),
    ] {
        assert_eq!(set(sql), (name.to_owned(), value.map(str::to_owned), false), "{sql}");
    }
    assert!(set("SET LOCAL a = b").2);
    for (sql, name) in [
        ("SET ROLE NONE", "role"),
        ("SET SESSION ROLE 'none'", "role"),
        ("SET role = none", "role"),
        ("SET role TO DEFAULT", "role"),
        ("SET SESSION AUTHORIZATION DEFAULT", "session_authorization"),
        ("SET SESSION SESSION AUTHORIZATION DEFAULT", "session_authorization"),
        ("SET session_authorization TO DEFAULT", "session_authorization"),
    ] {
        assert_eq!(set(sql), (name.to_owned(), None, false), "{sql}");
    }
    assert!(set("SET LOCAL ROLE none").2 && set("SET LOCAL SESSION AUTHORIZATION DEFAULT").2);
}

#[test]
fn transactions_in_every_spelling() {
    use IsolationLevel::*;
    use TransactionMode::*;
    for (sql, modes) in [
        ("BEGIN", vec![]),
        ("BEGIN WORK", vec![]),
        ("START TRANSACTION", vec![]),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", vec![Isolation(RepeatableRead), ReadOnly]),
        ("BEGIN TRANSACTION READ WRITE NOT DEFERRABLE", vec![ReadWrite, Deferrable(false)]),
        (
            "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
            vec![Isolation(Serializable), ReadOnly, Deferrable(true)],
        ),
    ] {
        let begun = if sql.starts_with("START") { Command::StartTransaction(&modes) } else { Command::Begin(&modes) };
        assert_eq!(command(&one(sql)).unwrap(), begun, "{sql}");
    }
    for (sql, expected) in [
        ("COMMIT", Command::Commit { chain: false }),
        ("END WORK AND CHAIN", Command::Commit { chain: true }),
        ("ROLLBACK AND NO CHAIN", Command::Rollback { chain: false }),
        ("ABORT TRANSACTION", Command::Rollback { chain: false }),
        ("ROLLBACK TO SAVEPOINT A", Command::RollbackTo("a")),
        ("ROLLBACK TRANSACTION TO a", Command::RollbackTo("a")),
        ("ROLLBACK TO savepoint", Command::RollbackTo("savepoint")),
        ("SAVEPOINT \"A\"", Command::Savepoint("A")),
        ("RELEASE SAVEPOINT a", Command::Release("a")),
        ("RELEASE a", Command::Release("a")),
        ("DISCARD ALL", Command::Discard(Discard::All)),
        ("DISCARD TEMPORARY", Command::Discard(Discard::Temp)),
        ("UNLISTEN *", Command::Unlisten),
        ("DEALLOCATE ALL", Command::Deallocate(&Target::All)),
        ("DEALLOCATE PREPARE x", Command::Deallocate(&Target::Named("x".into()))),
        ("DEALLOCATE PREPARE ALL", Command::Deallocate(&Target::All)),
        ("CLOSE ALL", Command::CloseCursor(&Target::All)),
        ("RESET ALL", Command::Reset(&Target::All)),
        ("RESET TIME ZONE", Command::Reset(&Target::Named("timezone".into()))),
        ("SHOW ALL", Command::Show(&Target::All)),
        ("SHOW querygate.purpose", Command::Show(&Target::Named("querygate.purpose".into()))),
        ("SHOW TRANSACTION ISOLATION LEVEL", Command::Show(&Target::Named("transaction_isolation".into()))),
        ("SET TRANSACTION READ ONLY", Command::SetTransaction(&[ReadOnly])),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::SetSessionCharacteristics(&[ReadOnly])),
    ] {
        let statement = one(sql);
        assert_eq!(command(&statement).unwrap(), expected, "{sql}");
    }
}

#[test]
fn cursors_move_as_postgresql_moves_them() {
    use FetchDirection::*;
    for (sql, direction) in [
        ("c", Forward(1)),
        ("FROM c", Forward(1)),
        ("NEXT FROM c", Forward(1)),
        ("PRIOR c", Backward(1)),
        ("FIRST IN c", Absolute(1)),
        ("LAST c", Absolute(-1)),
        ("ABSOLUTE -3 c", Absolute(-3)),
        ("RELATIVE 2 FROM c", Relative(2)),
        ("100 FROM c", Forward(100)),
        ("-5 c", Backward(5)),
        ("0 c", Forward(0)),
        ("ALL c", ForwardAll),
        ("FORWARD c", Forward(1)),
        ("FORWARD 7 c", Forward(7)),
        ("FORWARD ALL IN c", ForwardAll),
        ("BACKWARD c", Backward(1)),
        ("BACKWARD 7 c", Backward(7)),
        ("BACKWARD -7 c", Forward(7)),
        ("BACKWARD ALL c", BackwardAll),
    ] {
        let expected = Fetch { direction, cursor: "c".into() };
        assert_eq!(command(&one(&format!("FETCH {sql}"))).unwrap(), Command::Fetch(&expected), "{sql}");
        assert_eq!(command(&one(&format!("MOVE {sql}"))).unwrap(), Command::Move(&expected), "{sql}");
    }
    let statement = one("DECLARE \"C\" BINARY NO SCROLL CURSOR WITH HOLD FOR SELECT 1 WHERE a = 'x'");
    let Command::Declare(declare) = command(&statement).unwrap() else { panic!() };
    assert_eq!((declare.name.as_str(), declare.binary, declare.scroll, declare.hold), ("C", true, Some(false), true));
    assert_eq!(declare.query.sanitized().as_str(), "SELECT ? WHERE a = ?");
    assert!(matches!(command(&declare.query), Ok(Command::Query)));
}

#[test]
fn prepared_statements() {
    let statement = one("PREPARE P (int, varchar(10), timestamp(3) with time zone, text[]) AS SELECT $1, $2");
    let Command::Prepare(prepare) = command(&statement).unwrap() else { panic!() };
    assert_eq!(prepare.name, "p");
    assert_eq!(prepare.types, [Type::INT4, Type::VARCHAR, Type::TIMESTAMPTZ, Type::TEXT_ARRAY]);
    assert_eq!(prepare.statement.parameters(), 2);
    let statement = one("EXECUTE p (1, 'a''b', NULL, -2.5, DATE '2024-01-01', 'x'::text)");
    let Command::Execute(execute) = command(&statement).unwrap() else { panic!() };
    let values: Vec<_> = execute.arguments.iter().map(|argument| literal::constant(argument).unwrap().value).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(values, [text("1"), text("a'b"), None, text("-2.5"), text("2024-01-01"), text("x")]);
    assert_eq!(refused("PREPARE p AS INSERT INTO t VALUES (1)").sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
    assert_eq!(refused("PREPARE p (nosuch) AS SELECT 1").sqlstate, SqlState::UNDEFINED_OBJECT);
}

#[test]
fn explain_takes_postgresql_options_and_governance() {
    for (sql, governance, analyze, verbose, format) in [
        ("EXPLAIN SELECT 1", false, false, false, ExplainFormat::Text),
        ("EXPLAIN (SELECT 1)", false, false, false, ExplainFormat::Text),
        ("EXPLAIN ((SELECT 1))", false, false, false, ExplainFormat::Text),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", false, true, true, ExplainFormat::Text),
        ("EXPLAIN (GOVERNANCE) SELECT 1", true, false, false, ExplainFormat::Text),
        ("EXPLAIN (GOVERNANCE, FORMAT JSON) SELECT 1", true, false, false, ExplainFormat::Json),
        ("EXPLAIN (ANALYZE, BUFFERS off, FORMAT 'json', COSTS 0) SELECT 1", false, true, false, ExplainFormat::Json),
        ("EXPLAIN (GOVERNANCE off, VERBOSE true) EXECUTE p(1)", false, false, true, ExplainFormat::Text),
    ] {
        let statement = one(sql);
        let Command::Explain(explain) = command(&statement).unwrap() else { panic!("{sql}") };
        let found = (explain.governance, explain.analyze, explain.verbose, explain.format);
        assert_eq!(found, (governance, analyze, verbose, format), "{sql}");
    }
    assert_eq!(refused("EXPLAIN (NOSUCH) SELECT 1").message, "unrecognized EXPLAIN option \"nosuch\"");
    assert_eq!(refused("EXPLAIN INSERT INTO t VALUES (1)").sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
}

#[test]
fn copy_out_and_nothing_else() {
    let copy = |sql: &str| match command(&one(sql)).unwrap() {
        Command::CopyOut(copy) => copy.clone(),
        other => panic!("{other:?}"),
    };
    let found = copy("COPY public.\"T\" (a, \"B\") TO STDOUT");
    assert_eq!(found.query.tree().to_string(), "SELECT a, \"B\" FROM public.\"T\"");
    assert_eq!(
        (found.options.format, found.options.delimiter, found.options.null.as_str()),
        (CopyFormat::Text, '\t', "\\N")
    );
    assert_eq!(copy("COPY t TO STDOUT").query.tree().to_string(), "SELECT * FROM t");
    let found = copy(
        "COPY (SELECT 1 UNION (SELECT 2)) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE (a), ENCODING 'UTF8')",
    );
    assert_eq!(found.query.tree().to_string(), "SELECT 1 UNION (SELECT 2)");
    assert_eq!((found.options.header, found.options.delimiter, found.options.quote), (true, ';', '"'));
    assert_eq!(found.options.force_quote, ForceQuote::Columns(vec!["a".into()]));
    assert_eq!(found.options.encoding.as_deref(), Some("utf8"));
    let found = copy("COPY t TO STDOUT CSV HEADER NULL AS 'n' QUOTE AS ''''");
    assert_eq!((found.options.format, found.options.null.as_str(), found.options.quote), (CopyFormat::Csv, "n", '\''));
    assert_eq!(copy("COPY t TO STDOUT BINARY").options.format, CopyFormat::Binary);
    for sql in [
        "COPY t FROM STDIN",
        "COPY t TO '/etc/passwd'",
        "COPY t TO PROGRAM 'sh'",
        "COPY (INSERT INTO t VALUES (1) RETURNING a) TO STDOUT",
    ] {
        assert_eq!(refused(sql).sqlstate, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
    }
    assert_eq!(refused("COPY t TO STDOUT (FORMAT csv, DELIMITER '\"')").sqlstate, SqlState::INVALID_PARAMETER_VALUE);
    assert_eq!(refused("COPY t TO STDOUT (QUOTE 'x')").message, "COPY QUOTE requires CSV mode");
    assert_eq!(refused("COPY t TO STDOUT (FORMAT csv, FORMAT text)").sqlstate, SqlState::SYNTAX_ERROR);
}

#[test]
fn what_writes_is_taken_apart() {
    let query = |sql: &str| match command(&one(sql)).unwrap() {
        Command::Write(write) => (write.query.to_string(), write.returning),
        other => panic!("{sql}: {other:?}"),
    };
    for (sql, expected, returning) in [
        ("INSERT INTO t VALUES (1)", "SELECT 1, t.* FROM t WHERE EXISTS (VALUES (1))", false),
        (
            "INSERT INTO s.t AS x (a, \"B\") SELECT 1, 2 FROM u RETURNING *",
            "SELECT 1, *, x.a, x.\"B\" FROM s.t AS x WHERE EXISTS (SELECT 1, 2 FROM u)",
            true,
        ),
        ("UPDATE t SET a = 1, b = a + $1", "SELECT 1, 1, a + $1, t.a, t.b FROM t", false),
        (
            "UPDATE t x SET a = 1 FROM u JOIN v ON true, w WHERE x.a = 2 RETURNING a",
            "SELECT 1, 1, a, x.a FROM t AS x, u JOIN v ON true, w WHERE x.a = 2",
            true,
        ),
        ("DELETE FROM t", "SELECT 1 FROM t", false),
        (
            "DELETE FROM t AS x USING u WHERE u.a = x.a RETURNING x.a, u.a",
            "SELECT 1, x.a, u.a FROM t AS x, u WHERE u.a = x.a",
            true,
        ),
    ] {
        assert_eq!(query(sql), (expected.to_owned(), returning), "{sql}");
    }
}

#[test]
fn everything_else_is_refused_with_a_way_out() {
    for sql in [
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t (a) VALUES (DEFAULT)",
        "INSERT INTO t (a[1]) VALUES (1)",
        "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)",
        "UPDATE t SET a = DEFAULT",
        "UPDATE t SET (a, b) = (1, 2)",
        "UPDATE ONLY t SET a = 1",
        "UPDATE t SET a = 1 WHERE CURRENT OF c",
        "DELETE FROM ONLY t",
        "WITH a AS (SELECT 1) DELETE FROM t",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "TRUNCATE t",
        "CREATE TABLE t (a int)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE PUBLICATION p",
        "CREATE ROLE r",
        "ALTER SYSTEM SET a = b",
        "DROP TABLE t",
        "GRANT SELECT ON t TO u",
        "DO 'begin end'",
        "CALL p()",
        "SET ROLE bob",
        "SET role = bob",
        "SET LOCAL ROLE bob",
        "SET ROLE \"default\"",
        "SET session_authorization = 'none'",
        "SET SESSION AUTHORIZATION bob",
        "SET LOCAL SESSION AUTHORIZATION bob",
        "SET CONSTRAINTS ALL DEFERRED",
        "SET TRANSACTION SNAPSHOT 'x'",
        "LOCK TABLE t",
        "VACUUM t",
        "ANALYZE t",
        "CLUSTER t",
        "REINDEX TABLE t",
        "CHECKPOINT",
        "LISTEN a",
        "NOTIFY a",
        "LOAD 'x'",
        "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
        "COMMENT ON TABLE t IS 'x'",
        "SECURITY LABEL ON TABLE t IS 'x'",
        "REASSIGN OWNED BY a TO b",
        "REFRESH MATERIALIZED VIEW v",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
    ] {
        let report = refused(sql);
        assert_eq!(report.sqlstate, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
        assert!(report.hint.is_some(), "{sql}");
    }
}
