//! The same attacks, and those that only a PostgreSQL upstream makes room for.

use super::world::World;
use super::{FILES, Watch};
use crate::case::{Case, cases, updating, write};
use crate::raw::{Raw, Reply};
use futures::StreamExt;
use std::sync::PoisonError;
use std::time::Duration;

/// What holds each planted value, however it was turned.
const PLANTED: [&str; 7] = ["canary", "7700770", "43616e617279", "63616e617279", "Q2FuYXJ5", "Y2FuYXJ5", "yranac"];

/// Attacks that are under way at a time: of other users, over the same few connections to the upstream.
const AT_ONCE: usize = 6;

/// The planted values among some bytes.
fn planted(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_lowercase();
    let near =
        |at: usize| lower.chars().skip(lower[..at].chars().count().saturating_sub(20)).take(60).collect::<String>();
    let mut found: Vec<String> =
        PLANTED.iter().filter_map(|needle| lower.find(&needle.to_lowercase())).map(near).collect();
    found.truncate(3);
    found
}

/// Records without what is random in them: sooner or later some hash has the digits of a planted number.
fn without_hashes(written: &str) -> String {
    const RANDOM: [&str; 6] = ["hash", "previousHash", "eventId", "resourceId", "traceId", "decisionId"];
    let mut text = written.to_owned();
    for field in RANDOM {
        let start = format!("\"{field}\":\"");
        let mut parts = text.split(&start);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (value, rest) = part.split_once('"').unwrap_or((part, ""));
            let is_random = value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            kept += &format!("{start}{}\"{rest}", if is_random { "" } else { value });
        }
        text = kept;
    }
    text
}

/// Everything that a client was sent.
fn bytes(reply: &Reply) -> Vec<u8> {
    let mut all = Vec::new();
    for body in reply.messages.iter().map(|(_, body)| body).chain(&reply.settings) {
        all.extend(body);
        all.push(b'\n');
    }
    all
}

/// `{{c3}}` is how a case says bytes that no text file holds.
fn unescaped(sql: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("{{") {
        bytes.extend(before.as_bytes());
        let (code, after) = after.split_once("}}").unwrap();
        bytes.extend(hex::decode(code).unwrap());
        rest = after;
    }
    bytes.extend(rest.as_bytes());
    bytes
}

async fn within(raw: impl Future<Output = Reply>) -> Reply {
    let ended = Reply { ended: true, ..Reply::default() };
    tokio::time::timeout(Duration::from_secs(60), raw).await.unwrap_or(ended)
}

/// A statement in each way that it can be sent: what came of the plain way, and all that was said in any.
async fn attack(world: &World, user: &str, sql: &str) -> (String, Vec<u8>) {
    let mut raw = Raw::gateway(world.address, user, "retail").await;
    let first = within(raw.query_bytes(&unescaped(sql))).await;
    let rows = first.messages.iter().filter(|(kind, _)| *kind == b'D').count();
    let outcome = match (first.error(), first.ended) {
        (Some(code), _) => code,
        (None, true) => "no answer".to_owned(),
        (None, false) => format!("{rows} rows"),
    };
    let mut said = bytes(&first);
    if first.ended || sql.contains(';') || sql.contains("{{") {
        return (outcome, said);
    }
    said.extend(bytes(&within(raw.query("ROLLBACK")).await));
    for ending in 0..4 {
        let reply = match ending {
            0 => within(raw.prepared(sql, &[], true)).await,
            1 => within(raw.query(&format!("COPY ({sql}) TO STDOUT"))).await,
            2 => {
                within(
                    raw.query(&format!("BEGIN; DECLARE c CURSOR FOR {sql}; FETCH 7 FROM c; FETCH ALL FROM c; COMMIT")),
                )
                .await
            }
            _last => within(raw.query("ROLLBACK")).await,
        };
        said.extend(bytes(&reply));
        if reply.ended {
            break;
        }
    }
    (outcome, said)
}

#[test]
fn the_watch_sees_what_is_planted() {
    assert_eq!(planted(b"ERROR: invalid input: \"Canary word 1\"").len(), 1);
    assert!(!planted(b"\\x43616E617279").is_empty() && !planted(b"-7700770 days").is_empty());
    let record = "{\"sanitizedQuery\":\"7700770\",\"hash\":\"ef7700770a\",\"traceId\":\"canary\"}";
    assert_eq!(planted(without_hashes(record).as_bytes()).len(), 2);
    assert!(planted(without_hashes("{\"hash\":\"ef7700770a\"}").as_bytes()).is_empty());
    assert!(planted("an answer: 770 canar y パスワード".as_bytes()).is_empty());
}

/// What each attack got: its outcome, and every byte that the client was sent.
struct Got {
    answers: Vec<(String, Vec<u8>)>,
    wrong: Vec<String>,
}

/// Runs the whole corpus over an upstream, and looks for the planted values in whatever comes of it.
async fn attack_all(all: &[Case], barrier: &str) -> Got {
    let watch = Watch::new();
    let world = World::new(barrier).await;
    let before = world.state().await;
    // The canaries are there: who asks the upstream itself is told.
    let mut admin = Raw::socket(&world.server.socket_folder(), world.server.port, "postgres", "postgres").await;
    for sql in [
        "TABLE data.kit",
        "SELECT data.leak()",
        "SELECT most_common_vals FROM pg_stats WHERE tablename = 'kit'",
        "TABLE data.chatty",
    ] {
        assert!(!planted(&bytes(&admin.query(sql).await)).is_empty(), "{sql}");
    }
    let asked: Vec<(&str, &str)> = all.iter().map(asked).collect();
    let attacks = futures::stream::iter(&asked).map(|(user, sql)| attack(&world, user, sql));
    let answers: Vec<(String, Vec<u8>)> = attacks.buffered(AT_ONCE).collect().await;
    let mut wrong = Vec::new();
    for ((case, (user, sql)), (seen, said)) in all.iter().zip(&asked).zip(&answers) {
        let mut leaked = planted(said);
        let words = String::from_utf8_lossy(said);
        leaked.extend(watch.found(user, &words).into_iter().map(str::to_owned));
        if !leaked.is_empty() {
            wrong.push(format!("{} leaks {leaked:?}\n  {sql}", case.name()));
        }
        if matches!(seen.as_str(), "XX000" | "no answer") {
            wrong.push(format!("{} ends in {seen}\n  {sql}\n  {words:.300}", case.name()));
        }
    }
    // The log and the audit folder hold no value, and nothing was written in the upstream.
    let text = without_hashes(&String::from_utf8_lossy(&world.written()));
    for line in text.lines().filter(|line| !planted(line.as_bytes()).is_empty()).take(5) {
        wrong.push(format!("the gateway wrote {line:.600}"));
    }
    for user in ["alice", "bob"] {
        let leaked = watch.found(user, &text);
        if !leaked.is_empty() {
            wrong.push(format!("the gateway wrote {leaked:?}"));
        }
    }
    if world.state().await != before {
        wrong.push("something in the upstream is not what it was".to_owned());
    }
    Got { answers, wrong }
}

fn asked(case: &Case) -> (&str, &str) {
    let sql = case.section("sql").unwrap_or_else(|| panic!("{} has no sql", case.name()));
    (case.get("user").unwrap_or("alice"), sql)
}

fn run_all(all: &[Case], barrier: &str) -> Got {
    let _held = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::runtime::Runtime::new().unwrap().block_on(attack_all(all, barrier))
}

#[test]
fn no_attack_on_an_upstream_gets_a_canary() {
    let mut all = cases("bypass");
    let Got { answers, mut wrong } = run_all(&all, "none");
    for (case, (seen, said)) in all.iter_mut().zip(answers) {
        // `upstream` stands where an upstream's answer is not that of files (`expect`).
        let expected = case.get("upstream").or(case.get("expect")).unwrap_or("?").to_owned();
        let fits =
            expected.split('|').map(str::trim).any(|one| one == seen || (one == "rows" && seen.ends_with(" rows")));
        if updating() && !fits {
            case.head.insert("upstream".into(), seen.clone());
        } else if !fits {
            let words = String::from_utf8_lossy(&said);
            wrong.push(format!("{} expected {expected}, saw {seen}\n  {}\n  {words:.300}", case.name(), asked(case).1));
        }
    }
    if updating() {
        write(&all);
    }
    let over_upstream = all.iter().filter(|case| case.get("expect").is_none()).count();
    println!("{} cases over an upstream, {over_upstream} of them there alone", all.len());
    assert!(over_upstream >= 1000, "there are {over_upstream} cases for an upstream");
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// The same where the gateway keeps views in the place of its fences.
#[test]
fn no_attack_on_an_upstream_with_views_gets_a_canary() {
    let all = cases("bypass");
    let wrong = run_all(&all, "views").wrong;
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// The same where the gateway keeps row security there.
#[test]
fn no_attack_on_an_upstream_with_row_security_gets_a_canary() {
    let all = cases("bypass");
    let wrong = run_all(&all, "rls").wrong;
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// Of two users of one pool: nothing that one leaves is there for the other.
#[test]
fn nothing_of_one_user_is_there_for_another() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let world = World::new("none").await;
        let (mut bob, mut alice) = (
            Raw::gateway(world.address, "bob", "retail").await,
            Raw::gateway(world.address, "alice", "retail").await,
        );
        let words = |rows: &Reply| -> Vec<String> {
            rows.rows().iter().flatten().flatten().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
        };
        for (of_bob, of_alice, code) in [
            ("PREPARE mine AS SELECT id, region FROM kit ORDER BY id", "EXECUTE mine", "26000"),
            ("BEGIN; DECLARE mine CURSOR FOR SELECT region FROM kit; FETCH 1 FROM mine", "FETCH ALL FROM mine", "34000"),
            ("COMMIT", "CLOSE mine", "34000"),
            ("PREPARE other AS SELECT region FROM kit WHERE id = $1", "EXECUTE other(11)", "26000"),
        ] {
            let told = bob.query(of_bob).await;
            assert_eq!(told.error(), None, "{of_bob}");
            assert_eq!(alice.query(of_alice).await.error().as_deref(), Some(code), "{of_alice}");
        }
        // The same name, the same text, another user: each its own rows, in turns and side by side.
        for raw in [&mut bob, &mut alice] {
            let told = raw.query("DEALLOCATE ALL; PREPARE mine AS SELECT DISTINCT region FROM kit WHERE n > $1; SET TimeZone = 'Asia/Tokyo'").await;
            assert_eq!(told.error(), None, "{told:?}");
        }
        for turn in 0..12 {
            let (us, eu) = if turn % 2 == 0 {
                tokio::join!(bob.query("EXECUTE mine(0)"), alice.query("EXECUTE mine(0)"))
            } else {
                let sql = "SELECT DISTINCT region FROM kit WHERE n > $1";
                let zero = [Some("0".to_owned())];
                tokio::join!(bob.prepared(sql, &zero, false), alice.prepared(sql, &zero, false))
            };
            assert_eq!((words(&us), words(&eu)), (vec!["US".to_owned()], vec!["EU".to_owned()]), "{us:?} {eu:?}");
        }
        // Settings and transactions of one are not the other's.
        assert_eq!(bob.query("BEGIN; SET LOCAL TimeZone = 'Europe/Berlin'; SELECT ts FROM kit").await.error(), None);
        let mut dana = Raw::gateway(world.address, "dana", "retail").await;
        let there = dana.query("SELECT ts FROM kit WHERE id = 1").await;
        assert_eq!(words(&there), ["2022-01-01 00:00:00+00"], "{there:?}");
        assert!(planted(&world.written()).is_empty());
    });
}
