//! Masks on PostgreSQL give what `govern::mask` gives, byte for byte.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use querygate::decision::ConstantValue;
use querygate::govern::mask::{self, Buckets, CalendarUnit, MaskKey, Step, TopCode, floor_of};
use querygate::types::Redacted;
use tokio_postgres::types::ToSql;

/// Values of one kind, some of them by hand.
fn values<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, by_hand: Vec<T>) -> Vec<Option<T>> {
    let mut runner = TestRunner::deterministic();
    let generated = (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let mut all: Vec<Option<T>> = by_hand.into_iter().chain(generated).map(Some).collect();
    all.push(None);
    all
}

/// What a mask gives for each row of a column.
struct Masked<'a> {
    client: &'a Client,
    key: MaskKey,
}

impl Masked<'_> {
    async fn fill<T: ToSql + Sync>(&self, table: &str, sql_type: &str, values: &[Option<T>], cast: &str) {
        let create = format!("CREATE TABLE sales.{table} (id bigint, v {sql_type})");
        self.client.batch_execute(&create).await.unwrap();
        let insert = self.client.prepare(&format!("INSERT INTO sales.{table} VALUES ($1, {cast})")).await.unwrap();
        for (id, value) in (0_i64..).zip(values) {
            self.client.execute(&insert, &[&id, value]).await.unwrap();
        }
    }

    /// The masked values in order, as `output` shows them.
    async fn rows<R>(&self, table: &str, sql_type: &SqlType, mask: &Mask, output: &str) -> Vec<Option<R>>
    where
        R: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        let world = World::new(vec![dataset(table, &[("id", SqlType::BigInt), ("v", sql_type.clone())])]);
        let sql = format!("SELECT {output} FROM {table} ORDER BY id");
        let forwarded = world.with(table, masked("v", mask.clone())).forward(&sql);
        assert!(forwarded.relations()[0].barrier == Barrier::Flattened, "{mask}");
        let blocks = self.key.blocks();
        let both: [&(dyn ToSql + Sync); 2] = [blocks.inner.expose(), blocks.outer.expose()];
        let params = both.get(..forwarded.extra_parameters().len()).unwrap();
        match self.client.query(forwarded.text(), params).await {
            Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
            Err(error) => panic!("{mask} on {sql_type}: {error:?}\n{}", forwarded.text()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_of_texts_are_those_of_the_one_definition() {
    let server = server();
    let client = pinned(&server).await;
    client.batch_execute("CREATE SCHEMA sales").await.unwrap();
    let key = MaskKey::derive(&Redacted::new(b"master".to_vec()), &WorkspaceName::new("lab"));
    let masked = Masked { client: &client, key: key.clone() };
    let by_hand =
        ["", "@", "a@b", "ana@", "@b", "@@x", "a@b@c", "日本語テキスト", "e\u{301}", "a\\'b", "x\ny@z", " @x"];
    let texts = values(
        prop_oneof![
            "[a-zß@\\.é😀]{0,12}".prop_map(String::from),
            any::<String>().prop_map(|text| text.replace('\0', "")),
        ],
        by_hand.map(String::from).to_vec(),
    );
    masked.fill("texts", "text", &texts, "$2").await;
    let check = async |mask: Mask, one: &dyn Fn(&str) -> Option<String>| {
        let found: Vec<Option<String>> = masked.rows("texts", &SqlType::Text, &mask, "v").await;
        for (text, found) in texts.iter().zip(found) {
            assert_eq!(found, text.as_deref().and_then(one), "{mask} of {text:?}");
        }
    };
    check(Mask::Null, &|_| None).await;
    check(Mask::Redact, &|_| Some("***".into())).await;
    check(Mask::Constant(ConstantValue::Text("it's \\ $q$".into())), &|_| Some("it's \\ $q$".into())).await;
    check(Mask::Hash, &|text| Some(key.hash_text(text))).await;
    check(Mask::Email, &|text| Some(key.email(text))).await;
    for n in [1, 2, 4, u32::MAX] {
        check(Mask::Last { n }, &|text| Some(mask::last(text, n).into_owned())).await;
    }
    for (prefix, suffix, pad) in [(0, 0, "…"), (1, 1, "*'*"), (3, 0, ""), (0, 2, "\\"), (u32::MAX, 1, "x")] {
        let shown = |text: &str| Some(mask::partial(text, prefix, suffix, pad).unwrap_or_else(|| pad.to_owned()));
        check(Mask::Partial { prefix, suffix, pad: pad.into() }, &shown).await;
    }
    let bytes = values(any::<Vec<u8>>(), vec![vec![], vec![0, 255]]);
    masked.fill("bytes", "bytea", &bytes, "$2").await;
    let found: Vec<Option<Vec<u8>>> = masked.rows("bytes", &SqlType::Bytea, &Mask::Hash, "v").await;
    for (bytes, found) in bytes.iter().zip(found) {
        assert_eq!(found, bytes.as_ref().map(|bytes| key.hash_bytes(bytes).to_vec()));
    }
    let longs = values(any::<i64>(), vec![0, 1, -1, i64::MIN, i64::MAX]);
    masked.fill("longs", "bigint", &longs, "$2").await;
    let found: Vec<Option<i64>> = masked.rows("longs", &SqlType::BigInt, &Mask::Hash, "v").await;
    for (number, found) in longs.iter().zip(found) {
        assert_eq!(found, number.map(|number| key.hash_bigint(number)), "{number:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_of_numbers_are_those_of_the_one_definition() {
    let server = server();
    let client = pinned(&server).await;
    client.batch_execute("CREATE SCHEMA sales").await.unwrap();
    let key = MaskKey::derive(&Redacted::new(b"master".to_vec()), &WorkspaceName::new("lab"));
    let masked = Masked { client: &client, key };
    let steps = [1.0, 10.0, 1000.0, 0.5, 0.3, 2.5, 0.003, 7e5, 4_294_967_296.0, 9_007_199_254_740_992.0, 1e25, 1e-20];
    let maxima = [0.0, 100.0, -7.5, 1e4, 1e25, -1e25, 0.1];
    let edge_sets: [&[f64]; 4] = [&[0.0, 10.0, 100.0], &[-1e25, -5.5, 0.1, 1e25], &[1e30], &[-0.0, 3.0]];

    let smalls = values(any::<i16>(), vec![0, 5, -5, i16::MIN, i16::MAX]);
    masked.fill("smalls", "smallint", &smalls, "$2").await;
    let integers = values(prop_oneof![any::<i32>(), -2000_i32..2000], vec![0, 5, -5, i32::MIN, i32::MAX]);
    masked.fill("integers", "integer", &integers, "$2").await;
    let longs = values(prop_oneof![any::<i64>(), -2000_i64..2000], vec![0, 5, -5, i64::MIN, i64::MAX]);
    masked.fill("longs", "bigint", &longs, "$2").await;
    let numeric = SqlType::Numeric { precision: 12, scale: 2 };
    let cents = values(-999_999_999_999_i64..=999_999_999_999, vec![0, 15, -15, 249, 250, 999_999_999_999]);
    masked.fill("cents", "numeric(12,2)", &cents, "$2::bigint / 100::numeric").await;
    let exact = |value: i128, scale: i8, most: i128, least: i128, mask: &Mask| -> Option<i128> {
        let found = match mask {
            Mask::Round { step } => Step::new(*step).round(value, scale),
            Mask::TopCode { max } => TopCode::new(*max).at_scale(scale).map(|max| value.min(max)),
            Mask::Bucket { edges } => {
                let edges: Vec<i128> =
                    Buckets::new(edges).at_scale(scale).iter().map(|edge| (*edge).max(least)).collect();
                floor_of(&edges, value)
            }
            other => panic!("{other}"),
        };
        found.filter(|found| (least..=most).contains(found))
    };
    let masks: Vec<Mask> = steps
        .map(|step| Mask::Round { step })
        .into_iter()
        .chain(maxima.map(|max| Mask::TopCode { max }))
        .chain(edge_sets.map(|edges| Mask::Bucket { edges: edges.to_vec() }))
        .collect();
    for mask in &masks {
        let found: Vec<Option<i16>> = masked.rows("smalls", &SqlType::SmallInt, mask, "v").await;
        for (value, found) in smalls.iter().zip(found) {
            let wanted = value.and_then(|value| exact(value.into(), 0, i16::MAX.into(), i16::MIN.into(), mask));
            assert_eq!(found.map(i128::from), wanted, "{mask} of {value:?}");
        }
        let found: Vec<Option<i32>> = masked.rows("integers", &SqlType::Integer, mask, "v").await;
        for (value, found) in integers.iter().zip(found) {
            let wanted = value.and_then(|value| exact(value.into(), 0, i32::MAX.into(), i32::MIN.into(), mask));
            assert_eq!(found.map(i128::from), wanted, "{mask} of {value:?}");
        }
        let found: Vec<Option<i64>> = masked.rows("longs", &SqlType::BigInt, mask, "v").await;
        for (value, found) in longs.iter().zip(found) {
            let wanted = value.and_then(|value| exact(value.into(), 0, i64::MAX.into(), i64::MIN.into(), mask));
            assert_eq!(found.map(i128::from), wanted, "{mask} of {value:?}");
        }
        let found: Vec<Option<String>> = masked.rows("cents", &numeric, mask, "v::text").await;
        for (value, found) in cents.iter().zip(found) {
            let most = 999_999_999_999;
            let wanted = value.and_then(|value| exact(value.into(), 2, most, -most, mask));
            let wanted = wanted.map(|cents| {
                let sign = if cents < 0 { "-" } else { "" };
                format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
            });
            assert_eq!(found, wanted, "{mask} of {value:?}");
        }
    }

    let specials = [
        0.0,
        -0.0,
        0.5,
        -0.5,
        2.5,
        1e308,
        -1e308,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.1,
        4503599627370497.5,
        0.49999999999999994,
    ];
    let doubles = values(prop_oneof![any::<f64>(), -1000.0..1000.0_f64, prop::num::f64::ANY], specials.to_vec());
    masked.fill("doubles", "float8", &doubles, "$2").await;
    let specials = [0.0, -0.0, 0.5, 2.5, f32::MAX, f32::MIN_POSITIVE, 1e-45, f32::NAN, f32::INFINITY, -3.4e38];
    let reals = values(prop_oneof![any::<f32>(), -1000.0..1000.0_f32, prop::num::f32::ANY], specials.to_vec());
    masked.fill("reals", "real", &reals, "$2").await;
    let more = [1e-8, 1e300_f64.sqrt(), 1.7e29].map(|step| Mask::Round { step });
    for mask in masks.iter().chain(&more) {
        let is_wide = matches!(mask, Mask::Round { step } if *step > 1e30);
        let found: Vec<Option<f64>> = masked.rows("doubles", &SqlType::Double, mask, "v").await;
        for (value, found) in doubles.iter().zip(found) {
            let wanted = value.and_then(|value| match mask {
                Mask::Round { step } => Step::new(*step).round_double(value),
                Mask::TopCode { max } => TopCode::new(*max).cap_double(value),
                Mask::Bucket { edges } => Buckets::new(edges).floor_double(value),
                other => panic!("{other}"),
            });
            assert_eq!(found.map(bits), wanted.map(bits), "{mask} of {value:?}: {found:?} {wanted:?}");
        }
        if is_wide {
            continue;
        }
        let found: Vec<Option<f32>> = masked.rows("reals", &SqlType::Real, mask, "v").await;
        for (value, found) in reals.iter().zip(found) {
            let wanted = value.and_then(|value| match mask {
                Mask::Round { step } => Step::new(*step).round_real(value),
                Mask::TopCode { max } => TopCode::new(*max).cap_real(value),
                Mask::Bucket { edges } => Buckets::new(edges).floor_real(value),
                other => panic!("{other}"),
            });
            let bits = |value: f32| if value.is_nan() { u32::MAX } else { value.to_bits() };
            assert_eq!(found.map(bits), wanted.map(bits), "{mask} of {value:?}: {found:?} {wanted:?}");
        }
    }
}

/// All NaNs alike.
fn bits(value: f64) -> u64 {
    if value.is_nan() { u64::MAX } else { value.to_bits() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masks_of_dates_are_those_of_the_one_definition() {
    const A_DAY: i64 = 86_400_000_000;
    let server = server();
    let client = pinned(&server).await;
    client.batch_execute("CREATE SCHEMA sales").await.unwrap();
    let key = MaskKey::derive(&Redacted::new(b"master".to_vec()), &WorkspaceName::new("lab"));
    let masked = Masked { client: &client, key };
    let units = [(Mask::Year, CalendarUnit::Year), (Mask::Month, CalendarUnit::Month), (Mask::Day, CalendarUnit::Day)];
    // From PostgreSQL's first day, 4714-11-24 BC, to its last.
    let (first, last) = (-2_440_588, 2_145_031_948);
    let days = values(
        prop_oneof![first..=last, -800_000..800_000],
        vec![first, first + 6, first + 7, first + 37, first + 38, last, 0, -1, 19_782, 2_932_896],
    );
    masked.fill("days", "date", &days, "DATE '1970-01-01' + $2::int").await;
    client.batch_execute("INSERT INTO sales.days VALUES (9999, 'infinity')").await.unwrap();
    for (mask, unit) in &units {
        let output = "CASE WHEN isfinite(v) THEN v - DATE '1970-01-01' ELSE -77 END";
        let found: Vec<Option<i32>> =
            masked.rows("days", &SqlType::Date, mask, &format!("CASE WHEN v IS NOT NULL THEN {output} END")).await;
        assert_eq!(found.last(), Some(&Some(-77)), "infinity stays");
        for (day, found) in days.iter().zip(found) {
            let wanted = day.and_then(|day| mask::truncate_days(day, *unit)).filter(|day| *day >= first);
            assert_eq!(found, wanted, "{mask} of {day:?}");
        }
    }
    let (first, last) = (i64::from(first) * A_DAY, 9_223_300_000_000_000_000);
    let instants = values(
        prop_oneof![first..=last, -100_000 * A_DAY..100_000 * A_DAY],
        vec![first, first + 1, first + 38 * A_DAY, last, 0, -1, A_DAY - 1, 951_782_400_000_000],
    );
    for (table, name, sql_type) in
        [("stamps", "timestamp", SqlType::Timestamp), ("zoned", "timestamptz", SqlType::TimestampTz)]
    {
        let zone = if name == "timestamptz" { "+00" } else { "" };
        // Interval arithmetic is exact in microseconds; a day at a time keeps it in range.
        let cast = format!(
            "{name} '1970-01-01 00:00:00{zone}' + ($2::bigint / 1000000) * interval '1 second' \
             + ($2::bigint % 1000000) * interval '1 microsecond'"
        );
        masked.fill(table, name, &instants, &cast).await;
        client.batch_execute(&format!("INSERT INTO sales.{table} VALUES (9999, '-infinity')")).await.unwrap();
        for (mask, unit) in &units {
            let output =
                "CASE WHEN isfinite(v) THEN (extract(epoch FROM v) * 1000000)::bigint WHEN v IS NOT NULL THEN -77 END";
            let found: Vec<Option<i64>> = masked.rows(table, &sql_type, mask, output).await;
            assert_eq!(found.last(), Some(&Some(-77)), "infinity stays");
            for (instant, found) in instants.iter().zip(found) {
                let wanted =
                    instant.and_then(|instant| mask::truncate_instant(instant, A_DAY, *unit)).filter(|at| *at >= first);
                assert_eq!(found, wanted, "{mask} of {instant:?} in {table}");
            }
        }
    }
}
