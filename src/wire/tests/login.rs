//! From the first byte to the first ReadyForQuery.

use super::client::{Client, Server, message, startup};
use super::fake::Gate;
use crate::wire::config::{TlsMode, WireConfig};
use crate::wire::tls;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

fn raw(server: &Server) -> Client<DuplexStream> {
    let (stream, task) = server.connect();
    Client { stream, task, pid: 0, secret: Vec::new() }
}

#[tokio::test]
async fn a_right_password_opens_the_door() {
    let server = Server::new();
    let client = server.log_in().await;
    assert_eq!(client.secret.len(), 4);
    assert!(client.pid > 0);
}

#[tokio::test]
async fn protocol_3_2_has_a_long_cancel_key() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(2, &[("user", "ann"), ("database", "sales")]).await;
    client.prove("pencil", None).await;
    client.finish_login().await;
    assert_eq!(client.secret.len(), 32);
}

#[tokio::test]
async fn a_newer_protocol_is_negotiated_down() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(9999, &[("user", "ann"), ("database", "sales"), ("_pq_.x", "1")]).await;
    let (kind, body) = client.next().await.unwrap();
    assert_eq!((kind, body.as_slice()), (b'v', b"\0\x03\0\x02\0\0\0\x01_pq_.x\0".as_slice()));
    client.prove("pencil", None).await;
    client.finish_login().await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_are_told_the_same() {
    for (user, password) in [("ann", "pen"), ("nobody", "pencil")] {
        let gate = Gate::new();
        let seen = Arc::clone(&gate.seen);
        let server = Server::with(gate, WireConfig { tls_mode: TlsMode::Off, ..WireConfig::default() });
        let mut client = raw(&server);
        client.start(0, &[("user", user), ("database", "sales")]).await;
        client.prove(password, None).await;
        let expected = format!("E FATAL 28P01 password authentication failed for user \"{user}\"");
        assert_eq!(client.answers().await, [expected]);
        assert_eq!(*seen.logins.lock().unwrap(), [(user.to_owned(), Some("28P01"))]);
        assert!(server.shared.registry.is_empty());
    }
}

#[tokio::test]
async fn a_workspace_is_looked_up_only_after_the_password() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(0, &[("user", "ann"), ("database", "other")]).await;
    client.prove("pencil", None).await;
    assert_eq!(client.answers().await, ["R", "E FATAL 3D000 database \"other\" does not exist"]);
}

#[tokio::test]
async fn nobody_gets_in_unrecorded() {
    // Nor does anybody learn whether a password is right.
    for password in ["pencil", "guess"] {
        let mut gate = Gate::new();
        gate.audit_works = false;
        let server = Server::with(gate, WireConfig { tls_mode: TlsMode::Off, ..WireConfig::default() });
        let mut client = raw(&server);
        client.start(0, &[("user", "ann"), ("database", "sales")]).await;
        client.prove(password, None).await;
        assert_eq!(client.answers().await, ["E FATAL 58000 the audit log is not available"]);
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_set_ends_the_login() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(0, &[("user", "ann"), ("database", "sales"), ("nonsense", "1")]).await;
    client.prove("pencil", None).await;
    let answers = client.answers().await;
    assert!(answers[1].starts_with("E FATAL 42704"), "{answers:?}");
}

#[tokio::test]
async fn startups_that_are_refused_are_told_why() {
    for (bytes, expected) in [
        (startup(3 << 16, &[("user", "ann"), ("replication", "true")]), "E FATAL 0A000"),
        (startup(3 << 16, &[("database", "sales")]), "E FATAL 28000"),
        (startup(2 << 16, &[]), "E FATAL 0A000"),
        (vec![0, 0, 0, 3, 0, 0, 0, 0], "E FATAL 08P01"),
        (vec![0xff; 8], "E FATAL 08P01"),
        (vec![0, 0, 0x27, 0x20, 0, 3, 0, 0], "E FATAL 08P01"),
        (vec![0, 0, 0, 5, 1], "E FATAL 08P01"),
    ] {
        let server = Server::new();
        let mut client = raw(&server);
        client.send(&bytes).await;
        let answers = client.answers().await;
        assert!(answers.len() == 1 && answers[0].starts_with(expected), "{bytes:?}: {answers:?}");
    }
}

#[tokio::test]
async fn a_login_message_that_is_too_long_is_refused_before_it_comes() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    assert_eq!(client.next().await.unwrap().0, b'R');
    client.send(b"p\0\x01\x00\x10").await;
    assert_eq!(client.answers().await, ["E FATAL 08P01 message is too long"]);
}

#[tokio::test]
async fn a_query_before_the_login_is_refused() {
    let server = Server::new();
    let mut client = raw(&server);
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    assert_eq!(client.next().await.unwrap().0, b'R');
    client.send(&message(b'Q', b"SELECT 1\0")).await;
    let answers = client.answers().await;
    assert!(answers[0].starts_with("E FATAL 08P01"), "{answers:?}");
}

#[tokio::test]
async fn a_connection_takes_a_place_when_it_has_logged_in() {
    let config = WireConfig { tls_mode: TlsMode::Off, max_connections: 1, ..WireConfig::default() };
    let server = Server::with(Gate::new(), config);
    let mut first = raw(&server);
    first.start(0, &[("user", "ann"), ("database", "sales")]).await;
    assert_eq!(first.next().await.unwrap().0, b'R');
    let second = server.log_in().await;
    let mut third = raw(&server);
    third.start(0, &[("user", "ann"), ("database", "sales")]).await;
    assert_eq!(third.answers().await, ["E FATAL 53300 sorry, too many clients already"]);
    // The first finds the only place taken by the time that it has proved who it is.
    first.prove_asked("pencil", None).await;
    assert_eq!(first.answers().await, ["R", "E FATAL 53300 sorry, too many clients already"]);
    drop(second.stream);
    second.task.await.unwrap();
    server.log_in().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let startup_timeout = std::time::Duration::from_millis(10);
    let config = WireConfig { tls_mode: TlsMode::Off, startup_timeout, ..WireConfig::default() };
    let server = Server::with(Gate::new(), config);
    let mut client = raw(&server);
    assert_eq!(client.next().await, None);
    client.task.await.unwrap();
}

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

fn encrypted(mode: TlsMode) -> (Server, tokio_rustls::TlsConnector, Vec<u8>) {
    let (certificate, key) = tls::demo_certificate().unwrap();
    let made = Arc::new(tls::acceptor(certificate.as_bytes(), key.as_bytes()).unwrap());
    let end_point = made.end_point().unwrap().to_vec();
    let config = WireConfig { tls_mode: mode, tls: Some(made), ..WireConfig::default() };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"postgresql".to_vec()];
    (Server::with(Gate::new(), config), tokio_rustls::TlsConnector::from(Arc::new(client)), end_point)
}

#[tokio::test]
async fn tls_is_spoken_after_the_request_and_binds_the_login() {
    let (server, connector, end_point) = encrypted(TlsMode::Require);
    let (mut stream, task) = server.connect();
    stream.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut client = Client { stream, task, pid: 0, secret: Vec::new() };
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    client.prove("pencil", Some(&end_point)).await;
    client.finish_login().await;
    assert_eq!(client.ask(&super::client::query("SHOW server_encoding")).await[1], "D UTF8");
}

#[tokio::test]
async fn another_channels_binding_is_refused() {
    let (server, connector, _) = encrypted(TlsMode::Require);
    let (mut stream, task) = server.connect();
    stream.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut client = Client { stream, task, pid: 0, secret: Vec::new() };
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    client.prove("pencil", Some(&[0; 32])).await;
    assert_eq!(client.answers().await, ["E FATAL 28000 SCRAM channel binding negotiation error"]);
}

#[tokio::test]
async fn tls_from_the_first_byte_must_name_the_protocol() {
    let (server, connector, end_point) = encrypted(TlsMode::Require);
    let (stream, task) = server.connect();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut client = Client { stream, task, pid: 0, secret: Vec::new() };
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    client.prove("pencil", Some(&end_point)).await;
    client.finish_login().await;

    let mut silent = (**connector.config()).clone();
    silent.alpn_protocols.clear();
    let (stream, task) = server.connect();
    let silent = tokio_rustls::TlsConnector::from(Arc::new(silent));
    let stream = silent.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut client = Client { stream, task, pid: 0, secret: Vec::new() };
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn require_refuses_a_startup_in_the_clear_and_off_refuses_tls() {
    let (server, ..) = encrypted(TlsMode::Require);
    let mut client = raw(&server);
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    let answers = client.answers().await;
    assert!(answers[0].starts_with("E FATAL 28000"), "{answers:?}");

    let server = Server::new();
    let mut client = raw(&server);
    client.send(&GSS_REQUEST).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    client.send(&SSL_REQUEST).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    client.start(0, &[("user", "ann"), ("database", "sales")]).await;
    client.prove("pencil", None).await;
    client.finish_login().await;
}

#[tokio::test]
async fn nothing_is_smuggled_before_the_handshake() {
    for request in [SSL_REQUEST, GSS_REQUEST] {
        let (server, ..) = encrypted(TlsMode::Allow);
        let mut client = raw(&server);
        let mut bytes = request.to_vec();
        bytes.extend(startup(3 << 16, &[("user", "ann")]));
        client.send(&bytes).await;
        assert_eq!(client.answers().await, ["E FATAL 08P01 received unencrypted data after SSL request"]);
    }
    let (server, ..) = encrypted(TlsMode::Allow);
    let mut client = raw(&server);
    client.send(&GSS_REQUEST).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
    client.send(&GSS_REQUEST).await;
    assert_eq!(client.answers().await, ["E FATAL 08P01 unexpected request for encryption"]);
}

#[tokio::test]
async fn a_known_driver_logs_in_and_reads_rows() {
    let server = Server::new();
    let (stream, _task) = server.connect();
    let mut config = tokio_postgres::Config::new();
    config.user("ann").password("pencil").dbname("sales").application_name("driver");
    let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let rows = client.query("SELECT n FROM rows3", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [0, 1, 2]);
    let error = client.query("SELECT n FROM absent", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
    let said = client.simple_query("SELECT n FROM rows3").await.unwrap();
    assert_eq!(said.len(), 5);
    drop(client);
    connection.await.unwrap().unwrap();
}
