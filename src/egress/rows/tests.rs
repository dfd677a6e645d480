use super::*;
use crate::decision::Limits;
use crate::egress::{CopyCsv, ForceQuote};
use crate::error::SqlState;
use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use futures::stream;

fn batch(numbers: std::ops::Range<i32>) -> RecordBatch {
    let names: Vec<Option<String>> = numbers.clone().map(|n| (n % 3 != 2).then(|| format!("n{n}"))).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from_iter_values(numbers)), Arc::new(StringArray::from(names))];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, false), Field::new("name", DataType::Utf8, true)]))
}

type Ended = Arc<Mutex<Option<(bool, u64, u64)>>>;

fn stream_of(items: Vec<Result<RecordBatch, ErrorReport>>) -> (RowStream, Ended) {
    let ended = Ended::default();
    let seen = Arc::clone(&ended);
    let stream = RowStream {
        schema: schema(),
        batches: Box::pin(stream::iter(items).map(|item| item.map(Rows::Values))),
        notices: Vec::new(),
        timeout: None,
        demand: None,
        on_end: Box::new(move |outcome, rows, bytes| {
            *seen.lock().unwrap() = Some((matches!(outcome, Outcome::Success), rows, bytes));
        }),
    };
    (stream, ended)
}

fn budget(max_rows: Option<u64>, max_bytes: Option<u64>) -> Arc<Mutex<ResultBudget>> {
    let mut budget = ResultBudget::default();
    budget.tighten(&Limits { max_rows, max_bytes, ..Limits::default() });
    Arc::new(Mutex::new(budget))
}

fn plain(items: Vec<Result<RecordBatch, ErrorReport>>, budget: Arc<Mutex<ResultBudget>>) -> (ResultRows, Ended) {
    let (stream, ended) = stream_of(items);
    (ResultRows::new(stream, vec![Format::Text, Format::Text], EncodeOptions::default(), budget), ended)
}

/// Types and bodies of the messages in a buffer.
fn messages(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = i32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        found.push((bytes[0], bytes[5..=length].to_vec()));
        bytes = &bytes[length + 1..];
    }
    found
}

const SOFT: usize = 1 << 16;

#[tokio::test]
async fn rows_are_framed_as_data_rows() {
    let (mut rows, ended) = plain(vec![Ok(batch(1..3))], budget(None, None));
    let mut out = BytesMut::new();
    assert_eq!(rows.fill(&mut out, None, SOFT).await, Ok(Progress::Done));
    let found = messages(&out);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], (b'D', b"\0\x02\0\0\0\x011\0\0\0\x02n1".to_vec()));
    assert_eq!(found[1], (b'D', b"\0\x02\0\0\0\x012\xff\xff\xff\xff".to_vec()));
    assert_eq!((rows.rows(), rows.bytes()), (2, out.len() as u64));
    rows.finish(Outcome::Success);
    assert_eq!(*ended.lock().unwrap(), Some((true, 2, out.len() as u64)));
}

#[tokio::test]
async fn a_portal_keeps_what_is_left_of_a_batch() {
    let (mut rows, _) = plain(vec![Ok(batch(0..5)), Ok(batch(5..7))], budget(None, None));
    let mut pages = Vec::new();
    loop {
        let mut out = BytesMut::new();
        let progress = rows.fill(&mut out, Some(3), SOFT).await.unwrap();
        pages.push((messages(&out).len(), progress));
        if progress == Progress::Done {
            break;
        }
    }
    assert_eq!(pages, [(3, Progress::Suspended), (3, Progress::Suspended), (1, Progress::Done)]);
}

#[tokio::test]
async fn the_row_cap_lets_the_rows_up_to_it_leave() {
    let shared = budget(Some(3), None);
    let (mut rows, _) = plain(vec![Ok(batch(0..5))], Arc::clone(&shared));
    let mut out = BytesMut::new();
    let error = rows.fill(&mut out, None, SOFT).await.unwrap_err();
    assert_eq!(error.sqlstate, SqlState::PROGRAM_LIMIT_EXCEEDED);
    assert_eq!(messages(&out).len(), 3);
    assert_eq!(rows.rows(), 3);
    // The same budget goes on for the next statement of the same query string.
    let (mut second, _) = plain(vec![Ok(batch(0..1))], shared);
    let mut out = BytesMut::new();
    assert!(second.fill(&mut out, None, SOFT).await.is_err());
    assert!(out.is_empty());
}

#[tokio::test]
async fn a_result_of_just_the_cap_is_whole() {
    let (mut rows, _) = plain(vec![Ok(batch(0..5))], budget(Some(5), None));
    assert_eq!(rows.fill(&mut BytesMut::new(), None, SOFT).await, Ok(Progress::Done));
}

#[tokio::test]
async fn the_byte_cap_takes_back_the_row_that_would_pass_it() {
    let (mut rows, _) = plain(vec![Ok(batch(0..5))], budget(None, Some(50)));
    let mut out = BytesMut::new();
    assert!(rows.fill(&mut out, None, SOFT).await.is_err());
    assert_eq!(messages(&out).len(), 2);
    assert!(out.len() <= 50);
}

#[tokio::test]
async fn a_full_buffer_is_handed_over_and_filling_goes_on() {
    let (mut rows, _) = plain(vec![Ok(batch(0..100))], budget(None, None));
    let mut sent = 0;
    let mut turns = 0;
    loop {
        let mut out = BytesMut::new();
        let progress = rows.fill(&mut out, None, 200).await.unwrap();
        assert!(out.len() < 230);
        sent += messages(&out).len();
        turns += 1;
        if progress == Progress::Done {
            break;
        }
    }
    assert_eq!(sent, 100);
    assert!(turns > 5);
}

#[tokio::test]
async fn rows_do_not_wait_in_the_buffer_for_a_slow_stream() {
    let (mut stream, _) = stream_of(Vec::new());
    stream.batches = Box::pin(stream::iter([Ok(Rows::Values(batch(0..1)))]).chain(stream::pending()));
    let mut rows = ResultRows::new(stream, Vec::new(), EncodeOptions::default(), budget(None, None));
    let mut out = BytesMut::new();
    assert_eq!(rows.fill(&mut out, None, SOFT).await, Ok(Progress::More));
    assert_eq!(messages(&out).len(), 1);
}

#[tokio::test]
async fn a_stream_that_fails_has_sent_what_came_before() {
    let fault = ErrorReport::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    let (mut rows, _) = plain(vec![Ok(batch(0..2)), Err(fault.clone())], budget(None, None));
    let mut out = BytesMut::new();
    assert_eq!(rows.fill(&mut out, None, SOFT).await, Err(fault));
    assert_eq!(messages(&out).len(), 2);
}

#[tokio::test]
async fn skipping_charges_nothing() {
    let shared = budget(Some(2), None);
    let (mut rows, _) = plain(vec![Ok(batch(0..5)), Ok(batch(5..8))], Arc::clone(&shared));
    assert_eq!(rows.skip(Some(6)).await, Ok(6));
    let mut out = BytesMut::new();
    assert_eq!(rows.fill(&mut out, None, SOFT).await, Ok(Progress::Done));
    assert_eq!(messages(&out).len(), 2);
    assert_eq!(rows.skip(None).await, Ok(0));
    assert_eq!(shared.lock().unwrap().rows(), 2);
}

async fn copied(format: CopyFormat) -> Vec<u8> {
    let (stream, _) = stream_of(vec![Ok(batch(1..3))]);
    let mut rows = ResultRows::for_copy(stream, format, EncodeOptions::default(), budget(None, None));
    let mut out = BytesMut::new();
    assert_eq!(rows.fill(&mut out, None, SOFT).await, Ok(Progress::Done));
    let found = messages(&out);
    assert!(found.iter().all(|(kind, _)| *kind == b'd'));
    found.into_iter().flat_map(|(_, body)| body).collect()
}

#[tokio::test]
async fn copy_writes_text_csv_and_binary() {
    assert_eq!(copied(CopyFormat::Text(CopyText::default())).await, b"1\tn1\n2\t\\N\n");
    let headed = CopyText { header: true, ..CopyText::default() };
    assert_eq!(copied(CopyFormat::Text(headed)).await, b"n\tname\n1\tn1\n2\t\\N\n");
    let csv = CopyCsv { header: true, force_quote: ForceQuote::Columns(vec!["name".into()]), ..CopyCsv::default() };
    assert_eq!(copied(CopyFormat::Csv(csv)).await, b"n,name\n1,\"n1\"\n2,\n");
    let mut expected = BINARY_HEADER.to_vec();
    expected.extend(b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x02n1\0\x02\0\0\0\x04\0\0\0\x02\xff\xff\xff\xff\xff\xff");
    assert_eq!(copied(CopyFormat::Binary).await, expected);
}

#[tokio::test]
async fn a_copy_is_charged_row_by_row_too() {
    let (stream, _) = stream_of(vec![Ok(batch(0..5))]);
    let format = CopyFormat::Csv(CopyCsv::default());
    let mut rows = ResultRows::for_copy(stream, format, EncodeOptions::default(), budget(Some(1), None));
    let mut out = BytesMut::new();
    assert!(rows.fill(&mut out, None, SOFT).await.is_err());
    assert_eq!(messages(&out), [(b'd', b"0,n0\n".to_vec())]);
}

#[tokio::test]
async fn only_running_time_counts_against_the_bound() {
    let (mut stream, _) = stream_of(Vec::new());
    stream.timeout = Some(Duration::from_secs(10));
    stream.batches = Box::pin(stream::pending());
    let mut rows = ResultRows::new(stream, Vec::new(), EncodeOptions::default(), budget(None, None));
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(rows.timeout(), Some(Duration::from_secs(10)));
    let mut out = BytesMut::new();
    let waited = tokio::time::timeout(Duration::from_millis(20), rows.fill(&mut out, None, SOFT)).await;
    assert!(waited.is_err());
    assert!(rows.timeout().unwrap() <= Duration::from_millis(9980));
}
