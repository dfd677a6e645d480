//! Sessions over a canned engine, as transcripts: what a client sends, what it is told, what the audit log has.
//!
//! `QUERYGATE_UPDATE=1` writes the answers that were found into the files; read them before you keep them.

mod drive;
mod fake;

use super::*;
use drive::Driver;
use std::fmt::Write;

/// Runs every section of a file in a session of its own, and compares.
///
/// `# name` begins a section, `> …` is an input (see [`Driver::input`]), the lines below are the answer.
async fn check(file: &str) {
    let path = std::path::Path::new(file!()).with_file_name(file);
    let expected = std::fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    let mut driver = Driver::start(&[]);
    for line in expected.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            let gap = if found.is_empty() { "" } else { "\n" };
            writeln!(found, "{gap}# {name}").unwrap();
            driver = Driver::start(&[]);
        } else if let Some(input) = line.strip_prefix("> ") {
            writeln!(found, "> {input}").unwrap();
            for answer in driver.input(input).await {
                writeln!(found, "{answer}").unwrap();
            }
        }
    }
    if std::env::var_os("QUERYGATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    for (number, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, expected, "{file}, line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{file} has more or fewer answers");
}

#[tokio::test]
async fn settings_as_transcripts() {
    check("settings.transcript").await;
}

#[tokio::test]
async fn transactions_as_transcripts() {
    check("transactions.transcript").await;
}

#[tokio::test]
async fn prepared_statements_as_transcripts() {
    check("prepared.transcript").await;
}

#[tokio::test]
async fn portals_as_transcripts() {
    check("portals.transcript").await;
}

#[tokio::test]
async fn cursors_as_transcripts() {
    check("cursors.transcript").await;
}

#[tokio::test]
async fn queries_copies_and_explanations_as_transcripts() {
    check("queries.transcript").await;
}

#[tokio::test]
async fn the_audit_log_as_transcripts() {
    check("audit.transcript").await;
}

#[test]
fn there_are_at_least_eighty_transcripts() {
    let files = ["settings", "transactions", "prepared", "portals", "cursors", "queries", "audit"];
    let sections = files.iter().map(|name| {
        let path = std::path::Path::new(file!()).with_file_name(format!("{name}.transcript"));
        std::fs::read_to_string(path).unwrap().lines().filter(|line| line.starts_with("# ")).count()
    });
    assert!(sections.sum::<usize>() >= 80);
}

#[test]
fn a_session_may_move_between_threads() {
    fn is_send<T: Send>() {}
    fn future_is_send<F: Future + Send>(_: impl FnOnce() -> F) {}
    is_send::<Session>();
    is_send::<Reply>();
    future_is_send(|| async {
        let mut driver = Driver::start(&[]);
        driver.session.execute("", 0).await
    });
    future_is_send(|| async {
        let mut driver = Driver::start(&[]);
        let statements = driver.session.begin_query_string("SELECT 1").await.unwrap();
        for statement in statements {
            driver.session.run(statement, &Default::default()).await.unwrap();
        }
    });
}

#[test]
fn a_new_connection_is_told_what_postgresql_tells() {
    let driver = Driver::start(&[("application_name", "psql"), ("TimeZone", "Europe/Berlin")]);
    let told = driver.session.parameter_status();
    assert_eq!(told.len(), 13);
    for pair in [("TimeZone", "Europe/Berlin"), ("application_name", "psql"), ("session_authorization", "ana")] {
        assert!(told.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?}");
    }
}

#[test]
fn a_connection_with_an_unknown_parameter_does_not_begin() {
    let error = drive::try_start(&[("nonsense", "1")]).map(|_| ()).unwrap_err();
    assert_eq!(error.sqlstate.0, "42704");
}

#[tokio::test]
async fn a_dropped_query_leaves_a_session_that_goes_on() {
    let mut driver = Driver::start(&[]);
    driver.input("Q BEGIN").await;
    driver.input("P s SELECT n FROM slow").await;
    driver.input("B p s").await;
    let cut = tokio::time::timeout(std::time::Duration::from_millis(20), driver.session.execute("p", 0)).await;
    assert!(cut.is_err());
    let error = crate::error::ErrorReport::new(crate::error::SqlState::QUERY_CANCELED, "canceled");
    driver.session.cancelled(&error).await;
    assert_eq!(driver.session.transaction_status(), TransactionStatus::Failed);
    assert_eq!(driver.input("S").await, ["Z E"]);
    assert_eq!(driver.input("Q ROLLBACK").await, ["C ROLLBACK", "Z I"]);
    assert_eq!(driver.input("Q SELECT n FROM one").await, ["T n:23", "D 1", "C SELECT 1", "Z I"]);
}

#[tokio::test]
async fn a_dropped_move_ends_its_cursor() {
    let mut driver = Driver::start(&[]);
    driver.input("Q BEGIN; DECLARE c CURSOR FOR SELECT n FROM stuck").await;
    let statement = driver.session.begin_query_string("MOVE ALL c").await.unwrap().remove(0);
    let budget = Default::default();
    let moving = driver.session.run(statement, &budget);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(20), moving).await.is_err());
    driver.session.end_query_string(false).await.unwrap();
    assert_eq!(driver.input("Q FETCH c").await, ["E 34000 cursor \"c\" does not exist", "Z E"]);
}

#[tokio::test]
async fn a_move_is_held_to_the_statement_timeout() {
    let mut driver = Driver::start(&[("statement_timeout", "20ms")]);
    driver.input("Q BEGIN; DECLARE c CURSOR FOR SELECT n FROM stuck").await;
    assert_eq!(driver.input("Q MOVE ALL c").await, ["E 57014 canceling statement due to statement timeout", "Z E"]);
}

#[tokio::test]
async fn rows_that_come_back_after_their_portal_was_closed_end_well() {
    let mut driver = Driver::start(&[]);
    for line in ["Q BEGIN", "P s SELECT n FROM ten", "B p s"] {
        driver.input(line).await;
    }
    let Reply::Rows(reply) = driver.session.execute("p", 3).await.unwrap() else { panic!("no rows") };
    driver.session.close_portal("p");
    driver.input("B p s").await;
    driver.session.finish_rows(reply.ticket, reply.rows, RowsEnd::Suspended);
    assert_eq!(driver.input("E p 1").await.first().map(String::as_str), Some("D 1"));
    assert!(driver.engine.log().iter().any(|line| line.starts_with("end success 0 rows")));
}

#[tokio::test]
async fn a_lost_result_cannot_be_resumed() {
    let mut driver = Driver::start(&[]);
    for line in ["Q BEGIN", "P s SELECT n FROM ten", "B p s"] {
        driver.input(line).await;
    }
    drop(driver.session.execute("p", 3).await.unwrap());
    assert_eq!(driver.input("E p 3").await, ["E 34000 portal \"p\" does not exist"]);
}

#[tokio::test]
async fn a_session_holds_a_bounded_number_of_things() {
    let mut driver = Driver::start(&[]);
    driver.input("Q BEGIN").await;
    for n in 0..1_000 {
        driver.input(&format!("P s{n} SELECT n FROM one")).await;
        driver.input(&format!("B p{n} s{n}")).await;
    }
    assert_eq!(driver.input("B more s1").await, ["E 54000 a session has at most 1000 portals and cursors"]);
    assert_eq!(driver.input("S").await, ["Z E"]);
    driver.input("Q ROLLBACK").await;
    assert_eq!(
        driver.input("P more SELECT n FROM one").await,
        ["E 54000 a session has at most 1000 prepared statements"]
    );
}

#[tokio::test]
async fn what_a_statement_may_know_follows_the_settings() {
    let mut driver = Driver::start(&[]);
    driver
        .input(
            "Q SET querygate.purpose = 'audit'; SET querygate.notices = on; SET search_path = a, \"B\"; \
             SET timezone = '-8'; SET statement_timeout = '5s'; SET application_name = 'excel'",
        )
        .await;
    let context = driver.session.context();
    assert_eq!(context.purpose.as_deref(), Some("audit"));
    assert!(context.notices);
    assert_eq!(context.search_path, ["a", "B"]);
    assert_eq!(context.time_zone, "-08:00");
    assert_eq!(context.statement_timeout, Some(std::time::Duration::from_secs(5)));
    assert_eq!(context.environment.application_name, "excel");
    assert_eq!(context.settings.get("timezone"), Some("<-08>+08"));
    driver.input("Q RESET ALL").await;
    assert_eq!(driver.session.context().purpose, None);
    assert_eq!(driver.session.statement_timeout(), None);
}

#[tokio::test]
async fn idle_bounds_follow_the_transaction() {
    let mut driver = Driver::start(&[("idle_session_timeout", "1min"), ("idle_in_transaction_session_timeout", "10s")]);
    assert_eq!(driver.session.idle_timeout(), Some(std::time::Duration::from_secs(60)));
    driver.input("Q BEGIN").await;
    assert_eq!(driver.session.idle_timeout(), Some(std::time::Duration::from_secs(10)));
}
