//! Every mask on every type that it suits, through DataFusion's planner and optimizer.

use super::*;
use crate::types::Redacted;
use arrow::array::{DictionaryArray, RecordBatch};
use arrow::datatypes::{Int32Type as Key, Schema};
use datafusion::prelude::{SessionContext, col};

fn key() -> MaskKey {
    MaskKey::derive(&Redacted::new(b"top-secret".to_vec()), &"adhoc".into())
}

/// Runs a mask over a column through DataFusion's planner and optimizer; checks that the type stays.
async fn masked(mask: &Mask, values: ArrayRef) -> ArrayRef {
    let data_type = values.data_type().clone();
    let schema = Arc::new(Schema::new(vec![Field::new("v", data_type.clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![values]).unwrap();
    let frame = SessionContext::new().read_batch(batch).unwrap();
    let expr = mask_expr(mask, col("v"), &data_type, &key()).unwrap();
    let batches = frame.select(vec![expr.alias("v")]).unwrap().collect().await.unwrap();
    let array = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap().column(0).clone();
    assert_eq!(*array.data_type(), data_type, "{mask}");
    array
}

fn one_text(column: &str, value: &str) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Utf8, true)]));
    RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![value]))]).unwrap()
}

fn text(values: &[Option<&str>], data_type: &DataType) -> ArrayRef {
    cast(&(Arc::new(StringArray::from(values.to_vec())) as ArrayRef), data_type).unwrap()
}

#[tokio::test]
async fn text_masks_keep_every_text_type() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let input = [Some("ana@example.com"), None, Some("Zoë@x.org"), Some(""), Some("a long text beyond twelve bytes")];
    for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary] {
        let expected = |masked: &dyn Fn(&str) -> String| {
            let values: Vec<Option<String>> = input.iter().map(|value| value.map(masked)).collect();
            text(&values.iter().map(Option::as_deref).collect::<Vec<_>>(), &data_type)
        };
        let key = key();
        for (mask, masked_text) in [
            (Mask::Redact, Box::new(|_: &str| "***".to_owned()) as Box<dyn Fn(&str) -> String>),
            (Mask::Email, Box::new(|text: &str| key.email(text))),
            (Mask::Hash, Box::new(|text: &str| key.hash_text(text))),
            (Mask::Last { n: 3 }, Box::new(|text: &str| mask::last(text, 3).into_owned())),
            (
                Mask::Partial { prefix: 2, suffix: 1, pad: "–".into() },
                Box::new(|text: &str| mask::partial(text, 2, 1, "–").unwrap_or_else(|| "–".into())),
            ),
            (Mask::Constant(ConstantValue::Text("gone".into())), Box::new(|_: &str| "gone".to_owned())),
        ] {
            assert_eq!(&masked(&mask, text(&input, &data_type)).await, &expected(&masked_text), "{mask} {data_type}");
        }
    }
}

#[tokio::test]
async fn null_and_redact_of_other_types_give_typed_nulls() {
    let types = [DataType::Utf8View, DataType::Int32, DataType::Decimal128(10, 2), DataType::Date32, DataType::Binary];
    for data_type in types {
        let values = arrow::array::new_null_array(&data_type, 3);
        assert_eq!(masked(&Mask::Null, Arc::clone(&values)).await.null_count(), 3);
        assert_eq!(masked(&Mask::Redact, values).await.null_count(), 3);
    }
    let numbers: ArrayRef = Arc::new(PrimitiveArray::<Int32Type>::from(vec![1, 2, 3]));
    assert_eq!(masked(&Mask::Redact, numbers).await.null_count(), 3);
}

#[tokio::test]
async fn numbers_of_every_width_are_masked_in_their_type() {
    let values: Vec<Option<i64>> = vec![Some(0), Some(14), Some(15), Some(127), None];
    for data_type in [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(12, 2),
        DataType::Decimal128(15, 2),
        DataType::Float32,
        DataType::Float64,
    ] {
        let array = |values: Vec<Option<i64>>| {
            cast(&(Arc::new(PrimitiveArray::<Int64Type>::from(values)) as ArrayRef), &data_type).unwrap()
        };
        let input = array(values.clone());
        let rounded = masked(&Mask::Round { step: 10.0 }, Arc::clone(&input)).await;
        // 130 is beyond a smallint of eight bits.
        let top = if data_type == DataType::Int8 { None } else { Some(130) };
        assert_eq!(&rounded, &array(vec![Some(0), Some(10), Some(20), top, None]), "{data_type}");
        let topped = masked(&Mask::TopCode { max: 100.0 }, Arc::clone(&input)).await;
        assert_eq!(&topped, &array(vec![Some(0), Some(14), Some(15), Some(100), None]), "{data_type}");
        let buckets = masked(&Mask::Bucket { edges: vec![10.0, 15.0, 1e9] }, Arc::clone(&input)).await;
        assert_eq!(&buckets, &array(vec![None, Some(10), Some(15), Some(15), None]), "{data_type}");
    }
}

#[tokio::test]
async fn a_decimal_beyond_its_precision_is_null() {
    let input: ArrayRef =
        Arc::new(PrimitiveArray::<Decimal128Type>::from(vec![999, -999, 400]).with_precision_and_scale(3, 0).unwrap());
    let rounded = masked(&Mask::Round { step: 1000.0 }, input).await;
    let rounded = rounded.as_primitive::<Decimal128Type>();
    assert!(rounded.is_null(0) && rounded.is_null(1) && rounded.value(2) == 0);
}

#[tokio::test]
async fn dates_and_timestamps_of_every_unit_are_cut_in_utc() {
    const DAY: i64 = 20_000; // 2024-10-04
    const YEAR: i64 = 19_723; // 2024-01-01
    let date: ArrayRef = Arc::new(PrimitiveArray::<Date32Type>::from(vec![Some(20_000), None]));
    assert_eq!(masked(&Mask::Year, date).await.as_primitive::<Date32Type>().value(0), 19_723);
    for (unit, a_day) in [
        (TimeUnit::Second, 86_400),
        (TimeUnit::Millisecond, 86_400_000),
        (TimeUnit::Microsecond, 86_400_000_000),
        (TimeUnit::Nanosecond, 86_400_000_000_000),
    ] {
        for zone in [None, Some("+09:00")] {
            let data_type = DataType::Timestamp(unit, zone.map(Into::into));
            let array = |value: i64| {
                cast(&(Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(value), None])) as ArrayRef), &data_type)
                    .unwrap()
            };
            let input = array(DAY * a_day + a_day - 1);
            assert_eq!(&masked(&Mask::Day, Arc::clone(&input)).await, &array(DAY * a_day), "{data_type}");
            assert_eq!(&masked(&Mask::Month, Arc::clone(&input)).await, &array((DAY - 3) * a_day), "{data_type}");
            assert_eq!(&masked(&Mask::Year, input).await, &array(YEAR * a_day), "{data_type}");
        }
    }
}

#[tokio::test]
async fn hashes_are_those_of_the_definition() {
    let key = key();
    let numbers: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(7), None, Some(7)]));
    let hashed = masked(&Mask::Hash, numbers).await;
    let hashed = hashed.as_primitive::<Int64Type>();
    assert!(hashed.value(0) == key.hash_bigint(7) && hashed.is_null(1) && hashed.value(2) == hashed.value(0));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"ab"[..]), None]));
    assert_eq!(masked(&Mask::Hash, bytes).await.as_binary::<i32>().value(0), key.hash_bytes(b"ab"));
    let views: ArrayRef = Arc::new(BinaryViewArray::from(vec![Some(&b"ab"[..]), None]));
    assert_eq!(masked(&Mask::Hash, views).await.as_binary_view().value(0), key.hash_bytes(b"ab"));
}

#[tokio::test]
async fn constants_are_of_the_columns_type_and_null_stays_null() {
    for (value, data_type) in [
        (ConstantValue::Number("7".into()), DataType::Int16),
        (ConstantValue::Number("7.25".into()), DataType::Decimal128(10, 2)),
        (ConstantValue::Number("0.5".into()), DataType::Float64),
        (ConstantValue::Boolean(true), DataType::Boolean),
        (ConstantValue::Text("2024-02-29".into()), DataType::Date32),
        (ConstantValue::Text("2024-02-29 10:00:00".into()), DataType::Timestamp(TimeUnit::Microsecond, None)),
        (
            ConstantValue::Text("2024-02-29T10:00:00Z".into()),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
    ] {
        let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![Some(true), None]));
        let input = match &data_type {
            DataType::Date32 => Arc::new(PrimitiveArray::<Date32Type>::from(vec![Some(1), None])) as ArrayRef,
            DataType::Timestamp(..) => {
                cast(&(Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(1), None])) as ArrayRef), &data_type)
                    .unwrap()
            }
            DataType::Decimal128(..) => {
                cast(&(Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(1), None])) as ArrayRef), &data_type)
                    .unwrap()
            }
            other => cast(&flags, other).unwrap(),
        };
        let array = masked(&Mask::Constant(value.clone()), input).await;
        assert!(array.is_valid(0) && array.is_null(1), "{value} {data_type}");
        let scalar = ScalarValue::try_from_array(&array, 0).unwrap();
        assert_eq!(scalar, constant(&value, &data_type).unwrap());
    }
}

#[test]
fn what_does_not_suit_is_an_error() {
    let key = key();
    for (mask, data_type) in [
        (Mask::Email, DataType::Int32),
        (Mask::Hash, DataType::Int32),
        (Mask::Hash, DataType::Float64),
        (Mask::Hash, DataType::FixedSizeBinary(16)),
        (Mask::Year, DataType::Utf8),
        (Mask::Round { step: 1.0 }, DataType::Utf8),
        (Mask::Round { step: 1.0 }, DataType::Decimal256(50, 2)),
        (Mask::Deny, DataType::Utf8),
        (Mask::Expression("a".into()), DataType::Utf8),
        (Mask::Constant(ConstantValue::Number("x".into())), DataType::Int32),
        (Mask::Constant(ConstantValue::Number("70000".into())), DataType::Int16),
        (Mask::Constant(ConstantValue::Text("no date".into())), DataType::Date32),
        (Mask::Constant(ConstantValue::Text("5".into())), DataType::Int32),
    ] {
        assert!(mask_expr(&mask, col("v"), &data_type, &key).is_err(), "{mask} {data_type}");
    }
}

#[tokio::test]
async fn plans_name_the_mask_and_never_the_key() {
    let batch = one_text("email", "a@b");
    let context = SessionContext::new();
    let hash = mask_expr(&Mask::Hash, col("email"), &DataType::Utf8, &key()).unwrap();
    assert_eq!(hash.to_string(), "mask_hash(email)");
    let frame = context.read_batch(batch).unwrap().select(vec![hash.clone()]).unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    let physical = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
    let shown = format!("{hash:?} {} {physical} {plan:?}", frame.logical_plan().display_indent());
    assert!(physical.contains("mask_hash"), "{physical}");
    let secret = key();
    let bytes = secret.hash_bytes(b"");
    assert!(!shown.contains("top-secret") && !shown.contains(&hex::encode(bytes)));
    let other = MaskKey::derive(&Redacted::new(b"top-secret".to_vec()), &"retail".into());
    assert_ne!(hash, mask_expr(&Mask::Hash, col("email"), &DataType::Utf8, &other).unwrap());
    assert_eq!(hash, mask_expr(&Mask::Hash, col("email"), &DataType::Utf8, &key()).unwrap());
}

#[tokio::test]
async fn two_masks_of_one_column_do_not_share_a_name() {
    let batch = one_text("v", "abcdef");
    let one = mask_expr(&Mask::Last { n: 1 }, col("v"), &DataType::Utf8, &key()).unwrap();
    let two = mask_expr(&Mask::Last { n: 2 }, col("v"), &DataType::Utf8, &key()).unwrap();
    assert_eq!(two.to_string(), "mask_last(2)(v)");
    let frame = SessionContext::new().read_batch(batch).unwrap().select(vec![one, two]).unwrap();
    let batches = frame.collect().await.unwrap();
    assert_eq!(batches[0].column(0).as_string::<i32>().value(0), "***f");
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "***ef");
}

#[tokio::test]
async fn values_of_a_dictionary_that_no_row_shows_do_not_leave() {
    let values = Arc::new(StringArray::from(vec!["hidden@example.com", "ana@example.com"]));
    let keys = PrimitiveArray::<Key>::from(vec![Some(1), Some(1), None]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
    let array = masked(&Mask::Email, dictionary).await;
    let array = array.as_dictionary::<Key>();
    assert_eq!(array.values().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a***@example.com"]);
}
