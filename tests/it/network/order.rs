//! Messages of wrong lengths, of unknown types, and in the wrong order.

use super::client::{Client, initial, is_in, message, packet, query, startup};
use crate::fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_lies_is_refused_before_its_bytes_come() {
    let gate = fixture::gate();
    // Before the log-in: nothing at all, less than itself, negative, one too many, and the largest.
    for header in [
        [0, 0, 0, 0],
        [0, 0, 0, 3],
        [0, 0, 0, 4],
        [0xff, 0xff, 0xff, 0xff],
        [0x80, 0, 0, 0],
        [0, 0, 0x27, 0x15],
        [0x7f, 0xff, 0xff, 0xff],
    ] {
        let mut client = Client::new(gate.address).await;
        let said = client.ask(&header).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{header:?}: {said:?}");
    }
    // While it logs in: a message of SASL is a kilobyte at most.
    for header in [[0, 0, 0, 3], [0xff; 4], [0, 0, 4, 5], [0, 1, 0, 0], [0x7f, 0xff, 0xff, 0xff]] {
        let mut client = Client::new(gate.address).await;
        client.send(&startup(0, "bob", "retail")).await;
        assert_eq!(client.next().await.unwrap().0, b'R');
        let said = client.ask(&[&b"p"[..], &header].concat()).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{header:?}: {said:?}");
    }
    // After it: what is always short has a short bound, and what is unknown has none of its bytes waited for.
    for (kind, header) in [
        (b'Q', [0, 0, 0, 3]),
        (b'Q', [0xff; 4]),
        (b'Q', [0x7f, 0xff, 0xff, 0xff]),
        (b'Q', [4, 0, 0, 5]),
        (b'S', [0, 0, 0x27, 0x15]),
        (b'E', [1, 0, 0, 0]),
        (b'X', [0, 1, 0, 0]),
        (b'H', [0, 1, 0, 0]),
        (b'!', [1, 0, 0, 0]),
        (b'p', [0, 0, 0, 9]),
        (0, [0, 0, 9, 0]),
    ] {
        let mut client = Client::new(gate.address).await;
        assert!(is_in(&client.log_in("bob", "bob-demo").await));
        let said = client.ask(&[&[kind][..], &header].concat()).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{kind} {header:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_an_answer_is_taken_while_a_password_is_asked_for() {
    let gate = fixture::gate();
    for bytes in [
        query("SELECT 1"),
        message(b'S', b""),
        message(b'X', b""),
        message(b'd', b"x"),
        startup(0, "alice", "retail"),
        packet(&[4, 0xd2, 0x16, 0x2f]),
        // Of SASL, but not what is due: no mechanism, another one, the final message first, an empty one.
        message(b'p', b"bob-demo\0"),
        message(b'p', b""),
        initial("SCRAM-SHA-1", b"n,,n=,r=abc"),
        initial("SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=abc"),
        message(b'p', b"c=biws,r=abc,p=AAAA"),
        initial("SCRAM-SHA-256", b""),
        message(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        message(b'p', b"SCRAM-SHA-256\0\0\0\0\x63n,,n=,r=abc"),
    ] {
        let mut client = Client::new(gate.address).await;
        client.send(&startup(0, "bob", "retail")).await;
        assert_eq!(client.next().await.unwrap().0, b'R');
        let said = client.ask(&bytes).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{bytes:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_the_exchange_are_neither_repeated_nor_skipped() {
    let gate = fixture::gate();
    // The first message twice; a final one with another's nonce; a query in its place.
    for again in [initial("SCRAM-SHA-256", b"n,,n=,r=abc"), message(b'p', b"c=biws,r=abc,p=AAAA"), query("SELECT 1")] {
        let mut client = Client::new(gate.address).await;
        client.challenge("bob", "bob-demo").await;
        let said = client.ask(&again).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{again:?}: {said:?}");
    }
    // All of it at once: the proof can not be right, for nobody knows the server's nonce yet; what follows is not read.
    let mut client = Client::new(gate.address).await;
    let all = [
        startup(0, "bob", "retail"),
        initial("SCRAM-SHA-256", b"n,,n=,r=abc"),
        message(b'p', b"c=biws,r=abc,p=AAAA"),
        query("SELECT 1"),
    ];
    let said = client.ask(&all.concat()).await;
    assert_eq!(&said[..2], ["R 10", "R 11"]);
    assert!(said.len() == 4 && said[2].starts_with("E FATAL 08P01"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_no_second_start_up_and_stands_storms() {
    let gate = fixture::gate();
    for bytes in [startup(0, "alice", "retail"), packet(&[4, 0xd2, 0x16, 0x2f]), message(b'p', b"bob-demo\0")] {
        let mut client = Client::new(gate.address).await;
        assert!(is_in(&client.log_in("bob", "bob-demo").await));
        let said = client.ask(&bytes).await;
        assert!(said.len() == 2 && said[0].starts_with("E FATAL 08P01"), "{bytes:?}: {said:?}");
    }
    let mut client = Client::new(gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    // Stray COPY messages mean nothing; a portal and a statement that are not there are errors, and the rest is skipped.
    let bind = message(b'B', b"\0nothing\0\0\0\0\0\0\0");
    let execute = message(b'E', b"nothing\0\0\0\0\0");
    let batch =
        [message(b'd', b"x"), message(b'c', b""), message(b'f', b"x\0"), bind, execute.clone(), message(b'S', b"")];
    let said = client.ask(&batch.concat()).await;
    assert!(said.len() == 2 && said[0].starts_with("E ERROR 26000"), "{said:?}");
    assert!(client.ask(&[execute, message(b'S', b"")].concat()).await[0].starts_with("E ERROR 34000"));
    // A storm of Syncs is answered one for one while others are served.
    let storm = message(b'S', b"").repeat(50_000);
    let (mut reader, mut writer) = client.stream.into_split();
    let sending = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &storm).await.unwrap();
        writer
    });
    let mut other = Client::new(gate.address).await;
    assert!(is_in(&other.log_in("bob", "bob-demo").await));
    let mut answers = vec![0; 50_000 * 6];
    tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answers).await.unwrap();
    assert!(answers.chunks(6).all(|answer| answer == b"Z\0\0\0\x05I"));
    sending.await.unwrap();
}
