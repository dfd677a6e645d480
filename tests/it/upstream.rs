//! Upstream connections against a real server: logging in, who is believed, pinned settings, statements.

use crate::postgres::Postgres;
use bytes::Bytes;
use querygate::catalog::PoolSettings;
use querygate::error::SqlState;
use querygate::execute::upstream::{
    Control, Dsn, Event, Format, Isolation, Lease, LoginError, Parameter, Pool, ProtocolError, Request, RowBatch,
    RowKind, Run, SessionSettings, TransactionStatus, UpstreamError, dsn,
};
use std::borrow::BorrowMut;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A transaction that may write.
pub const WRITING: Control =
    Control::Begin { isolation: Isolation::ReadCommitted, read_only: false, deferrable: false };

pub type Row = Vec<Option<String>>;

/// A pool with room for so many.
pub fn pool(dsn: Dsn, max: u32) -> Pool {
    pool_with(dsn, PoolSettings { max, ..PoolSettings::default() })
}

pub fn pool_with(dsn: Dsn, settings: PoolSettings) -> Pool {
    Pool::new("crm", dsn, settings).unwrap()
}

pub async fn lease(pool: &Pool, owner: &str) -> Lease {
    pool.lease(owner, &SessionSettings::default(), None).await.unwrap()
}

/// The values of a batch, as text.
pub fn values(batch: &RowBatch) -> Vec<Row> {
    assert_eq!(batch.kind(), RowKind::Data);
    batch
        .frames()
        .map(|frame| {
            let count = u16::from_be_bytes([frame[5], frame[6]]);
            let mut rest = &frame[7..];
            (0..count)
                .map(|_| {
                    let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
                    rest = &rest[4..];
                    let length = usize::try_from(length).ok()?;
                    let (value, after) = rest.split_at(length);
                    rest = after;
                    Some(String::from_utf8(value.to_vec()).unwrap())
                })
                .collect()
        })
        .collect()
}

/// All rows of a run, and its tag.
pub async fn all<L: BorrowMut<Lease>>(run: &mut Run<L>) -> Result<(Vec<Row>, String), UpstreamError> {
    let (mut rows, mut tag) = (Vec::new(), String::new());
    while let Some(event) = run.next().await? {
        match event {
            Event::Rows(batch) => rows.extend(values(&batch)),
            Event::Complete(done) => tag = done.0,
            Event::Notice(_) | Event::Suspended => {}
        }
    }
    Ok((rows, tag))
}

pub async fn ask(lease: &mut Lease, sql: &str) -> Result<Vec<Row>, UpstreamError> {
    all(&mut lease.run(Request::new(sql)).await?).await.map(|(rows, _)| rows)
}

/// The one value of a statement that has one.
pub async fn one(lease: &mut Lease, sql: &str) -> String {
    ask(lease, sql).await.unwrap()[0][0].clone().unwrap()
}

pub fn code(error: &UpstreamError) -> &str {
    match error {
        UpstreamError::Server(message) => &message.code,
        other => panic!("no error of the server: {other:?}"),
    }
}

async fn refused(dsn: Dsn) -> UpstreamError {
    match pool(dsn, 1).lease("ann", &SessionSettings::default(), None).await {
        Ok(_) => panic!("let in"),
        Err(error) => {
            let told = format!("{error} {error:?} {}", error.report("crm"));
            assert!(!told.contains("sesame") && !told.contains("swordfish"), "{told}");
            assert_eq!(error.report("crm").sqlstate, SqlState::CONNECTION_FAILURE);
            error
        }
    }
}

#[tokio::test]
async fn each_way_to_log_in() {
    let server = Postgres::start();
    let root = format!("sslrootcert={}", server.file("root.pem").display());
    let ways = [
        ("scram", format!("{root}&channel_binding=require")),
        ("scram", format!("{root}&channel_binding=disable")),
        ("scram", "sslmode=disable".to_owned()),
        ("scram", "sslmode=require".to_owned()),
        ("old", root.clone()),
        ("old", "sslmode=disable".to_owned()),
        ("clear", root.clone()),
        ("trusty", root.clone()),
    ];
    for (user, more) in ways {
        let pool = pool(server.dsn_with(user, &more), 1);
        let mut lease = lease(&pool, "ann").await;
        assert_eq!(one(&mut lease, "SELECT current_user::text").await, user, "{more}");
        let encrypted = one(&mut lease, "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
        assert_eq!(encrypted == "true", !more.contains("disable") || more.contains("channel"), "{more}");
    }
    let socket = format!("host={} port={} user=trusty dbname=postgres", server.socket_folder().display(), server.port);
    let mut lease = lease(&pool(dsn::parse(&socket).unwrap(), 1), "ann").await;
    assert_eq!(one(&mut lease, "SELECT inet_client_addr() IS NULL").await, "t");

    assert!(matches!(
        refused(server.dsn_with("clear", "sslmode=disable")).await,
        UpstreamError::Login(LoginError::ClearText)
    ));
    // A server that lets everybody in has not shown that it is the one that knows the password.
    for user in ["trusty", "old", "clear"] {
        let bound = format!("{root}&channel_binding=require");
        assert!(matches!(
            refused(server.dsn_with(user, &bound)).await,
            UpstreamError::Login(LoginError::NoChannelBinding)
        ));
    }
    for user in ["scram", "old", "clear"] {
        let text = format!("postgres://{user}:swordfish@localhost:{}/postgres?{root}", server.port);
        assert_eq!(code(&refused(dsn::parse(&text).unwrap()).await), "28P01");
        let text = format!("postgres://{user}@localhost:{}/postgres?{root}", server.port);
        assert!(matches!(refused(dsn::parse(&text).unwrap()).await, UpstreamError::Login(LoginError::NoPassword)));
    }
}

#[tokio::test]
async fn only_the_server_that_was_named_is_believed() {
    let server = Postgres::start();
    let (root, other) = (server.file("root.pem"), server.file("other.pem"));
    let at = |host: &str, more: &str| {
        dsn::parse(&format!("postgres://scram:sesame@{host}:{}/postgres?{more}", server.port)).unwrap()
    };
    let (root, other) = (format!("sslrootcert={}", root.display()), format!("sslrootcert={}", other.display()));
    // The certificate names localhost, and not 127.0.0.1.
    for dsn in [
        at("localhost", &root),
        at("127.0.0.1", &format!("{root}&sslmode=verify-ca")),
        at("127.0.0.1", "sslmode=require"),
    ] {
        lease(&pool(dsn, 1), "ann").await;
    }
    for dsn in [
        at("127.0.0.1", &root),
        at("localhost", &other),
        at("localhost", &format!("{other}&sslmode=verify-ca")),
        at("localhost", &format!("{other}&sslmode=require")),
        // The authorities of the machine know nothing of this one.
        at("localhost", "sslrootcert=system"),
    ] {
        match Pool::new("crm", dsn.clone(), PoolSettings::default()) {
            // A machine without any authority can't even ask them.
            Err(UpstreamError::Tls(_)) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => assert!(matches!(refused(dsn).await, UpstreamError::Handshake(_))),
        }
    }
    assert!(Pool::new("crm", at("localhost", "sslrootcert=/nowhere.pem"), PoolSettings::default()).is_err());

    let plain = Postgres::start_with(&["ssl=off"]);
    assert!(matches!(refused(plain.dsn("scram")).await, UpstreamError::NoTls));
    assert!(matches!(refused(plain.dsn_with("scram", "sslmode=require")).await, UpstreamError::NoTls));
}

/// A server that answers each message it reads with the next of these, and then is silent.
async fn fake_with(answers: Vec<Vec<u8>>, more: &str) -> Dsn {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                for answer in answers {
                    if !matches!(stream.read(&mut heard).await, Ok(1..)) || stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            });
        }
    });
    dsn::parse(&format!("postgres://scram:sesame@127.0.0.1:{port}/postgres?{more}")).unwrap()
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

#[tokio::test]
async fn nothing_that_is_said_before_the_handshake_counts() {
    let ready = [message(b'R', &[0, 0, 0, 0]), message(b'Z', b"I")].concat();
    let smuggled = fake_with(vec![[b"S".as_slice(), &ready].concat()], "sslmode=require").await;
    assert!(matches!(refused(smuggled).await, UpstreamError::Smuggled));
    let alone = fake_with(vec![b"SR".to_vec()], "sslmode=require").await;
    assert!(matches!(refused(alone).await, UpstreamError::Smuggled));
    for no in [b"N".to_vec(), b"E".to_vec(), b"?".to_vec()] {
        assert!(matches!(refused(fake_with(vec![no], "sslmode=require").await).await, UpstreamError::NoTls));
    }
    // What follows a sound answer a moment later is no TLS either.
    let clear = fake_with(vec![b"S".to_vec(), ready], "sslmode=require").await;
    assert!(matches!(refused(clear).await, UpstreamError::Handshake(_)));
}

#[tokio::test]
async fn a_server_that_does_not_keep_to_the_protocol_is_refused() {
    let plain = "sslmode=disable";
    let sasl = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
    let ok = message(b'R', &[0, 0, 0, 0]);
    // In the middle of an exchange in which it has not yet shown that it knows the password.
    let hasty = fake_with(vec![sasl.clone(), [ok.clone(), message(b'Z', b"I")].concat()], plain).await;
    assert!(matches!(refused(hasty).await, UpstreamError::Login(LoginError::Scram)));
    let other = fake_with(vec![message(b'R', b"\0\0\0\x0aSCRAM-MD5\0\0")], plain).await;
    assert!(matches!(refused(other).await, UpstreamError::Login(LoginError::Mechanism)));
    let gss = fake_with(vec![message(b'R', &[0, 0, 0, 7])], plain).await;
    assert!(matches!(refused(gss).await, UpstreamError::Login(LoginError::Method(7))));
    let long = fake_with(vec![b"R\x7f\xff\xff\xff".to_vec()], plain).await;
    assert!(matches!(refused(long).await, UpstreamError::Protocol(ProtocolError::TooLong(_))));
    let http = fake_with(vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], plain).await;
    assert!(matches!(refused(http).await, UpstreamError::Protocol(_)));
    // A server that says nothing of what it was told to set.
    let row = message(b'D', &[0, 0]);
    let pinned = [message(b'C', b"SET\0"), message(b'Z', b"I"), row, message(b'C', b"SELECT 1\0"), message(b'Z', b"I")];
    let silent = fake_with(vec![[ok, message(b'Z', b"I")].concat(), pinned.concat()], plain).await;
    assert!(matches!(refused(silent).await, UpstreamError::Unpinned(_)));
    let dumb = fake_with(vec![], plain).await;
    let dumb = Dsn { connect_timeout: Duration::from_millis(50), ..dumb };
    assert!(matches!(refused(dumb).await, UpstreamError::ConnectTimeout(_)));
}

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_is_what_is_wanted() {
    let server = Postgres::start();
    let root = server.file("root.pem").display().to_string();
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let text = |attrs: &str| {
        format!(
            "postgres://scram:sesame@localhost:{dead},localhost:{}/postgres?sslrootcert={root}&target_session_attrs={attrs}",
            server.port
        )
    };
    for attrs in ["any", "read-write", "primary"] {
        lease(&pool(dsn::parse(&text(attrs)).unwrap(), 1), "ann").await;
    }
    for attrs in ["read-only", "standby"] {
        assert!(matches!(refused(dsn::parse(&text(attrs)).unwrap()).await, UpstreamError::WrongTarget));
    }
    let admin = server.admin().await;
    admin.batch_execute("ALTER ROLE scram SET default_transaction_read_only = on").await.unwrap();
    lease(&pool(dsn::parse(&text("read-only")).unwrap(), 1), "ann").await;
    assert!(matches!(refused(dsn::parse(&text("read-write")).unwrap()).await, UpstreamError::WrongTarget));
}

#[tokio::test]
async fn settings_are_pinned_whatever_the_role_says_and_follow_the_client() {
    let server = Postgres::start();
    let pool = pool(server.dsn("odd"), 1);
    let mut held = lease(&pool, "ann").await;
    let shown = "SELECT current_setting(name) FROM unnest(ARRAY['client_encoding', 'standard_conforming_strings', \
                 'search_path', 'DateStyle', 'IntervalStyle', 'TimeZone', 'extra_float_digits', 'bytea_output', \
                 'default_transaction_read_only', 'row_security', 'transform_null_equals', 'statement_timeout']) AS name";
    let pinned =
        ["UTF8", "on", "pg_catalog, pg_temp", "ISO, MDY", "postgres", "UTC", "1", "hex", "on", "on", "off", "0"];
    let settings = |rows: Vec<Row>| rows.into_iter().flatten().flatten().collect::<Vec<_>>();
    assert_eq!(settings(ask(&mut held, shown).await.unwrap()), pinned);
    assert_eq!(code(&ask(&mut held, "CREATE TABLE public.t (a int)").await.unwrap_err()), "25006");

    let tokyo = SessionSettings {
        time_zone: "asia/tokyo".into(),
        statement_timeout: Some(Duration::from_millis(12_345)),
        ..SessionSettings::default()
    };
    held.follow(&tokyo);
    let zone = "SELECT current_setting('TimeZone') || ' ' || current_setting('statement_timeout')";
    assert_eq!(one(&mut held, zone).await, "Asia/Tokyo 12345ms");
    // In a transaction for its rest, and back to what the session has when it is rolled back.
    let begin = Control::Begin { isolation: Isolation::ReadCommitted, read_only: true, deferrable: false };
    held.control(&begin, None).await.unwrap();
    held.follow(&SessionSettings::default());
    assert_eq!(one(&mut held, zone).await, "UTC 0");
    held.control(&Control::Savepoint("s".to_owned()), None).await.unwrap();
    held.follow(&tokyo);
    assert_eq!(one(&mut held, zone).await, "Asia/Tokyo 12345ms");
    held.control(&Control::RollbackTo("s".to_owned()), None).await.unwrap();
    assert_eq!(one(&mut held, zone).await, "Asia/Tokyo 12345ms");
    held.follow(&SessionSettings::default());
    held.control(&Control::Rollback, None).await.unwrap();
    assert_eq!(one(&mut held, zone).await, "UTC 0");
    // What the server does not take is an error, and nothing runs under another setting.
    held.follow(&SessionSettings { time_zone: "Nowhere/Land".into(), ..SessionSettings::default() });
    assert_eq!(code(&ask(&mut held, "SELECT 1").await.unwrap_err()), "22023");
    drop(held);
    let mut held = lease(&pool, "ann").await;
    assert_eq!(settings(ask(&mut held, shown).await.unwrap()), pinned);
    // Nothing runs once a pin has come off and the server says so; and not of what it does not say, for the next one.
    ask(&mut held, "SELECT set_config('search_path', 'evil', false)").await.unwrap();
    ask(&mut held, "SELECT set_config('default_transaction_read_only', 'off', false)").await.unwrap();
    let error = ask(&mut held, "SELECT 1").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unpinned("default_transaction_read_only")), "{error:?}");
    assert!(held.is_broken());
    drop(held);
    assert_eq!(settings(ask(&mut lease(&pool, "ann").await, shown).await.unwrap()), pinned);
}

#[tokio::test]
async fn a_statement_has_columns_rows_and_an_end() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 1);
    let mut lease = lease(&pool, "ann").await;
    let parameters = [
        Parameter { format: Format::Text, value: Some(Bytes::from_static(b"7")) },
        Parameter { format: Format::Binary, value: Some(Bytes::from_static(&[0, 0, 0, 5])) },
        Parameter { format: Format::Text, value: None },
    ];
    let request = Request {
        parameter_types: &[23, 23, 25],
        parameters: &parameters,
        result_formats: &[Format::Text, Format::Binary, Format::Text],
        ..Request::new("SELECT $1 AS a, $2 AS b, $3 AS c, 1.5::numeric(4,1)")
    };
    // One format too few for four columns: the server says so.
    assert_eq!(code(&lease.run(request).await.err().unwrap()), "08P01");
    let request = Request { text: "SELECT $1 AS a, $2 AS b, $3 AS c", ..request };
    for _ in 0..2 {
        let mut run = lease.run(request).await.unwrap();
        let columns: Vec<_> =
            run.columns().unwrap().iter().map(|column| (column.name.clone(), column.type_oid, column.format)).collect();
        assert_eq!(
            columns,
            [("a".into(), 23, Format::Text), ("b".into(), 23, Format::Binary), ("c".into(), 25, Format::Text)]
        );
        let Some(Event::Rows(batch)) = run.next().await.unwrap() else { panic!("no rows") };
        assert_eq!(batch.bytes().as_ref(), message(b'D', b"\0\x03\0\0\0\x017\0\0\0\x04\0\0\0\x05\xff\xff\xff\xff"));
        let Some(Event::Complete(tag)) = run.next().await.unwrap() else { panic!("no end") };
        assert_eq!((tag.0.as_str(), tag.rows()), ("SELECT 1", Some(1)));
        assert!(run.next().await.unwrap().is_none());
    }

    // Errors, at any moment; the lease goes on.
    let error = lease.run(Request::new("SELECT nothing FROM nowhere")).await.err().unwrap();
    assert_eq!(code(&error), "42P01");
    let mut run = lease.run(Request::new("SELECT 10 / (3 - i) FROM generate_series(1, 9) AS i")).await.unwrap();
    assert_eq!(code(&all(&mut run).await.unwrap_err()), "22012");
    assert!(run.next().await.unwrap().is_none());
    drop(run);
    let (rows, tag) = all(&mut lease.run(Request::new("")).await.unwrap()).await.unwrap();
    assert_eq!((rows.len(), tag.as_str()), (0, ""));

    let mut run = lease.run(Request::new("DO $$BEGIN RAISE NOTICE 'look here'; END$$")).await.unwrap();
    assert!(run.columns().is_none());
    let Some(Event::Notice(notice)) = run.next().await.unwrap() else { panic!("no notice") };
    assert_eq!((&*notice.message, &*notice.severity), ("look here", "NOTICE"));
    drop(all(&mut run).await.unwrap());
    drop(run);

    let mut run = lease.run(Request::new("COPY (SELECT 1, 'x' UNION ALL SELECT 2, NULL) TO STDOUT")).await.unwrap();
    let mut copied = Vec::new();
    while let Some(event) = run.next().await.unwrap() {
        match event {
            Event::Rows(batch) => {
                assert_eq!(batch.kind(), RowKind::Copy);
                copied.extend(batch.frames().flat_map(|frame| frame[5..].to_vec()));
            }
            Event::Complete(tag) => assert_eq!(tag.0, "COPY 2"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(run.copy_formats().unwrap(), [Format::Text, Format::Text]);
    assert_eq!(copied, b"1\tx\n2\t\\N\n");
    drop(run);
    assert!(lease.run(Request::new("SELECT 1\0")).await.is_err());
    assert_eq!(one(&mut lease, "SELECT 41 + 1").await, "42");

    // Nothing is ever copied into an upstream: a server that waits for it has to be left.
    lease.control(&WRITING, None).await.unwrap();
    ask(&mut lease, "CREATE TEMP TABLE t (a int)").await.unwrap();
    let mut run = lease.run(Request::new("COPY pg_temp.t FROM STDIN")).await.unwrap();
    let error = run.next().await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol(ProtocolError::Unexpected(b'G'))), "{error:?}");
    drop(run);
    assert!(lease.is_broken());
}

#[tokio::test]
async fn portals_are_suspended_and_go_on() {
    let server = Postgres::start();
    let pool = pool(server.dsn("scram"), 1);
    let mut lease = lease(&pool, "ann").await;
    let text = "SELECT i::text FROM generate_series(1, 5) AS i";
    // Outside of a transaction the run itself goes on.
    let mut run = lease.run(Request { max_rows: 2, ..Request::new(text) }).await.unwrap();
    let (mut seen, mut suspended) = (Vec::new(), 0);
    while let Some(event) = run.next().await.unwrap() {
        match event {
            Event::Rows(batch) => seen.extend(values(&batch).into_iter().flatten().flatten()),
            Event::Suspended => {
                suspended += 1;
                assert!(run.next().await.unwrap().is_none());
                run.resume("", 2).await.unwrap();
            }
            Event::Complete(_) | Event::Notice(_) => {}
        }
    }
    assert_eq!((seen.join(""), suspended), ("12345".to_owned(), 2));
    drop(run);
    // Dropped while suspended, and after an error within: the lease goes on.
    let mut run = lease.run(Request { max_rows: 2, ..Request::new(text) }).await.unwrap();
    assert!(matches!(run.next().await.unwrap(), Some(Event::Rows(_))));
    assert!(matches!(run.next().await.unwrap(), Some(Event::Suspended)));
    drop(run);
    let bad = "SELECT 10 / (3 - i) FROM generate_series(1, 9) AS i";
    let mut run = lease.run(Request { max_rows: 9, ..Request::new(bad) }).await.unwrap();
    assert_eq!(code(&all(&mut run).await.unwrap_err()), "22012");
    drop(run);
    assert!(matches!(lease.resume("p", 2, None).await, Err(UpstreamError::Unusable)));

    // In a transaction, portals with names live side by side.
    let begin = Control::Begin { isolation: Isolation::RepeatableRead, read_only: true, deferrable: false };
    lease.control(&begin, None).await.unwrap();
    assert_eq!(lease.transaction(), TransactionStatus::Active);
    for portal in ["p", "q"] {
        let mut run = lease.run(Request { portal, max_rows: 2, ..Request::new(text) }).await.unwrap();
        assert_eq!(all(&mut run).await.unwrap().0.len(), 2);
    }
    let mut run = lease.resume("p", 0, None).await.unwrap();
    assert_eq!(all(&mut run).await.unwrap().0.concat(), ["3", "4", "5"].map(|text| Some(text.to_owned())));
    drop(run);
    let mut run = lease.resume("q", 1, None).await.unwrap();
    assert_eq!(all(&mut run).await.unwrap().0.concat(), [Some("3".to_owned())]);
    drop(run);
    lease.control(&Control::ClosePortal("q".to_owned()), None).await.unwrap();
    let mut run = lease.resume("q", 1, None).await.unwrap();
    assert_eq!(code(&all(&mut run).await.unwrap_err()), "34000");
    drop(run);
    assert_eq!(lease.transaction(), TransactionStatus::Failed);
    assert_eq!(code(&ask(&mut lease, "SELECT 1").await.unwrap_err()), "25P02");
    lease.control(&Control::Rollback, None).await.unwrap();
    assert_eq!(lease.transaction(), TransactionStatus::Idle);
}

#[tokio::test]
async fn prepared_statements_are_kept_bounded_and_parsed_again_when_stale() {
    let server = Postgres::start();
    let admin = server.admin().await;
    admin.batch_execute("CREATE TABLE t (a int); GRANT SELECT ON t TO scram; INSERT INTO t VALUES (1)").await.unwrap();
    let settings = PoolSettings { max: 1, prepared_statements: 2, ..PoolSettings::default() };
    let pool = pool_with(server.dsn("scram"), settings);
    let mut held = lease(&pool, "ann").await;
    let there = "SELECT string_agg(statement, ';' ORDER BY prepare_time, name) FROM pg_prepared_statements \
                 WHERE statement LIKE 'SELECT 1%'";
    for text in ["SELECT 10", "SELECT 11", "SELECT 10", "SELECT 12"] {
        ask(&mut held, text).await.unwrap();
    }
    // The question itself takes the place of the least used.
    assert_eq!(one(&mut held, there).await, "SELECT 12");
    assert_eq!(held.prepared_statements(), 2);
    // They stay from lease to lease of one owner, and go with a change of it.
    drop(held);
    let mut held = lease(&pool, "ann").await;
    assert_eq!(one(&mut held, there).await, "SELECT 12");
    drop(held);
    let mut held = lease(&pool, "bob").await;
    assert_eq!(held.prepared_statements(), 0);
    assert_eq!(ask(&mut held, there).await.unwrap(), [[None]]);

    let text = "SELECT * FROM public.t";
    assert_eq!(ask(&mut held, text).await.unwrap().concat().len(), 1);
    admin.batch_execute("ALTER TABLE t ADD b int").await.unwrap();
    let mut run = held.run(Request::new(text)).await.unwrap();
    assert_eq!(run.columns().unwrap().len(), 2);
    assert_eq!(all(&mut run).await.unwrap().0.concat().len(), 2);
    drop(run);
    // Somebody takes the statement away.
    ask(&mut held, "DEALLOCATE ALL").await.unwrap();
    assert_eq!(ask(&mut held, text).await.unwrap().concat().len(), 2);
    // Within a transaction an error has spoilt it: it is told, and the next one is parsed again.
    let begin = Control::Begin { isolation: Isolation::ReadCommitted, read_only: true, deferrable: false };
    held.control(&begin, None).await.unwrap();
    admin.batch_execute("ALTER TABLE t ADD c int").await.unwrap();
    assert_eq!(code(&ask(&mut held, text).await.unwrap_err()), "0A000");
    held.control(&Control::Rollback, None).await.unwrap();
    assert_eq!(ask(&mut held, text).await.unwrap().concat().len(), 3);
}
