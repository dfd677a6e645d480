//! Messages in and messages out, simple and extended.

use super::client::{Server, bind, execute, message, parse, query, sync};

#[tokio::test]
async fn a_query_string_runs_until_one_fails() {
    let mut client = Server::new().log_in().await;
    assert_eq!(client.ask(&query("SELECT n FROM rows3")).await, ["T", "D 0", "D 1", "D 2", "C SELECT 3", "Z I"]);
    let several = "SELECT n FROM rows3; SELECT n FROM absent; SELECT n FROM rows3";
    let answers = client.ask(&query(several)).await;
    assert_eq!(&answers[..5], ["T", "D 0", "D 1", "D 2", "C SELECT 3"]);
    assert!(answers[5].starts_with("E ERROR 42P01"));
    assert_eq!(answers[6..], ["Z I"]);
    assert_eq!(client.ask(&query("")).await, ["I", "Z I"]);
    assert_eq!(client.ask(&query(" ; ")).await, ["I", "Z I"]);
}

#[tokio::test]
async fn ready_for_query_says_how_the_transaction_stands() {
    let mut client = Server::new().log_in().await;
    assert_eq!(client.ask(&query("BEGIN")).await, ["C BEGIN", "Z T"]);
    assert!(client.ask(&query("SELECT n FROM absent")).await.ends_with(&["Z E".to_owned()]));
    let answers = client.ask(&query("SELECT n FROM rows3")).await;
    assert!(answers[0].starts_with("E ERROR 25P02"), "{answers:?}");
    assert_eq!(client.ask(&query("ROLLBACK")).await, ["C ROLLBACK", "Z I"]);
}

#[tokio::test]
async fn settings_that_are_reported_are_told_when_they_change() {
    let mut client = Server::new().log_in().await;
    let answers = client.ask(&query("SET application_name = 'report'")).await;
    assert_eq!(answers, ["C SET", "S application_name=report", "Z I"]);
}

#[tokio::test]
async fn rows_that_came_before_an_error_are_sent() {
    let mut client = Server::new().log_in().await;
    let answers = client.ask(&query("SELECT n FROM broken")).await;
    assert_eq!(answers, ["T", "D 0", "D 1", "E ERROR 22012 division by zero", "Z I"]);
    let answers = client.ask(&query("SELECT n FROM capped")).await;
    assert_eq!(answers, ["T", "D 0", "D 1", "E ERROR 54000 result is limited to 2 rows", "Z I"]);
    let answers = client.ask(&query("SELECT n FROM noted")).await;
    assert_eq!(answers[0], "N NOTICE 00000 masks applied: email(email)");
}

#[tokio::test]
async fn one_budget_holds_for_all_of_a_query_string() {
    let mut client = Server::new().log_in().await;
    let answers = client.ask(&query("SELECT n FROM rows3; SELECT n FROM capped")).await;
    assert_eq!(answers[5..], ["T", "E ERROR 54000 result is limited to 2 rows", "Z I"]);
}

#[tokio::test]
async fn the_extended_protocol_pipelines() {
    let mut client = Server::new().log_in().await;
    let batch = [
        parse("s", "SELECT n FROM rows3"),
        message(b'D', b"Ss\0"),
        bind("p", "s"),
        message(b'D', b"Pp\0"),
        execute("p", 0),
        message(b'C', b"Pp\0"),
        message(b'C', b"Ss\0"),
        sync(),
    ];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers, ["1", "t", "T", "2", "T", "D 0", "D 1", "D 2", "C SELECT 3", "3", "3", "Z I"]);
}

#[tokio::test]
async fn a_portal_is_suspended_and_goes_on() {
    let mut client = Server::new().log_in().await;
    let batch =
        [parse("", "SELECT n FROM rows3"), bind("", ""), execute("", 2), execute("", 2), execute("", 2), sync()];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers[..5], ["1", "2", "D 0", "D 1", "s"]);
    assert_eq!(answers[5..7], ["D 2", "C SELECT 1"]);
    assert_eq!(answers.last().unwrap(), "Z I");
}

#[tokio::test]
async fn after_an_error_everything_up_to_sync_is_passed_over() {
    let mut client = Server::new().log_in().await;
    let batch = [
        parse("", "SELECT n FROM absent"),
        bind("", ""),
        execute("", 0),
        query("SELECT n FROM rows3"),
        sync(),
        parse("", "SELECT n FROM rows3"),
        sync(),
    ];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers.len(), 2);
    assert!(answers[0].starts_with("E ERROR 42P01"));
    assert_eq!(client.answers().await, ["1", "Z I"]);
}

#[tokio::test]
async fn flush_sends_what_is_there() {
    let mut client = Server::new().log_in().await;
    client.send(&[parse("", "SELECT n FROM rows3"), message(b'H', b"")].concat()).await;
    assert_eq!(client.next().await.unwrap().0, b'1');
    assert_eq!(client.ask(&sync()).await, ["Z I"]);
}

#[tokio::test]
async fn copy_goes_by_the_same_road() {
    let mut client = Server::new().log_in().await;
    let answers = client.ask(&query("COPY (SELECT n FROM rows3) TO STDOUT (FORMAT csv, HEADER)")).await;
    assert_eq!(answers, ["H", "d n", "d 0", "d 1", "d 2", "c", "C COPY 3", "Z I"]);
    let answers = client.ask(&query("COPY (SELECT n FROM capped) TO STDOUT")).await;
    assert_eq!(answers, ["H", "d 0", "d 1", "E ERROR 54000 result is limited to 2 rows", "Z I"]);
}

#[tokio::test]
async fn malformed_bodies_are_errors_and_the_session_goes_on() {
    let mut client = Server::new().log_in().await;
    let answers = client.ask(&message(b'Q', b"SELECT '\xff'\0")).await;
    assert_eq!(answers, ["E ERROR 22021 invalid byte sequence for encoding \"UTF8\": 0xff", "Z I"]);
    let answers = client.ask(&message(b'Q', b"no end")).await;
    assert_eq!(answers, ["E ERROR 08P01 invalid string in message", "Z I"]);
    let batch = [message(b'B', b"\0\0\0\0\xff\xff"), execute("", 0), sync()];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers, ["E ERROR 08P01 insufficient data left in message", "Z I"]);
    assert_eq!(client.ask(&query("SELECT n FROM rows3")).await.len(), 6);
}

#[tokio::test]
async fn function_calls_are_refused_and_stray_copy_data_is_passed_over() {
    let mut client = Server::new().log_in().await;
    let batch = [message(b'd', b"x"), message(b'c', b""), message(b'f', b"x\0"), message(b'F', b"\0\0\0\x01")];
    let answers = client.ask(&batch.concat()).await;
    assert_eq!(answers, ["E ERROR 0A000 function calls are not supported", "Z I"]);
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_with_a_word() {
    for (bytes, expected) in [
        (message(b'!', b""), "E FATAL 08P01 invalid frontend message type 33"),
        (message(b'p', b"again"), "E FATAL 08P01 invalid frontend message type 112"),
        (b"Q\0\0\0\x03".to_vec(), "E FATAL 08P01 invalid message length"),
        (b"Q\xff\xff\xff\xff".to_vec(), "E FATAL 08P01 invalid message length"),
        (b"Q\x7f\xff\xff\xff".to_vec(), "E FATAL 08P01 message is too long"),
    ] {
        let server = Server::new();
        let mut client = server.log_in().await;
        assert_eq!(client.ask(&bytes).await, [expected]);
        client.task.await.unwrap();
        assert!(server.shared.registry.is_empty());
    }
}

#[tokio::test]
async fn terminate_ends_it_quietly() {
    let mut client = Server::new().log_in().await;
    assert_eq!(client.ask(&message(b'X', b"")).await, Vec::<String>::new());
    client.task.await.unwrap();
}
