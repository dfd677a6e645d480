//! A gateway in a process of its own, that is told everything and logs all it can: no secret is in what it writes.

use super::client::{Certificate, Client, cancel, is_in, key_of, query};
use crate::fixture;

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged_or_dumped() {
    let files = Certificate::made();
    let audit = tempfile::tempdir().unwrap().keep();
    let stderr = audit.with_extension("stderr");
    let key = "a hash key that is all its own, and a secret";
    let (process, address) = fixture::process(
        &audit,
        "exec \"$0\" serve",
        &[
            ("QUERYGATE_HASH_KEY", key),
            ("QUERYGATE_LOG_LEVEL", "trace"),
            ("QUERYGATE_TLS_MODE", "allow"),
            ("QUERYGATE_TLS_CERT", files.certificate.to_str().unwrap()),
            ("QUERYGATE_TLS_KEY", files.key.to_str().unwrap()),
        ],
    );
    let mut client = Client::new(address).await.encrypt(&files).await;
    let said = client.log_in_as(2, "bob", "bob-demo").await;
    let (pid, secret) = key_of(&said);
    assert!(is_in(&client.ask(&query("SELECT email, ssn FROM people LIMIT 3")).await));
    assert!(is_in(&Client::new(address).await.log_in("alice", "alice-demo").await));
    for user in ["bob", "nobody"] {
        for _ in 0..6 {
            Client::from([127, 0, 0, 9], address).await.log_in(user, "a wrong guess").await;
        }
    }
    Client::new(address).await.ask(&cancel(pid, &secret)).await;
    // What a kernel would write of this process, should it fall: nothing that it holds.
    let filter = std::fs::read_to_string(format!("/proc/{}/coredump_filter", process.0.id())).unwrap();
    assert_eq!(filter.trim(), "00000000");
    drop(process);

    let mut written = std::fs::read_to_string(&stderr).unwrap();
    assert!(written.contains("log-ins are held back"), "{written}");
    for record in fixture::log(&audit) {
        written.push_str(&record.to_string());
    }
    let users = std::fs::read_to_string(fixture::demo_folder().join("catalog/users.yaml")).unwrap();
    let verifiers: Vec<&str> = users.split('"').filter(|part| part.starts_with("SCRAM-SHA-256$")).collect();
    assert!(verifiers.len() > 1);
    let mut secrets: Vec<String> = vec![key.into(), hex::encode(key), "bob-demo".into(), "a wrong guess".into()];
    secrets.extend([hex::encode(&secret), format!("{secret:?}"), format!("{:?}", key.as_bytes())]);
    for verifier in verifiers {
        secrets.extend(verifier.split(['$', ':']).filter(|part| part.len() > 20).map(str::to_owned));
    }
    let pem = std::fs::read_to_string(&files.key).unwrap();
    secrets.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    for secret in secrets {
        assert!(!written.contains(&secret), "{secret:.12}… is in the log");
    }
}
