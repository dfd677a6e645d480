//! Connections that never finish starting.

use super::client::{Client, SOON, is_in, message, query, startup};
use crate::fixture;
use std::time::{Duration, Instant};

const FLOOD: [u8; 4] = [127, 0, 0, 66];

#[tokio::test(flavor = "multi_thread")]
async fn who_never_finishes_starting_keeps_nobody_else_out() {
    let gate = fixture::gate_set(&[
        ("QUERYGATE_LIMITS_MAX_CONNECTIONS", "20"),
        ("QUERYGATE_LIMITS_MAX_STARTUPS", "40"),
        ("QUERYGATE_LIMITS_MAX_STARTUPS_PER_ADDRESS", "30"),
        ("QUERYGATE_LIMITS_STARTUP_TIMEOUT_MS", "60000"),
    ])
    .await;
    let mut session = Client::new(gate.address).await;
    assert!(is_in(&session.log_in("bob", "bob-demo").await));
    let mut flood = Vec::new();
    for number in 0..150 {
        let mut one = Client::from(FLOOD, gate.address).await;
        let hello = startup(0, "bob", "retail");
        match number % 3 {
            0 => {}
            1 => one.send(&hello[..7]).await,
            _ => one.send(&hello).await,
        }
        flood.push(one);
    }
    // Another address comes in, and so does one that the flood comes from, once its oldest have had their time.
    for host in [[127, 0, 0, 1], [127, 0, 0, 2]] {
        let mut other = Client::from(host, gate.address).await;
        assert!(is_in(&other.log_in("bob", "bob-demo").await), "{host:?}");
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut neighbour = Client::from(FLOOD, gate.address).await;
    assert!(is_in(&neighbour.log_in("bob", "bob-demo").await));
    assert!(is_in(&session.ask(&query("SELECT 1")).await), "a session that was there before the flood is served");
    let mut held = 0;
    for one in &mut flood {
        // Those who got as far as to be asked for a password have a byte to read; only the end counts.
        let mut gone = false;
        while let Ok(read) = tokio::time::timeout(Duration::from_millis(5), one.stream.read_some()).await {
            if read == 0 {
                gone = true;
                break;
            }
        }
        held += usize::from(!gone);
    }
    assert!((1..=40).contains(&held), "{held} connections are held before their log-in");
}

trait ReadSome {
    async fn read_some(&mut self) -> usize;
}

impl ReadSome for tokio::net::TcpStream {
    /// 0 at the end, or when the connection was reset.
    async fn read_some(&mut self) -> usize {
        let mut some = [0; 256];
        tokio::io::AsyncReadExt::read(self, &mut some).await.unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_floods_gives_way_to_others_before_it_is_full_itself() {
    let gate = fixture::gate_set(&[
        ("QUERYGATE_LIMITS_MAX_STARTUPS", "10"),
        ("QUERYGATE_LIMITS_MAX_STARTUPS_PER_ADDRESS", "10"),
        ("QUERYGATE_LIMITS_STARTUP_TIMEOUT_MS", "60000"),
    ])
    .await;
    let mut flood = Vec::new();
    for _ in 0..10 {
        flood.push(Client::from(FLOOD, gate.address).await);
    }
    // The place is the flood's oldest one's, at once.
    let mut other = Client::from([127, 0, 0, 3], gate.address).await;
    assert!(is_in(&other.log_in("bob", "bob-demo").await));
    assert_eq!(flood[0].next().await, None);
    assert!(!flood[9].stirs(Duration::from_millis(100)).await);
    // One more of its own takes no other's place while its oldest are young.
    flood.push(Client::from(FLOOD, gate.address).await);
    let mut one_more = Client::from(FLOOD, gate.address).await;
    assert_eq!(one_more.said().await, ["E FATAL 53300 too many connections are logging in", "."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_does_not_use_up_the_files_that_the_process_may_open() {
    let audit = tempfile::tempdir().unwrap().keep();
    let (_process, address) = fixture::process(
        &audit,
        "ulimit -n 256 && exec \"$0\" serve",
        &[("QUERYGATE_LIMITS_STARTUP_TIMEOUT_MS", "60000")],
    );
    let mut session = Client::new(address).await;
    assert!(is_in(&session.log_in("bob", "bob-demo").await));
    let mut flood = Vec::new();
    for host in 0..6 {
        for _ in 0..60 {
            flood.push(Client::from([127, 0, 2, host], address).await);
        }
    }
    let mut other = Client::from([127, 0, 0, 3], address).await;
    assert!(is_in(&other.log_in("bob", "bob-demo").await));
    // Files can be opened, too.
    let said = session.ask(&query("SELECT count(*) FROM people")).await;
    assert!(said.iter().any(|word| word == "C SELECT 1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drips_is_cut_off_at_the_deadline_wherever_he_is() {
    let gate = fixture::gate_set(&[("QUERYGATE_LIMITS_STARTUP_TIMEOUT_MS", "800")]).await;
    let hello = startup(0, "bob", "retail");
    // A start-up packet, a SASL message, and one of the two that is only promised.
    for (first, drip) in [
        (Vec::new(), hello.clone()),
        (hello.clone(), message(b'p', &[b'x'; 900])),
        (Vec::new(), vec![0, 0, 0x10]),
        (hello.clone(), vec![b'p', 0, 0, 3]),
    ] {
        let began = Instant::now();
        let mut client = Client::new(gate.address).await;
        client.send(&first).await;
        let (mut reader, mut writer) = client.stream.into_split();
        let sending = tokio::spawn(async move {
            // Cut off before it is complete.
            for byte in &drip[..drip.len() - 1] {
                if tokio::io::AsyncWriteExt::write_all(&mut writer, &[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            writer
        });
        let end = async {
            let mut said = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut said).await;
        };
        tokio::time::timeout(SOON, end).await.expect("never cut off");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        sending.abort();
    }
}
