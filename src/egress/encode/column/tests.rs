use super::*;
use crate::egress::{PG_TYPE_KEY, TimeZone};
use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use std::collections::HashMap;
use std::sync::Arc;

fn column(array: impl Array + 'static) -> Column {
    let array: ArrayRef = Arc::new(array);
    let field = Field::new("c", array.data_type().clone(), true);
    Column::new(&array, &field).unwrap()
}

fn tagged(array: impl Array + 'static, pg_type: &str) -> Column {
    let array: ArrayRef = Arc::new(array);
    let metadata = HashMap::from([(PG_TYPE_KEY.to_owned(), pg_type.to_owned())]);
    let field = Field::new("c", array.data_type().clone(), true).with_metadata(metadata);
    Column::new(&array, &field).unwrap()
}

fn text(column: &Column, row: usize) -> String {
    if column.is_null(row) {
        return "<null>".into();
    }
    let mut out = BytesMut::new();
    column.put_text(row, &EncodeOptions::default(), &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn binary(column: &Column, row: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    column.put_binary(row, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn plain_values() {
    assert_eq!(text(&column(BooleanArray::from(vec![true, false])), 0), "t");
    assert_eq!(text(&column(BooleanArray::from(vec![true, false])), 1), "f");
    assert_eq!(text(&column(Int8Array::from(vec![-128])), 0), "-128");
    assert_eq!(binary(&column(Int8Array::from(vec![-1])), 0), [0xff, 0xff]);
    assert_eq!(binary(&column(UInt8Array::from(vec![255])), 0), [0, 255]);
    assert_eq!(binary(&column(UInt16Array::from(vec![65_535])), 0), [0, 0, 255, 255]);
    assert_eq!(text(&column(Int64Array::from(vec![i64::MIN])), 0), "-9223372036854775808");
    assert_eq!(text(&column(UInt64Array::from(vec![u64::MAX])), 0), "18446744073709551615");
    assert_eq!(text(&column(Float32Array::from(vec![0.1])), 0), "0.1");
    assert_eq!(text(&column(Float64Array::from(vec![1e21])), 0), "1e+21");
    assert_eq!(text(&column(StringArray::from(vec![Some("é"), None])), 0), "é");
    assert_eq!(text(&column(StringArray::from(vec![Some("é"), None])), 1), "<null>");
    assert_eq!(text(&column(LargeStringArray::from(vec!["x"])), 0), "x");
    assert_eq!(text(&column(StringViewArray::from(vec!["a text that is longer than twelve bytes"])), 0).len(), 39);
    assert_eq!(text(&column(BinaryArray::from(vec![b"\x01\xab".as_slice()])), 0), "\\x01ab");
    assert_eq!(text(&column(BinaryViewArray::from(vec![b"\x01".as_slice()])), 0), "\\x01");
    assert_eq!(text(&column(NullArray::new(2)), 1), "<null>");
}

#[test]
fn decimals_of_every_width() {
    let decimal = Decimal128Array::from(vec![-1050]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(text(&column(decimal), 0), "-10.50");
    let decimal = Decimal256Array::from(vec![i256::MAX]).with_precision_and_scale(76, 0);
    if let Ok(decimal) = decimal {
        assert_eq!(text(&column(decimal), 0).len(), 77);
    }
    let decimal = Decimal64Array::from(vec![7]).with_precision_and_scale(10, 3).unwrap();
    assert_eq!(text(&column(decimal), 0), "0.007");
    let decimal = Decimal32Array::from(vec![7]).with_precision_and_scale(5, 0).unwrap();
    assert_eq!(binary(&column(decimal), 0), [0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
}

#[test]
fn dates_and_times_in_every_unit() {
    assert_eq!(text(&column(Date32Array::from(vec![19_782])), 0), "2024-02-29");
    assert_eq!(binary(&column(Date32Array::from(vec![10_958])), 0), [0, 0, 0, 1]);
    assert_eq!(text(&column(Date64Array::from(vec![-1])), 0), "1969-12-31");
    assert_eq!(text(&column(Time32SecondArray::from(vec![3723])), 0), "01:02:03");
    assert_eq!(text(&column(Time32MillisecondArray::from(vec![3_723_001])), 0), "01:02:03.001");
    assert_eq!(text(&column(Time64MicrosecondArray::from(vec![3_723_000_001])), 0), "01:02:03.000001");
    assert_eq!(text(&column(Time64NanosecondArray::from(vec![3_723_000_001_999])), 0), "01:02:03.000001");
    assert_eq!(text(&column(TimestampSecondArray::from(vec![0])), 0), "1970-01-01 00:00:00");
    assert_eq!(text(&column(TimestampMillisecondArray::from(vec![1])), 0), "1970-01-01 00:00:00.001");
    assert_eq!(text(&column(TimestampNanosecondArray::from(vec![-1])), 0), "1969-12-31 23:59:59.999999");
    let zoned = column(TimestampMicrosecondArray::from(vec![0]).with_timezone("Europe/Berlin"));
    assert_eq!(text(&zoned, 0), "1970-01-01 00:00:00+00", "the session's clock shows it, not the column's");
    let mut out = BytesMut::new();
    let options = EncodeOptions { time_zone: TimeZone::parse("Asia/Tokyo").unwrap(), ..EncodeOptions::default() };
    zoned.put_text(0, &options, &mut out).unwrap();
    assert_eq!(&out[..], b"1970-01-01 09:00:00+09");
    assert_eq!(binary(&zoned, 0), (-946_684_800_000_000_i64).to_be_bytes());
    let beyond = column(TimestampSecondArray::from(vec![i64::MAX / 2]));
    let error = beyond.put_text(0, &EncodeOptions::default(), &mut BytesMut::new()).unwrap_err();
    assert_eq!(error.sqlstate, SqlState::DATETIME_FIELD_OVERFLOW);
}

#[test]
fn intervals_of_every_layout() {
    assert_eq!(text(&column(IntervalYearMonthArray::from(vec![14])), 0), "1 year 2 mons");
    assert_eq!(text(&column(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1500)])), 0), "1 day 00:00:01.5");
    let interval = column(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, -2, 3_000)]));
    assert_eq!(text(&interval, 0), "1 mon -2 days +00:00:00.000003");
    assert_eq!(binary(&interval, 0), [0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1]);
    assert_eq!(text(&column(DurationSecondArray::from(vec![90_000])), 0), "1 day 01:00:00");
}

fn ints(rows: Vec<Option<Vec<Option<i32>>>>) -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>(rows)
}

#[test]
fn arrays_read_as_postgres_writes_them() {
    let numbers = column(ints(vec![Some(vec![Some(1), None, Some(3)]), None, Some(vec![])]));
    assert_eq!(text(&numbers, 0), "{1,NULL,3}");
    assert_eq!(text(&numbers, 1), "<null>");
    assert_eq!(text(&numbers, 2), "{}");
    let mut expected = vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 3, 0, 0, 0, 1];
    expected.extend([0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4, 0, 0, 0, 3]);
    assert_eq!(binary(&numbers, 0), expected);
    assert_eq!(binary(&numbers, 2), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]);

    let mut builder = ListBuilder::new(StringBuilder::new());
    builder.append_value([Some("a"), Some("b c"), Some(""), Some("NULL"), None, Some("q\"")]);
    assert_eq!(text(&column(builder.finish()), 0), "{a,\"b c\",\"\",\"NULL\",NULL,\"q\\\"\"}");
}

#[test]
fn a_sliced_array_column_reads_its_own_rows() {
    let numbers = ints(vec![Some(vec![Some(1)]), Some(vec![Some(2), Some(3)])]).slice(1, 1);
    assert_eq!(text(&column(numbers), 0), "{2,3}");
    let fixed = FixedSizeListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Int32, true)),
        2,
        Arc::new(Int32Array::from(vec![1, 2, 3, 4])),
        None,
    );
    assert_eq!(text(&column(fixed.unwrap().slice(1, 1)), 0), "{3,4}");
}

fn nested(inner: ListArray, lengths: Vec<usize>) -> ListArray {
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(inner), None)
}

#[test]
fn vectors_have_no_braces_and_begin_at_0() {
    let mut builder = ListBuilder::new(Int16Builder::new());
    builder.append_value([Some(1), Some(3)]);
    builder.append_value([]);
    let vectors = tagged(builder.finish(), "int2vector");
    assert_eq!([text(&vectors, 0), text(&vectors, 1)], ["1 3", ""]);
    let mut expected = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 21, 0, 0, 0, 2, 0, 0, 0, 0];
    expected.extend([0, 0, 0, 2, 0, 1, 0, 0, 0, 2, 0, 3]);
    assert_eq!(binary(&vectors, 0), expected);
    // Only arrays of just these elements are vectors.
    assert_eq!(text(&tagged(ints(vec![Some(vec![Some(1)])]), "int2vector"), 0), "{1}");
}

#[test]
fn arrays_of_arrays() {
    let square = column(nested(ints(vec![Some(vec![Some(1), Some(2)]), Some(vec![Some(3), None])]), vec![2]));
    assert_eq!(text(&square, 0), "{{1,2},{3,NULL}}");
    let mut expected = vec![0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1];
    expected.extend([0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(binary(&square, 0), expected);
    let ragged = column(nested(ints(vec![Some(vec![Some(1)]), Some(vec![])]), vec![2]));
    assert_eq!(text(&ragged, 0), "{{1},{}}");
    assert!(ragged.put_binary(0, &mut BytesMut::new()).is_err());
}

#[test]
fn records_and_maps() {
    let record = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x y", ""])) as ArrayRef),
    ]);
    let records = column(record);
    assert_eq!(text(&records, 0), "(1,\"x y\")");
    assert_eq!(text(&records, 1), "(,\"\")");
    let mut expected = vec![0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 3];
    expected.extend(b"x y");
    assert_eq!(binary(&records, 0), expected);

    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    builder.keys().append_value("k");
    builder.values().append_value(1);
    builder.append(true).unwrap();
    assert_eq!(text(&column(builder.finish()), 0), "{\"(k,1)\"}");
}

#[test]
fn dictionaries_and_runs_read_as_their_values() {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    let words = column(dictionary);
    assert_eq!((0..4).map(|row| text(&words, row)).collect::<Vec<_>>(), ["a", "<null>", "b", "a"]);
    assert_eq!(binary(&words, 2), b"b");
    let nothing: DictionaryArray<Int8Type> = vec![None::<&str>, None].into_iter().collect();
    assert_eq!(text(&column(nothing), 1), "<null>");
    let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &StringArray::from(vec![Some("x"), None]));
    let runs = column(runs.unwrap());
    assert_eq!((0..3).map(|row| text(&runs, row)).collect::<Vec<_>>(), ["x", "x", "<null>"]);
}

#[test]
fn types_that_metadata_names() {
    let oids = tagged(Int32Array::from(vec![-1]), "oid");
    assert_eq!(text(&oids, 0), "4294967295");
    assert_eq!(binary(&oids, 0), [255; 4]);
    assert_eq!(binary(&tagged(StringArray::from(vec!["r"]), "char"), 0), b"r");
    assert_eq!(binary(&tagged(StringArray::from(vec!["{}"]), "jsonb"), 0), b"\x01{}");
    let uuid = tagged(StringArray::from(vec!["00000000-0000-0000-0000-0000000000ff", "nonsense"]), "uuid");
    assert_eq!(binary(&uuid, 0)[15], 255);
    assert_eq!(uuid.put_binary(1, &mut BytesMut::new()).unwrap_err().sqlstate, SqlState::INVALID_TEXT_REPRESENTATION);
    let bytes = FixedSizeBinaryArray::try_from_iter([[0xab_u8; 16]].iter()).unwrap();
    assert_eq!(text(&tagged(bytes, "uuid"), 0), "abababab-abab-abab-abab-abababababab");
}

#[test]
fn a_type_nested_too_deep_is_refused() {
    let mut array: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    for _ in 0..40 {
        let field = Arc::new(Field::new_list_field(array.data_type().clone(), true));
        array = Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1]), array, None));
    }
    let field = Field::new("deep", array.data_type().clone(), true);
    assert_eq!(Column::new(&array, &field).err().unwrap().sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
}
