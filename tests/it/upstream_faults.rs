//! What goes wrong with an upstream while it works: stopped, slow, killed, restarted, left alone by its client.

use crate::postgres::{Postgres, signal};
use crate::upstream::{all, ask, code, lease, one, pool};
use crate::upstream_pool::soon;
use querygate::catalog::PoolSettings;
use querygate::error::SqlState;
use querygate::execute::upstream::{
    Control, Event, Isolation, Lease, Pool, ProtocolError, Request, SessionSettings, UpstreamError,
};
use std::time::{Duration, Instant};

/// In the select list: from FROM, the server would make all of it before it sends the first row.
const LONG: &str = "SELECT generate_series(1, 100000000), repeat('x', 100)";

async fn active(admin: &tokio_postgres::Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND state = 'active'";
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

async fn waits_for_us(admin: &tokio_postgres::Client) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND wait_event = 'ClientWrite'";
    admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
}

async fn all_back(pool: &Pool) {
    soon(async || pool.stats().in_use == 0).await;
}

#[tokio::test]
async fn stopping_hits_one_statement_and_no_other() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 3);
    let sleep = "SELECT pg_sleep(600)";
    let (mut ann, mut bob) = (lease(&pool, "ann").await, lease(&pool, "bob").await);
    let (of_ann, of_bob) = (ann.canceller(), bob.canceller());
    let bob_sleeps = tokio::spawn(async move {
        let error = ask(&mut bob, sleep).await.unwrap_err();
        (bob, error)
    });
    let ann_sleeps = tokio::spawn(async move {
        let error = ask(&mut ann, sleep).await.unwrap_err();
        (ann, error)
    });
    let admin = server.admin().await;
    soon(async || active(&admin).await == 2).await;
    assert!(of_ann.cancel().await.unwrap());
    let (mut ann, error) = ann_sleeps.await.unwrap();
    assert_eq!(code(&error), "57014");
    assert_eq!(error.report("crm").sqlstate, SqlState::QUERY_CANCELED);
    assert_eq!(active(&admin).await, 1);
    // The lease is in order, in its own transaction too.
    assert_eq!(one(&mut ann, "SELECT 1").await, "1");
    let process = ann.process_id();
    drop(ann);
    all_but_one_back(&pool).await;

    // A canceller of a lease that has ended does nothing to whoever works there now.
    let mut eve = lease(&pool, "eve").await;
    assert_eq!(eve.process_id(), process);
    let eve_sleeps = tokio::spawn(async move { ask(&mut eve, "SELECT pg_sleep(0.3)").await.map(|_| ()) });
    soon(async || active(&admin).await == 2).await;
    assert!(!of_ann.cancel().await.unwrap());
    eve_sleeps.await.unwrap().unwrap();
    assert!(!bob_sleeps.is_finished());
    assert!(of_bob.cancel().await.unwrap());
    assert_eq!(code(&bob_sleeps.await.unwrap().1), "57014");
    all_back(&pool).await;
    assert_eq!(pool.stats().opened, 2);
}

async fn all_but_one_back(pool: &Pool) {
    soon(async || pool.stats().in_use == 1).await;
}

#[tokio::test]
async fn a_client_that_goes_stops_its_statement_within_a_second() {
    let server = Postgres::start();
    let admin = server.admin().await;
    let pool = pool(server.dsn("scram"), 1);
    // In the middle of a result; before its first row; while a transaction is open.
    for (sql, in_transaction) in [(LONG, false), ("SELECT pg_sleep(600)", false), (LONG, true)] {
        let mut held = lease(&pool, "ann").await;
        if in_transaction {
            let begin = Control::Begin { isolation: Isolation::ReadCommitted, read_only: true, deferrable: false };
            held.control(&begin, None).await.unwrap();
        }
        if sql == LONG {
            let mut run = held.into_run(Request::new(sql)).await.map_err(|(error, _)| error).unwrap();
            assert!(matches!(run.next().await.unwrap(), Some(Event::Rows(_))));
            drop(run);
        } else {
            let task = tokio::spawn(async move { held.into_run(Request::new(sql)).await.map(|_| ()).is_ok() });
            soon(async || active(&admin).await == 1).await;
            task.abort();
        }
        let began = Instant::now();
        soon(async || active(&admin).await == 0).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{sql}: {:?}", began.elapsed());
        all_back(&pool).await;
        // Put in order, not thrown away; and nothing late hits the next one.
        let mut next = lease(&pool, "bob").await;
        for _ in 0..20 {
            assert_eq!(one(&mut next, "SELECT 1").await, "1");
        }
    }
    assert_eq!(pool.stats().opened, 1);

    // A run that is dropped while its lease is kept: the lease goes on.
    let mut held = lease(&pool, "ann").await;
    let mut run = held.run(Request::new(LONG)).await.unwrap();
    assert!(matches!(run.next().await.unwrap(), Some(Event::Rows(_))));
    drop(run);
    assert_eq!(one(&mut held, "SELECT 2").await, "2");
}

#[tokio::test]
async fn a_statement_that_is_late_is_stopped() {
    let server = Postgres::start();
    let admin = server.admin().await;
    let pool = pool(server.dsn("scram"), 1);
    let mut held = lease(&pool, "ann").await;
    // Before its first row, and in the middle of rows that never end.
    for sql in ["SELECT pg_sleep(600)", LONG] {
        let deadline = Some(tokio::time::Instant::now() + Duration::from_millis(200));
        let error = match held.run(Request { deadline, ..Request::new(sql) }).await {
            Err(error) => error,
            Ok(mut run) => loop {
                match run.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it ended"),
                    Err(error) => break error,
                }
            },
        };
        assert!(matches!(error, UpstreamError::Deadline), "{error:?}");
        assert_eq!(error.report("crm").sqlstate, SqlState::QUERY_CANCELED);
        assert_eq!(active(&admin).await, 0);
        assert_eq!(one(&mut held, "SELECT 3").await, "3");
    }
    // The upstream's own bound, should nobody be there to ask it to stop.
    held.follow(&SessionSettings { statement_timeout: Some(Duration::from_millis(50)), ..SessionSettings::default() });
    assert_eq!(code(&ask(&mut held, "SELECT pg_sleep(600)").await.unwrap_err()), "57014");
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_long_result_flows_as_fast_as_it_is_read_and_takes_no_memory() {
    let server = Postgres::start();
    let admin = server.admin().await;
    let pool = pool(server.dsn("scram"), 1);
    let mut held = lease(&pool, "ann").await;
    let sql = "SELECT generate_series(1, 3000000), repeat('x', 100)";
    let mut run = held.run(Request::new(sql)).await.unwrap();
    let Some(Event::Rows(first)) = run.next().await.unwrap() else { panic!("no rows") };
    // Nobody reads: the server has to wait, with most of it still to send.
    soon(async || waits_for_us(&admin).await).await;
    let before = resident();
    let (mut rows, mut bytes, mut longest) = (first.rows(), first.bytes().len(), 0);
    let (mut most, mut batches) = (before, 0);
    while let Some(event) = run.next().await.unwrap() {
        match event {
            Event::Rows(batch) => {
                rows += batch.rows();
                bytes += batch.bytes().len();
                longest = longest.max(batch.bytes().len());
                batches += 1;
                if batches % 50 == 0 {
                    most = most.max(resident());
                }
            }
            Event::Complete(tag) => assert_eq!(tag.rows(), Some(3_000_000)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, 3_000_000);
    assert!(bytes > 300_000_000 && longest <= 256 * 1024, "{bytes} {longest}");
    // Other tests of this program run at the same time; all of the result is far more than they need.
    assert!(most.saturating_sub(before) < 200_000_000, "{before} {most}");
}

#[tokio::test]
async fn a_row_beyond_the_bound_ends_the_connection_and_not_the_gateway() {
    let server = Postgres::start();
    let pool = Pool::with_longest_message("crm", server.dsn("scram"), PoolSettings::default(), 100_000).unwrap();
    let mut held = lease(&pool, "ann").await;
    let mut run = held.run(Request::new("SELECT repeat('x', 99000)")).await.unwrap();
    assert_eq!(all(&mut run).await.unwrap().0[0][0].as_ref().unwrap().len(), 99_000);
    drop(run);
    let mut run = held.run(Request::new("SELECT repeat('x', 100000)")).await.unwrap();
    let error = run.next().await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol(ProtocolError::TooLong(100_000))), "{error:?}");
    assert_eq!(error.report("crm").sqlstate, SqlState::PROGRAM_LIMIT_EXCEEDED);
    drop(run);
    assert!(held.is_broken());
    drop(held);
    assert_eq!(one(&mut lease(&pool, "ann").await, "SELECT 1").await, "1");
}

/// Reads a result up to the error that ends it.
async fn end_of(held: &mut Lease, ready: impl AsyncFnOnce()) -> UpstreamError {
    let mut run = held.run(Request::new(LONG)).await.unwrap();
    assert!(matches!(run.next().await.unwrap(), Some(Event::Rows(_))));
    ready().await;
    loop {
        match run.next().await {
            Ok(Some(Event::Rows(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_result_is_an_error() {
    let server = Postgres::start();
    let admin = server.admin().await;
    let pool = pool(server.dsn("scram"), 2);
    // An administrator ends the session.
    let mut held = lease(&pool, "ann").await;
    let process = held.process_id().unwrap();
    let error = end_of(&mut held, async || {
        admin.execute("SELECT pg_terminate_backend($1)", &[&process]).await.unwrap();
    })
    .await;
    let state = error.report("crm").sqlstate;
    assert!(state == SqlState::ADMIN_SHUTDOWN || state == SqlState::CONNECTION_FAILURE, "{error:?}");
    assert!(held.is_broken());
    let error = ask(&mut held, "SELECT 1").await.unwrap_err();
    assert_eq!(error.report("crm").sqlstate, SqlState::CONNECTION_FAILURE);
    drop(held);

    // Waiting for a result, it is told why.
    let mut held = lease(&pool, "ann").await;
    let process = held.process_id().unwrap();
    let waiting = tokio::spawn(async move { ask(&mut held, "SELECT pg_sleep(600)").await.unwrap_err() });
    soon(async || active(&admin).await == 1).await;
    admin.execute("SELECT pg_terminate_backend($1)", &[&process]).await.unwrap();
    let error = waiting.await.unwrap();
    assert_eq!((code(&error), error.report("crm").sqlstate), ("57P01", SqlState::ADMIN_SHUTDOWN));

    // Its process is killed: no word, only the end.
    let mut held = lease(&pool, "ann").await;
    let process = u32::try_from(held.process_id().unwrap()).unwrap();
    let error = end_of(&mut held, async || signal("KILL", process)).await;
    assert!(matches!(error, UpstreamError::Lost(_)), "{error:?}");
    assert_eq!(error.report("crm").sqlstate, SqlState::CONNECTION_FAILURE);
    drop(held);
    all_back(&pool).await;
    // The server comes back by itself, and so do we.
    soon(async || pool.lease("ann", &SessionSettings::default(), None).await.is_ok()).await;
}

#[tokio::test]
async fn a_restart_is_survived_and_a_server_that_is_down_is_not_stormed() {
    let mut server = Postgres::start();
    let pool = pool(server.dsn("scram"), 4);
    let leases = futures::future::join_all((0..3).map(|_| lease(&pool, "ann"))).await;
    drop(leases);
    assert_eq!(pool.stats().idle, 3);
    // What lay idle is noticed to be gone, and nobody gets an error.
    server.stop();
    server.launch();
    assert_eq!(one(&mut lease(&pool, "ann").await, "SELECT 1").await, "1");

    server.stop();
    let mut refused = 0;
    let began = Instant::now();
    for _ in 0..500 {
        let error = pool.lease("ann", &SessionSettings::default(), None).await.err().unwrap();
        assert_eq!(error.report("crm").sqlstate, SqlState::CONNECTION_FAILURE, "{error:?}");
        refused += usize::from(matches!(error, UpstreamError::Down { .. }));
    }
    assert!(refused > 480 && pool.stats().failed < 20, "{refused} {:?}", pool.stats());
    assert!(pool.stats().down && began.elapsed() < Duration::from_secs(10));
    server.launch();
    soon(async || pool.lease("ann", &SessionSettings::default(), None).await.is_ok()).await;
    assert!(!pool.stats().down);
    all_back(&pool).await;
}
