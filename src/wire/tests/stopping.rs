//! Cancel, timeouts, clients that vanish, and the end of the server.

use super::client::{Client, Server, bind, execute, parse, query, sync};
use super::fake::{Gate, Seen};
use crate::wire::config::{TlsMode, WireConfig};
use crate::wire::interrupt::Phase;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream};

fn server() -> (Server, Arc<Seen>) {
    let gate = Gate::new();
    let seen = Arc::clone(&gate.seen);
    (Server::with(gate, WireConfig { tls_mode: TlsMode::Off, ..WireConfig::default() }), seen)
}

async fn cancel(server: &Server, client: &Client<DuplexStream>) {
    let mut packet = (12 + client.secret.len() as u32).to_be_bytes().to_vec();
    packet.extend(80_877_102_u32.to_be_bytes());
    packet.extend(client.pid.to_be_bytes());
    packet.extend(&client.secret);
    let (mut stream, task) = server.connect();
    stream.write_all(&packet).await.unwrap();
    task.await.unwrap();
}

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cancel_stops_a_statement_before_its_rows_and_among_them() {
    for text in ["SELECT n FROM hang", "SELECT n FROM stuck"] {
        let (server, seen) = server();
        let mut client = server.log_in().await;
        client.send(&query(text)).await;
        settle().await;
        cancel(&server, &client).await;
        let answers = client.answers().await;
        let told = answers.iter().position(|answer| answer == "E ERROR 57014 canceling statement due to user request");
        assert_eq!(told, Some(answers.len() - 2), "{answers:?}");
        assert_eq!(seen.alive.load(Ordering::SeqCst), 0);
        assert_eq!(seen.cancelled.load(Ordering::SeqCst), 1);
        assert_eq!(client.ask(&query("SELECT n FROM rows3")).await.len(), 6, "the next one is not hit");
    }
}

#[tokio::test]
async fn a_cancel_stops_a_stream_that_the_client_does_not_read() {
    let (server, seen) = server();
    let mut client = server.log_in().await;
    client.send(&query("SELECT n FROM endless")).await;
    settle().await;
    assert_eq!(seen.alive.load(Ordering::SeqCst), 1);
    cancel(&server, &client).await;
    settle().await;
    assert_eq!(seen.alive.load(Ordering::SeqCst), 0, "the work is dropped before the client reads on");
    let answers = client.answers().await;
    let [.., told, ready] = answers.as_slice() else { panic!() };
    assert_eq!((told.as_str(), ready.as_str()), ("E ERROR 57014 canceling statement due to user request", "Z I"));
    assert_eq!(*seen.ended.lock().unwrap(), [Some("57014")]);
}

#[tokio::test]
async fn a_cancel_of_an_idle_connection_hits_nothing() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    cancel(&server, &client).await;
    assert_eq!(client.ask(&query("SELECT n FROM rows3")).await.len(), 6);
}

#[tokio::test]
async fn a_cancel_with_the_wrong_secret_hits_nothing() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    client.send(&query("SELECT n FROM stuck")).await;
    settle().await;
    let right = std::mem::replace(&mut client.secret, vec![0; 4]);
    cancel(&server, &client).await;
    client.secret = vec![0; 2];
    cancel(&server, &client).await;
    assert_eq!(client.next().await.unwrap().0, b'T');
    assert_eq!(client.next().await.unwrap().0, b'D');
    client.secret = right;
    cancel(&server, &client).await;
    assert!(client.answers().await[0].starts_with("E ERROR 57014"));
}

#[tokio::test]
async fn the_sessions_and_the_streams_time_limits_hold() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    let answers = client.ask(&query("SELECT n FROM slow")).await;
    assert_eq!(answers, ["T", "D 0", "E ERROR 57014 canceling statement due to statement timeout", "Z I"]);
    client.ask(&query("SET statement_timeout = '20ms'")).await;
    let before = tokio::time::Instant::now();
    let answers = client.ask(&query("SELECT n FROM hang")).await;
    assert_eq!(answers, ["E ERROR 57014 canceling statement due to statement timeout", "Z I"]);
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_timeout_in_a_pipeline_skips_to_sync() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    client.ask(&query("SET statement_timeout = '20ms'")).await;
    let batch = [parse("", "SELECT n FROM hang"), bind("", ""), execute("", 0), execute("", 0), sync()];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers, ["1", "2", "E ERROR 57014 canceling statement due to statement timeout", "Z I"]);
}

#[tokio::test]
async fn a_statement_whose_client_is_gone_stops() {
    for text in ["SELECT n FROM stuck", "SELECT n FROM endless"] {
        let (server, seen) = server();
        let mut client = server.log_in().await;
        client.send(&query(text)).await;
        settle().await;
        assert_eq!(seen.alive.load(Ordering::SeqCst), 1);
        drop(client.stream);
        client.task.await.unwrap();
        assert_eq!(seen.alive.load(Ordering::SeqCst), 0);
        assert_eq!(*seen.ended.lock().unwrap(), [Some("08006")]);
    }
}

#[tokio::test]
async fn a_suspended_portal_ends_with_its_connection() {
    let (server, seen) = server();
    let mut client = server.log_in().await;
    let batch = [parse("", "SELECT n FROM endless"), bind("", ""), execute("", 2), super::client::message(b'H', b"")];
    client.send(&batch.concat()).await;
    for expected in [b'1', b'2', b'D', b'D', b's'] {
        assert_eq!(client.next().await.unwrap().0, expected);
    }
    assert_eq!(seen.alive.load(Ordering::SeqCst), 1);
    drop(client.stream);
    client.task.await.unwrap();
    assert_eq!(seen.alive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_shutdown_ends_idle_sessions_and_lets_statements_end() {
    let (server, _) = server();
    let mut idle = server.log_in().await;
    let mut busy = server.log_in().await;
    busy.send(&query("SELECT n FROM stuck")).await;
    settle().await;
    server.phase.send_replace(Phase::Draining);
    assert_eq!(idle.answers().await, ["E FATAL 57P01 terminating connection due to administrator command"]);
    idle.task.await.unwrap();
    settle().await;
    assert!(!busy.task.is_finished());
    server.phase.send_replace(Phase::Stopping);
    let answers = busy.answers().await;
    assert_eq!(answers, ["T", "D 0", "E FATAL 57P01 terminating connection due to administrator command"]);
    busy.task.await.unwrap();
}

#[tokio::test]
async fn a_statement_that_ends_while_draining_is_answered_first() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    client.send(&[query("SELECT n FROM rows3")].concat()).await;
    assert_eq!(client.answers().await.len(), 6);
    client.send(&query("SELECT n FROM stuck")).await;
    settle().await;
    server.phase.send_replace(Phase::Draining);
    cancel_quietly(&server, &client);
    let answers = client.answers().await;
    assert_eq!(answers.last().unwrap(), "Z I");
    assert_eq!(client.answers().await, ["E FATAL 57P01 terminating connection due to administrator command"]);
}

fn cancel_quietly(server: &Server, client: &Client<DuplexStream>) {
    assert_eq!(server.shared.registry.cancel(client.pid, &client.secret), crate::wire::Cancelled::Stopped);
}

#[tokio::test]
async fn a_client_that_is_silent_too_long_is_told() {
    let (server, _) = server();
    let mut client = server.log_in().await;
    client.ask(&query("SET idle_session_timeout = '20ms'")).await;
    assert_eq!(client.answers().await, ["E FATAL 57P05 terminating connection due to idle-session timeout"]);
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_alone() {
    let (server, _) = server();
    let mut other = server.log_in().await;
    let mut client = server.log_in().await;
    client.send(&query("SELECT n FROM explode")).await;
    assert_eq!(client.next().await, None);
    assert!(client.task.await.unwrap_err().is_panic());
    assert_eq!(other.ask(&query("SELECT n FROM rows3")).await.len(), 6);
    assert_eq!(server.shared.registry.len(), 1);
}

#[tokio::test]
async fn a_real_socket_is_served_until_the_shutdown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let config = WireConfig { tls_mode: TlsMode::Off, ..WireConfig::default() };
    let serving = tokio::spawn(crate::wire::serve(listener, config, Arc::new(Gate::new()), shutdown.clone()));
    let mut driver = tokio_postgres::Config::new();
    driver.host("127.0.0.1").port(address.port()).user("ann").password("pencil").dbname("sales");
    let (client, connection) = driver.connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let token = client.cancel_token();
    let running = tokio::spawn(async move { client.query("SELECT n FROM stuck", &[]).await });
    loop {
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        if running.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(running.await.unwrap().unwrap_err().code().unwrap().code(), "57014");
    connection.await.unwrap().unwrap();
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
