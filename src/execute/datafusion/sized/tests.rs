//! Values of a usual size pass, those that multiply end.

use super::*;
use datafusion::prelude::SessionContext;

async fn run(sql: &str) -> std::result::Result<usize, String> {
    let context = SessionContext::new();
    context.state_ref().write().register_rewrite();
    let batches = context.sql(sql).await.map_err(|error| error.to_string())?.collect().await;
    batches.map(|batches| batches.iter().map(|batch| batch.num_rows()).sum()).map_err(|error| {
        match super::super::error::report(&error).sqlstate {
            SqlState::PROGRAM_LIMIT_EXCEEDED => "too large".to_owned(),
            _ => error.to_string(),
        }
    })
}

trait Register {
    fn register_rewrite(&mut self);
}

impl Register for datafusion::execution::context::SessionState {
    fn register_rewrite(&mut self) {
        use datafusion::execution::FunctionRegistry;
        self.register_function_rewrite(Arc::new(BoundSizes)).unwrap();
    }
}

#[tokio::test]
async fn what_is_of_a_usual_size_is_as_it_was() {
    assert_eq!(run("SELECT replace('abc', 'b', 'x') || 'y', concat('a', NULL, 1), repeat('ab', 3)").await, Ok(1));
    assert_eq!(
        run("SELECT a || b, count(*) FROM (VALUES ('x', 'y'), ('x', 'y')) v(a, b) GROUP BY a || b").await,
        Ok(1)
    );
    assert_eq!(run("SELECT repeat('x', 100) || value FROM generate_series(1, 20000)").await, Ok(20_000));
    assert_eq!(run("SELECT array_to_string(ARRAY[1, 2], ','), regexp_replace('aa', 'a', '\\1b', 'g')").await, Ok(1));
}

#[tokio::test]
async fn what_multiplies_ends_before_it_is_made() {
    let big = "replace(repeat('x', 10000), 'x', repeat('y', 100))";
    for sql in [
        format!("SELECT replace({big}, 'y', repeat('z', 10000))"),
        format!("SELECT length(replace({big}, 'y', repeat('z', 10000)))"),
        format!("SELECT repeat({big}, 10000)"),
        format!("SELECT repeat({big}, value) FROM generate_series(5, 8)"),
        format!("SELECT regexp_replace({big}, '.', repeat('z', 10000), 'g')"),
        format!("SELECT array_to_string(string_to_array(repeat('x,', 10000), ','), {big})"),
        format!("SELECT concat({big}, {big})"),
        format!("SELECT {big} || {big} || {big}"),
        format!("SELECT {big} || value FROM generate_series(1, 8000)"),
    ] {
        assert_eq!(run(&sql).await, Err("too large".to_owned()), "{sql}");
    }
}

#[tokio::test]
async fn doubling_ends() {
    let mut sql = "SELECT repeat('x', 10000) AS x".to_owned();
    for _ in 0..12 {
        sql = format!("SELECT x || x AS x FROM ({sql}) t");
    }
    assert_eq!(run(&sql).await, Err("too large".to_owned()));
}
