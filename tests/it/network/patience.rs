//! Clients that are silent, or that do not read: how long they are waited for is the operator's to say.

use super::client::{Client, SOON, is_in, message, query};
use crate::fixture;
use std::time::Duration;

async fn logged_in(pairs: &[(&str, &str)]) -> (fixture::Gate, Client) {
    let gate = fixture::gate_set(pairs).await;
    let mut client = Client::new(gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    (gate, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_ends_at_the_operators_limit() {
    let (_gate, mut client) = logged_in(&[("QUERYGATE_LIMITS_IDLE_TIMEOUT_MS", "300")]).await;
    // The session's own setting can bring it nearer, and not move it away.
    client.ask(&query("SET idle_session_timeout = '1h'")).await;
    let said = client.said().await;
    assert_eq!(said, ["E FATAL 57P05 terminating connection due to idle-session timeout", "."]);
    // Nor do the first bytes of a message.
    let mut client = Client::new(_gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    let text = query("SELECT 1");
    let said = client.ask(&text[..text.len() - 1]).await;
    assert_eq!(said, ["E FATAL 57P05 terminating connection due to idle-session timeout", "."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_goes_on_with_ends_at_the_operators_limit() {
    let (gate, mut client) = logged_in(&[("QUERYGATE_LIMITS_IDLE_IN_TRANSACTION_TIMEOUT_MS", "300")]).await;
    let ended = ["E FATAL 25P03 terminating connection due to idle-in-transaction timeout", "."];
    assert_eq!(client.ask(&query("BEGIN")).await, ["C BEGIN", "Z T"]);
    assert_eq!(client.said().await, ended);
    // A batch that no Sync ends is a transaction as well.
    let mut client = Client::new(gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    let parse = message(b'P', b"\0SELECT 1\0\0\0");
    let said = client.ask(&[parse, message(b'H', b"")].concat()).await;
    assert_eq!(said[0], "1");
    assert!(said[1].starts_with("E FATAL 25P03"), "{said:?}");
    // A session without one may be silent for as long as it likes.
    let mut client = Client::new(gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    assert!(!client.stirs(Duration::from_millis(900)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_of_its_result_is_let_go() {
    let (gate, mut client) = logged_in(&[("QUERYGATE_LIMITS_WRITE_TIMEOUT_MS", "500")]).await;
    let text = "SELECT repeat('x', 10000) || n FROM generate_series(1, 40000) g(n)";
    client.send(&query(text)).await;
    // Nothing is read. The record of the statement's end says that its client is gone.
    let ended = async {
        loop {
            let log = fixture::log(&gate.audit);
            if log.iter().any(|record| record["result"] == "FAILURE" && record["action"] == "QUERY_EXECUTE") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("the statement is still held");
    // Who reads slowly is no such client.
    let mut client = Client::new(gate.address).await;
    assert!(is_in(&client.log_in("bob", "bob-demo").await));
    let text = "SELECT repeat('x', 10000) || n FROM generate_series(1, 2000) g(n)";
    client.send(&query(text)).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..300 {
            assert!(client.next().await.is_some());
        }
    }
    assert!(is_in(&client.said().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_no_more_than_the_operator_says() {
    let (_gate, mut client) = logged_in(&[
        ("QUERYGATE_LIMITS_MAX_PREPARED_STATEMENTS", "2"),
        ("QUERYGATE_LIMITS_MAX_PORTALS", "2"),
        ("QUERYGATE_LIMITS_MAX_STATEMENT_BYTES", "2000"),
        ("QUERYGATE_LIMITS_STATEMENT_TIMEOUT_MS", "300"),
    ])
    .await;
    let parse = |name: &str| message(b'P', format!("{name}\0SELECT 1\0\0\0").as_bytes());
    let bind = |name: &str| message(b'B', format!("{name}\0a\0\0\0\0\0\0\0").as_bytes());
    let sync = message(b'S', b"");
    let said = client.ask(&[parse("a"), parse("b"), parse("c"), sync.clone()].concat()).await;
    assert!(said.len() == 4 && said[2].starts_with("E ERROR 54000"), "{said:?}");
    let said = client.ask(&[bind("a"), bind("b"), bind("c"), sync].concat()).await;
    assert!(said.len() == 4 && said[2].starts_with("E ERROR 54000"), "{said:?}");
    let long = format!("SELECT {}1", "1 + ".repeat(600));
    assert!(client.ask(&query(&long)).await[0].starts_with("E ERROR 54001"));
    client.ask(&query("SET statement_timeout = 0")).await;
    let endless = "SELECT sum(a.n * b.n) FROM generate_series(1, 100000000) a(n), generate_series(1, 100000000) b(n)";
    let said = client.ask(&query(endless)).await;
    assert!(said[said.len() - 2].starts_with("E ERROR 57014"), "{said:?}");
}
