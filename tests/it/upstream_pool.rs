//! The pool against a real server: who gets a connection when, and that nobody finds anything of anybody else on it.

use crate::postgres::Postgres;
use crate::upstream::{WRITING, ask, code, lease, one, pool, pool_with};
use futures::FutureExt;
use querygate::catalog::PoolSettings;
use querygate::error::SqlState;
use querygate::execute::upstream::{Control, Isolation, Pool, Request, SessionSettings, UpstreamError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Waits for what another task, or another process, is about to do.
pub async fn soon(mut what: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !what().await {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn rest(pool: &Pool) {
    soon(async || pool.stats().in_use == 0).await;
}

#[tokio::test]
async fn connections_are_bounded_and_served_in_the_order_of_asking() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 2);
    let (first, second) = (lease(&pool, "ann").await, lease(&pool, "ann").await);
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for number in 0..8 {
        let (asked, served) = (pool.clone(), Arc::clone(&served));
        waiters.push(tokio::spawn(async move {
            let mut held = lease(&asked, "ann").await;
            served.lock().unwrap().push(number);
            one(&mut held, "SELECT 1").await;
        }));
        // In line before the next one asks.
        soon(async || pool.stats().waiting == number + 1).await;
    }
    let stats = pool.stats();
    assert_eq!((stats.max, stats.in_use, stats.idle, stats.waiting, stats.opened), (2, 2, 0, 8, 2));
    drop(first);
    for waiter in waiters {
        waiter.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), (0..8).collect::<Vec<_>>());
    drop(second);
    rest(&pool).await;
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.idle, stats.waiting, stats.opened), (0, 2, 0, 2));
}

#[tokio::test]
async fn who_waits_too_long_is_told_of_the_pool() {
    let server = Postgres::start();
    let settings = PoolSettings { max: 1, queue_timeout: Duration::from_millis(50), ..PoolSettings::default() };
    let pool = pool_with(server.dsn("scram"), settings);
    let held = lease(&pool, "ann").await;
    let error = pool.lease("bob", &SessionSettings::default(), None).await.err().unwrap();
    let report = error.report("crm");
    assert_eq!(report.sqlstate, SqlState::TOO_MANY_CONNECTIONS);
    assert!(report.message.contains("crm"), "{report:?}");
    let soon = tokio::time::Instant::now() + Duration::from_millis(5);
    let error = pool.lease("bob", &SessionSettings::default(), Some(soon)).await.err().unwrap();
    assert_eq!(error.report("crm").sqlstate, SqlState::QUERY_CANCELED);
    assert_eq!(pool.stats().waiting, 0);
    // Who gives up while waiting leaves nothing behind.
    assert!(pool.lease("bob", &SessionSettings::default(), None).now_or_never().is_none());
    assert_eq!((pool.stats().waiting, pool.stats().in_use), (0, 1));
    drop(held);
    lease(&pool, "bob").await;
}

#[tokio::test]
async fn a_server_without_room_says_so_and_is_not_stormed() {
    let server = Postgres::start_with(&["max_connections=5", "superuser_reserved_connections=3"]);
    let pool = pool(server.dsn("scram"), 10);
    let (mut first, _second) = (lease(&pool, "ann").await, lease(&pool, "ann").await);
    let error = pool.lease("ann", &SessionSettings::default(), None).await.err().unwrap();
    assert_eq!(code(&error), "53300");
    assert_eq!(error.report("crm").sqlstate, SqlState::TOO_MANY_CONNECTIONS);
    // At once, without asking the server.
    let error = pool.lease("ann", &SessionSettings::default(), None).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Down { full: true, .. }));
    assert_eq!(error.report("crm").sqlstate, SqlState::TOO_MANY_CONNECTIONS);
    assert_eq!((pool.stats().failed, pool.stats().in_use), (1, 2));
    // What is there goes on working, and serves the next.
    one(&mut first, "SELECT 1").await;
    drop(first);
    lease(&pool, "ann").await;
}

/// What a session may hold: seen from outside of it.
const TRACES: &str = "SELECT concat_ws(' ', \
    (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), \
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
    (SELECT count(*) FROM pg_listening_channels()), \
    (SELECT count(*) FROM pg_cursors WHERE name <> ''), \
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), \
    current_setting('work_mem'), NULLIF(current_setting('my.secret', true), ''), current_user)";

#[tokio::test]
async fn nothing_of_one_user_is_ever_seen_by_another() {
    let server = Postgres::start();
    let admin = server.admin().await;
    let grants = "GRANT TEMPORARY ON DATABASE postgres TO scram; CREATE ROLE other; GRANT other TO scram";
    admin.batch_execute(grants).await.unwrap();
    let pool = pool(server.dsn("scram"), 1);
    let clean = "0 0 0 0 0 4MB scram";
    let changes: &[&[&str]] = &[
        &["SELECT set_config('work_mem', '7MB', false)"],
        &["SET my.secret = 'ann was here'"],
        &["SELECT set_config('my.secret', 'ann was here', false)"],
        &["SELECT set_config('search_path', 'public', false)"],
        &["SELECT set_config('TimeZone', 'Asia/Tokyo', false)"],
        &["SET DateStyle = 'German'"],
        &["SET ROLE other"],
        &["SET SESSION AUTHORIZATION scram"],
        &["PREPARE secret AS SELECT 'ann'"],
        &["SELECT pg_advisory_lock(42)"],
        &["LISTEN secrets"],
        &["CREATE TEMP TABLE secret AS SELECT 'ann' AS who"],
        &["SET default_transaction_read_only = off"],
        &["DECLARE c CURSOR WITH HOLD FOR SELECT 'ann'"],
        &["CREATE TEMP SEQUENCE s", "SELECT nextval('pg_temp.s')"],
    ];
    for change in changes {
        let mut held = lease(&pool, "ann").await;
        // What writes has a transaction for it, which is committed.
        let writes = change.iter().any(|statement| statement.contains("TEMP"));
        if writes {
            held.control(&WRITING, None).await.unwrap();
        }
        for statement in *change {
            ask(&mut held, statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
        if writes {
            held.control(&Control::Commit, None).await.unwrap();
        }
        drop(held);
        let mut held = lease(&pool, "bob").await;
        assert_eq!(one(&mut held, TRACES).await, clean, "{change:?}");
        assert_eq!(
            one(
                &mut held,
                "SELECT current_setting('search_path') || current_setting('TimeZone') || \
            current_setting('DateStyle') || current_setting('default_transaction_read_only')"
            )
            .await,
            "pg_catalog, pg_tempUTCISO, MDYon",
            "{change:?}"
        );
        let last = ask(&mut held, "SELECT lastval()").await;
        assert_eq!(code(&last.unwrap_err()), "55000", "{change:?}");
    }
    // What came of a command that changes a session is gone for its own user too; settings always are.
    for change in ["SET work_mem = '7MB'", "PREPARE mine AS SELECT 1", "LISTEN mine"] {
        let mut held = lease(&pool, "ann").await;
        ask(&mut held, change).await.unwrap();
        drop(held);
        assert_eq!(one(&mut lease(&pool, "ann").await, TRACES).await, clean, "{change}");
    }
    // The same for what the pool is told of.
    let mut held = lease(&pool, "ann").await;
    ask(&mut held, "SELECT pg_advisory_lock(7)").await.unwrap();
    held.taint();
    drop(held);
    assert_eq!(one(&mut lease(&pool, "ann").await, TRACES).await, clean);
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_rolled_back_before_anybody_else_comes() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 1);
    for fail in [false, true] {
        let mut held = lease(&pool, "ann").await;
        let begin = Control::Begin { isolation: Isolation::Serializable, read_only: false, deferrable: false };
        held.control(&begin, None).await.unwrap();
        ask(&mut held, "SELECT set_config('my.secret', 'ann', true)").await.unwrap();
        assert!(ask(&mut held, "SELECT 1 / 0").await.is_err());
        if !fail {
            held.control(&Control::Rollback, None).await.unwrap();
            held.control(&begin, None).await.unwrap();
        }
        drop(held);
        let mut held = lease(&pool, "ann").await;
        assert_eq!(one(&mut held, TRACES).await, "0 0 0 0 0 4MB scram");
        assert_eq!(one(&mut held, "SELECT current_setting('transaction_isolation')").await, "read committed");
    }
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn a_setting_that_the_upstream_does_not_take_harms_nobody_else() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 3);
    let odd = SessionSettings { time_zone: "Nowhere/Land".into(), ..SessionSettings::default() };
    // On a new connection, on one of the same owner's, on one of another's.
    for owner in ["ann", "ann", "bob"] {
        let error = pool.lease(owner, &odd, None).await.err().unwrap();
        assert_eq!(code(&error), "22023");
        assert!(!pool.stats().down);
        assert_eq!(one(&mut lease(&pool, owner).await, "SELECT current_setting('TimeZone')").await, "UTC");
    }
    let mut held = lease(&pool, "ann").await;
    ask(&mut held, "SELECT set_config('my.secret', 'ann', false)").await.unwrap();
    drop(held);
    pool.lease("bob", &odd, None).await.err().unwrap();
    assert_eq!(one(&mut lease(&pool, "bob").await, TRACES).await, "0 0 0 0 0 4MB scram");
    assert_eq!((pool.stats().opened, pool.stats().failed, pool.stats().idle), (1, 0, 1));
}

#[tokio::test]
async fn connections_grow_old_and_go() {
    let server = Postgres::start();
    let short = Duration::from_millis(150);
    let pool = pool_with(server.dsn("scram"), PoolSettings { idle_timeout: short, ..PoolSettings::default() });
    drop(lease(&pool, "ann").await);
    assert_eq!(pool.stats().idle, 1);
    soon(async || pool.stats().idle == 0).await;
    let pool = pool_with(server.dsn("scram"), PoolSettings { max_lifetime: short, ..PoolSettings::default() });
    let held = lease(&pool, "ann").await;
    let born = Instant::now();
    soon(async || born.elapsed() > short).await;
    drop(held);
    assert_eq!((pool.stats().idle, pool.stats().opened), (0, 1));
    lease(&pool, "ann").await;
    assert_eq!(pool.stats().opened, 2);
}

#[tokio::test]
async fn draining_lets_work_end_and_nobody_in() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 2);
    drop(lease(&pool, "ann").await);
    let (mut working, mut stuck) = (lease(&pool, "ann").await, lease(&pool, "bob").await);
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.lease("eve", &SessionSettings::default(), None).await.err().unwrap() }
    });
    soon(async || pool.stats().waiting == 1).await;
    let drained = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain(Duration::from_millis(300)).await }
    });
    assert_eq!(waiter.await.unwrap().report("crm").sqlstate, SqlState::ADMIN_SHUTDOWN);
    let error = pool.lease("eve", &SessionSettings::default(), None).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Closed(_)));
    // What runs goes on for its time; what takes longer ends.
    assert_eq!(one(&mut working, "SELECT 5").await, "5");
    drop(working);
    assert_eq!(pool.stats().idle, 0);
    let error = stuck.run(Request::new("SELECT pg_sleep(600)")).await.err().unwrap();
    assert_eq!(error.report("crm").sqlstate, SqlState::ADMIN_SHUTDOWN);
    assert_eq!(drained.await.unwrap(), 1);
    drop(stuck);
    rest(&pool).await;
    let admin = server.admin().await;
    soon(async || {
        let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram'";
        admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    // Without work there is nothing to wait for.
    let began = Instant::now();
    let empty = pool_with(server.dsn("scram"), PoolSettings::default());
    drop(lease(&empty, "ann").await);
    assert_eq!(empty.drain(Duration::from_secs(600)).await, 0);
    assert!(began.elapsed() < Duration::from_secs(60));
}
