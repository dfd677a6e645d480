//! Encryption asked for, refused, doubled, stuffed and downgraded.

use super::client::{
    Certificate, Client, GSS_REQUEST, SSL_REQUEST, cancel, initial, is_cancelled, is_in, key_of, message, query,
    startup, words,
};
use crate::fixture::{self, Gate};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::AsyncReadExt;

async fn gate(mode: &str) -> (Gate, Certificate) {
    let files = Certificate::made();
    let gate = fixture::gate_set(&[
        ("QUERYGATE_TLS_MODE", mode),
        ("QUERYGATE_TLS_CERT", files.certificate.to_str().unwrap()),
        ("QUERYGATE_TLS_KEY", files.key.to_str().unwrap()),
    ])
    .await;
    (gate, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_clear_is_read_as_if_it_were_encrypted() {
    let (gate, files) = gate("allow").await;
    let hello = startup(0, "bob", "retail");
    // CVE-2021-23222: in one segment with the request.
    for stuffing in [hello.as_slice(), &SSL_REQUEST, b"\0", b"\x16\x03\x01"] {
        let mut client = Client::new(gate.address).await;
        let said = client.ask(&[&SSL_REQUEST, stuffing].concat()).await;
        assert_eq!(said, ["E FATAL 08P01 received unencrypted data after SSL request", "."], "{stuffing:?}");
    }
    // After the server's S: it is no handshake, and that is the end.
    let mut client = Client::new(gate.address).await;
    client.send(&SSL_REQUEST).await;
    assert_eq!(client.stream.read_u8().await.unwrap(), b'S');
    client.send(&hello).await;
    let mut rest = Vec::new();
    let _ = client.stream.read_to_end(&mut rest).await;
    assert!(rest.first().is_none_or(|first| *first == 0x15), "an alert of TLS at most: {rest:?}");
    // Stuffed before a whole and honest handshake it is still the end.
    let mut client = Client::new(gate.address).await;
    client.send(&[&SSL_REQUEST[..], b"x"].concat()).await;
    assert!(client.handshake(&files, true).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_asked_for_once_and_spoken_from_there_on() {
    let (gate, files) = gate("require").await;
    for (requests, said) in [
        ([GSS_REQUEST, GSS_REQUEST], "E FATAL 08P01 unexpected request for encryption"),
        ([GSS_REQUEST, SSL_REQUEST], ""),
    ] {
        let mut client = Client::new(gate.address).await;
        client.send(&requests[0]).await;
        assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
        client.send(&requests[1]).await;
        match said {
            "" => {
                assert_eq!(client.stream.read_u8().await.unwrap(), b'S');
                let mut client = client.handshake(&files, true).await.unwrap();
                assert!(is_in(&client.log_in("bob", "bob-demo").await));
            }
            said => assert_eq!(client.said().await, [said, "."]),
        }
    }
    // Within TLS there is nothing to ask for any more.
    for request in [SSL_REQUEST, GSS_REQUEST] {
        let mut client = Client::new(gate.address).await.encrypt(&files).await;
        assert_eq!(client.ask(&request).await, ["E FATAL 08P01 unexpected request for encryption", "."]);
    }
    // In the clear nobody comes in, whether they asked before or not.
    for request in [&b""[..], &GSS_REQUEST] {
        let mut client = Client::new(gate.address).await;
        if !request.is_empty() {
            client.send(request).await;
            assert_eq!(client.stream.read_u8().await.unwrap(), b'N');
        }
        let said = client.log_in("bob", "bob-demo").await;
        assert_eq!(said, ["E FATAL 28000 connections that are not encrypted are refused"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte_names_what_it_is_for() {
    let (gate, files) = gate("require").await;
    let mut client = Client::new(gate.address).await.handshake(&files, true).await.unwrap();
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    // Without ALPN it could be anybody's, such as a browser's that was sent here.
    if let Ok(mut client) = Client::new(gate.address).await.handshake(&files, false).await {
        assert_eq!(client.log_in("bob", "bob-demo").await, ["."]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_never_finished_ends_at_the_deadline() {
    let files = Certificate::made();
    let gate = fixture::gate_set(&[
        ("QUERYGATE_TLS_CERT", files.certificate.to_str().unwrap()),
        ("QUERYGATE_TLS_KEY", files.key.to_str().unwrap()),
        ("QUERYGATE_LIMITS_STARTUP_TIMEOUT_MS", "600"),
    ])
    .await;
    let whole = hello([3, 3], [0xc0, 0x2b]);
    // Nothing of it, a part of it, and all of it with nothing behind.
    for part in [&whole[..0], &whole[..40], &whole] {
        for direct in [true, false] {
            let mut client = Client::new(gate.address).await;
            if !direct {
                client.send(&SSL_REQUEST).await;
                assert_eq!(client.stream.read_u8().await.unwrap(), b'S');
            }
            client.send(part).await;
            let mut rest = Vec::new();
            let end = client.stream.read_to_end(&mut rest);
            assert!(tokio::time::timeout(super::client::SOON, end).await.is_ok(), "{direct} {}", part.len());
        }
    }
}

/// A ClientHello with one version and one cipher suite.
fn hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, 2]);
    body.extend(suite);
    body.extend([1, 0]);
    // Curves P-256 and X25519, uncompressed points, and signatures by ECDSA with SHA-256.
    let extensions: [&[u8]; 3] =
        [&[0, 10, 0, 6, 0, 4, 0, 0x17, 0, 0x1d], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4]];
    let extensions = extensions.concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend((body.len() as u16).to_be_bytes());
    handshake.extend(body);
    let mut record = vec![0x16, 3, 1];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_weak_ciphers_are_not_spoken() {
    let (gate, _files) = gate("require").await;
    let mut answers = Vec::new();
    for (version, suite) in [
        // TLS 1.2 with ECDHE-ECDSA-AES128-GCM: the one that is taken shows that the hello is well-formed.
        ([3, 3], [0xc0, 0x2b]),
        // The same with CBC, without forward secrecy, with RC4 and with nothing.
        ([3, 3], [0xc0, 0x09]),
        ([3, 3], [0, 0x9c]),
        ([3, 3], [0xc0, 0x07]),
        ([3, 3], [0, 0]),
        // TLS 1.1, 1.0 and SSL 3.
        ([3, 2], [0xc0, 0x09]),
        ([3, 1], [0xc0, 0x09]),
        ([3, 0], [0, 0x2f]),
    ] {
        let mut client = Client::new(gate.address).await;
        client.send(&SSL_REQUEST).await;
        assert_eq!(client.stream.read_u8().await.unwrap(), b'S');
        client.send(&hello(version, suite)).await;
        answers.push(client.stream.read_u8().await.unwrap_or(0));
    }
    assert_eq!(answers[0], 0x16, "a ServerHello");
    assert!(answers[1..].iter().all(|answer| matches!(answer, 0x15 | 0)), "alerts and nothing else: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_bound_to_its_channel() {
    let (gate, files) = gate("allow").await;
    let mut client = Client::new(gate.address).await.encrypt(&files).await;
    let (offered, _) = client.challenge("bob", "bob-demo").await;
    assert_eq!(offered, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let refused = "E FATAL 28000 SCRAM channel binding negotiation error";
    // The client could bind and was told that the server could not: somebody in between took PLUS out of the offer.
    for (mechanism, first) in [
        ("SCRAM-SHA-256", "y,,n=,r=abc"),
        ("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc"),
        ("SCRAM-SHA-256-PLUS", "n,,n=,r=abc"),
        ("SCRAM-SHA-256-PLUS", "y,,n=,r=abc"),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc"),
    ] {
        let mut client = Client::new(gate.address).await.encrypt(&files).await;
        client.send(&startup(0, "bob", "retail")).await;
        assert_eq!(client.next().await.unwrap().1[3], 10);
        assert_eq!(client.ask(&initial(mechanism, first.as_bytes())).await, [refused, "."], "{mechanism} {first}");
    }
    // The right binding and another certificate's, both with the right password.
    for (end_point, right) in [(files.end_point(), true), (Certificate::made().end_point(), false), (vec![], false)] {
        let mut client = Client::new(gate.address).await.encrypt(&files).await;
        client.send(&startup(0, "bob", "retail")).await;
        assert_eq!(client.next().await.unwrap().1[3], 10);
        let mut scram = ScramSha256::new(b"bob-demo", ChannelBinding::tls_server_end_point(end_point));
        client.send(&initial("SCRAM-SHA-256-PLUS", scram.message())).await;
        let (kind, body) = client.next().await.unwrap();
        assert_eq!(body[3], 11, "{}", words(kind, &body));
        scram.update(&body[4..]).unwrap();
        let said = client.ask(&message(b'p', scram.message())).await;
        if right { assert!(is_in(&said), "{said:?}") } else { assert_eq!(said, [refused, "."]) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_comes_encrypted_or_not() {
    let (gate, files) = gate("require").await;
    let mut client = Client::new(gate.address).await.encrypt(&files).await;
    let (pid, secret) = key_of(&client.log_in_as(2, "bob", "bob-demo").await);
    let endless = "SELECT sum(a.n * b.n) FROM generate_series(1, 100000000) a(n), generate_series(1, 100000000) b(n)";
    for encrypted in [true, false] {
        client.send(&query(endless)).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let mut other = Client::new(gate.address).await;
        if encrypted {
            let mut other = other.encrypt(&files).await;
            assert_eq!(other.ask(&cancel(pid, &secret)).await, ["."]);
        } else {
            // Drivers before libpq 17 know no other way, and what it can do is to stop one statement.
            assert_eq!(other.ask(&cancel(pid, &secret)).await, ["."]);
        }
        assert!(is_cancelled(&client.said().await), "encrypted: {encrypted}");
    }
}
