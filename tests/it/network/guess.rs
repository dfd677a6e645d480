//! Guessing: passwords, names of users, cancel keys.

use super::client::{Client, Said, cancel, initial, is_cancelled, is_in, key_of, message, query, startup};
use crate::fixture::{self, Gate};
use std::collections::BTreeSet;
use std::time::Duration;

const HOME: [u8; 4] = [127, 0, 0, 1];
const THIEF: [u8; 4] = [127, 0, 0, 9];
const LOCKED: &str = "E FATAL 28000 too many failed log-ins";

async fn gate() -> Gate {
    fixture::gate_set(&[
        ("QUERYGATE_LIMITS_LOGIN_ATTEMPTS_PER_USER", "6"),
        ("QUERYGATE_LIMITS_LOGIN_ATTEMPTS_PER_ADDRESS", "10"),
        // However slow the machine is, the first wait is not over before the test is.
        ("QUERYGATE_LIMITS_LOGIN_DELAY_MS", "60000"),
    ])
    .await
}

async fn try_from(gate: &Gate, host: [u8; 4], user: &str, password: &str) -> Said {
    Client::from(host, gate.address).await.log_in(user, password).await
}

fn logins(gate: &Gate) -> Vec<serde_json::Value> {
    fixture::log(&gate.audit).into_iter().filter(|record| record["action"] == "LOGIN").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_one_password_soon_have_to_wait_and_nobody_else_does() {
    let gate = gate().await;
    // Whether there is such a user makes no difference.
    let mut told = Vec::new();
    for user in ["bob", "nobody"] {
        let mut said = Vec::new();
        for _ in 0..4 {
            said.push(try_from(&gate, THIEF, user, "guess").await);
        }
        let right = format!("{user}-demo");
        said.push(try_from(&gate, THIEF, user, &right).await);
        told.push(said.into_iter().map(|said| said.join("|").replace(user, "?")).collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1]);
    let wrong = "E FATAL 28P01 password authentication failed for user \"?\"|.";
    assert_eq!(told[0][..4], [wrong; 4]);
    // The right password is no help to whoever has guessed before, and is not looked at.
    assert_eq!(told[0][4], LOCKED);
    assert!(is_in(&try_from(&gate, HOME, "bob", "bob-demo").await), "the user comes in from elsewhere");
    assert!(is_in(&try_from(&gate, THIEF, "alice", "alice-demo").await), "and others from there");
    // What was looked at is recorded each time, what was held back once in a while.
    for _ in 0..10 {
        assert_eq!(try_from(&gate, THIEF, "bob", "guess").await, [LOCKED]);
    }
    let of_bob: Vec<_> = logins(&gate)
        .into_iter()
        .filter(|record| record["userId"] == "bob" && record["clientIp"] == "127.0.0.9" && record["result"] == "DENIED")
        .collect();
    let states: Vec<&str> = of_bob.iter().map(|record| record["parameters"]["sqlstate"].as_str().unwrap()).collect();
    assert_eq!(states, ["28P01", "28P01", "28P01", "28P01", "28000"]);
    assert_eq!(of_bob[4]["parameters"]["heldBack"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_side_by_side_are_counted_one_by_one() {
    let gate = gate().await;
    let mut ready = Vec::new();
    for _ in 0..40 {
        let mut client = Client::from(THIEF, gate.address).await;
        let (_, scram) = client.challenge("bob", "guess").await;
        ready.push((client, scram));
    }
    let mut looked_at = 0;
    for (client, scram) in &mut ready {
        let last = message(b'p', scram.message());
        client.send(&last).await;
    }
    for (client, _) in &mut ready {
        let said = client.said().await;
        assert!(said[0].starts_with("E FATAL 28"), "{said:?}");
        looked_at += usize::from(said[0].starts_with("E FATAL 28P01"));
    }
    assert_eq!(looked_at, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_addresses_that_guess_at_one_user_have_to_wait_as_one() {
    let gate = gate().await;
    assert!(is_in(&try_from(&gate, HOME, "bob", "bob-demo").await));
    let mut looked_at = 0;
    for host in 10..30 {
        let said = try_from(&gate, [127, 0, 1, host], "bob", "guess").await;
        looked_at += usize::from(said[0].starts_with("E FATAL 28P01"));
    }
    assert_eq!(looked_at, 7);
    // From an address that they have come in from before they do so again.
    assert!(is_in(&try_from(&gate, HOME, "bob", "bob-demo").await));
    assert!(is_in(&try_from(&gate, [127, 0, 1, 10], "alice", "alice-demo").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_locks_nobody_out_everywhere() {
    let gate = gate().await;
    for _ in 0..60 {
        try_from(&gate, THIEF, "bob", "guess").await;
    }
    assert!(is_in(&try_from(&gate, [127, 0, 0, 77], "bob", "bob-demo").await), "from an address that nobody knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_many_users_has_to_wait() {
    let gate = gate().await;
    assert!(is_in(&try_from(&gate, THIEF, "bob", "bob-demo").await));
    let mut looked_at = 0;
    for number in 0..20 {
        let said = try_from(&gate, THIEF, &format!("user{number}"), "guess").await;
        looked_at += usize::from(said[0].starts_with("E FATAL 28P01"));
        // An account of one's own is no way to begin again.
        assert!(is_in(&try_from(&gate, THIEF, "bob", "bob-demo").await));
    }
    assert_eq!(looked_at, 11);
    assert_eq!(try_from(&gate, THIEF, "alice", "alice-demo").await, [LOCKED]);
    assert!(is_in(&try_from(&gate, HOME, "alice", "alice-demo").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_place_of_a_password_does_not_fill_the_log() {
    let gate = gate().await;
    for _ in 0..60 {
        let mut client = Client::from(THIEF, gate.address).await;
        client.send(&startup(0, "bob", "retail")).await;
        client.ask(&query("SELECT 1")).await;
    }
    assert!(logins(&gate).len() < 15, "{}", logins(&gate).len());
    assert!(is_in(&try_from(&gate, HOME, "bob", "bob-demo").await));
}

/// Salt and rounds that a user is told.
async fn told(gate: &Gate, host: [u8; 4], user: &str) -> (String, String) {
    let mut client = Client::from(host, gate.address).await;
    client.send(&startup(0, user, "retail")).await;
    assert_eq!(client.next().await.unwrap().1[3], 10);
    client.send(&initial("SCRAM-SHA-256", b"n,,n=,r=abc")).await;
    let (_, body) = client.next().await.unwrap();
    let text = String::from_utf8(body[4..].to_vec()).unwrap();
    let field = |name: &str| text.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
    (field("s="), field("i="))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_told_the_same_salt_after_each_start() {
    let salt = async || told(&fixture::gate_set(&[]).await, HOME, "nobody").await;
    assert_eq!(salt().await, salt().await);
    let other = fixture::gate_set(&[("QUERYGATE_HASH_KEY", "another key of thirty-two bytes or more")]).await;
    assert_ne!(salt().await, told(&other, HOME, "nobody").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_told_rounds_and_salts_as_those_are_who_do() {
    let folder = fixture::folder_with(|to| {
        let file = to.join("catalog/users.yaml");
        let verifier = querygate::wire::auth::scram::make_verifier("x", 5000, b"a salt of 24 bytes here!");
        let carol = format!("users:\n  - name: carol\n    password: \"{verifier}\"\n    roles: [ANALYST]\n");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\nusers:\n"));
        std::fs::write(&file, text.replacen("users:\n", &carol, 1)).unwrap();
    });
    let gate = fixture::gate_over(&folder).await;
    assert_eq!(told(&gate, HOME, "carol").await.1, "5000");
    let mut forms = BTreeSet::new();
    for number in 0..100 {
        let user = format!("nobody{number}");
        let one = told(&gate, HOME, &user).await;
        assert_eq!(one, told(&gate, HOME, &user).await);
        forms.insert((one.1, one.0.len()));
    }
    let expected = [("4096".to_owned(), 24), ("5000".to_owned(), 32)];
    assert_eq!(forms.into_iter().collect::<Vec<_>>(), expected);
}

const ENDLESS: &str =
    "SELECT sum(a.n * b.n) FROM generate_series(1, 100000000) a(n), generate_series(1, 100000000) b(n)";

async fn send_cancel(gate: &Gate, host: [u8; 4], pid: i32, secret: &[u8]) {
    let mut client = Client::from(host, gate.address).await;
    let said = client.ask(&cancel(pid, secret)).await;
    assert_eq!(said, ["."], "right or wrong, nobody is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_key_can_not_be_guessed_and_stops_its_own_session_alone() {
    let gate = fixture::gate_set(&[]).await;
    let mut running = Client::new(gate.address).await;
    let (pid, secret) = key_of(&running.log_in_as(2, "bob", "bob-demo").await);
    assert_eq!(secret.len(), 32);
    let mut other = Client::new(gate.address).await;
    let (other_pid, other_secret) = key_of(&other.log_in_as(0, "bob", "bob-demo").await);
    assert_eq!(other_secret.len(), 4);
    running.send(&query(ENDLESS)).await;
    other.send(&query(ENDLESS)).await;
    // Another's key, a part of it, more than it, none.
    let long = [secret.as_slice(), b"x"].concat();
    for wrong in [other_secret.as_slice(), &secret[..31], &secret[..4], &long, &[0; 32], &[0; 256], b"", &[0; 257]] {
        send_cancel(&gate, [127, 0, 0, 5], pid, wrong).await;
    }
    send_cancel(&gate, [127, 0, 0, 5], other_pid, &secret).await;
    assert!(!running.ends(Duration::from_millis(300)).await);
    // Whoever guesses too often is not listened to any more, though the next one were right; others are.
    for number in 0..150_u32 {
        send_cancel(&gate, THIEF, pid, &number.to_be_bytes().repeat(8)).await;
    }
    send_cancel(&gate, THIEF, pid, &secret).await;
    assert!(!running.ends(Duration::from_millis(300)).await);
    send_cancel(&gate, HOME, pid, &secret).await;
    assert!(is_cancelled(&running.said().await));
    assert!(!other.ends(Duration::from_millis(300)).await);
    send_cancel(&gate, HOME, other_pid, &other_secret).await;
    assert!(is_cancelled(&other.said().await));
    // One that comes when nothing runs is no guess, and hits nothing that comes later.
    for _ in 0..150 {
        send_cancel(&gate, [127, 0, 0, 6], pid, &secret).await;
    }
    assert!(is_in(&running.ask(&query("SELECT 1")).await));
    running.send(&query(ENDLESS)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    send_cancel(&gate, [127, 0, 0, 6], pid, &secret).await;
    assert!(is_cancelled(&running.said().await));
}

/// Whether there is a user does not show in the time until a password is asked for. What is compared is the best of many:
/// whatever else the machine does only makes one slower.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_asked_as_fast_as_who_does() {
    let gate = fixture::gate_set(&[]).await;
    let ask = async |user: &str| {
        let mut client = Client::new(gate.address).await;
        let hello = startup(0, user, "retail");
        let began = std::time::Instant::now();
        client.send(&hello).await;
        client.next().await.unwrap();
        began.elapsed()
    };
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..500 {
        for (user, fastest) in ["bob", "bib"].into_iter().zip(&mut fastest) {
            *fastest = ask(user).await.min(*fastest);
        }
    }
    // The hash of one password would take milliseconds; reading and making verifiers takes microseconds for both.
    assert!(fastest[0].abs_diff(fastest[1]) < Duration::from_micros(200), "{fastest:?}");
}
