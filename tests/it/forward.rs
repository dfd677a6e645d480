//! Forwarded statements on a real PostgreSQL: fences that hold and would not hold without, masks as `govern::mask` has
//! them, indexes that serve.

use crate::postgres::Postgres;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use querygate::catalog::{
    CatalogSnapshot, Column, Dataset, DatasetLocation, SystemRelations, Workspace, WorkspaceKind,
};
use querygate::decision::{ColumnMask, ConstantValue, Mask, MaskOrigin, Obligations, PolicyRef, RowFilter};
use querygate::govern::forward::{Barrier, ForwardContext, ForwardedStatement, forward};
use querygate::govern::mask::{self, Buckets, CalendarUnit, MaskKey, Step, TopCode, floor_of};
use querygate::govern::{GovernContext, ResolveContext, govern, resolve};
use querygate::sql::{ParseBounds, parse};
use querygate::types::{Classification, DatasetName, Redacted, Revision, SqlType, Tier, WorkspaceName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

fn server() -> Postgres {
    Postgres::start_with(&["jit=off"])
}

/// A session that is pinned as one of the gateway's is.
async fn pinned(server: &Postgres) -> Client {
    let client = server.admin().await;
    client.batch_execute("SET search_path = pg_catalog; SET TimeZone = 'Asia/Tokyo'").await.unwrap();
    client
}

fn column(name: &str, sql_type: &SqlType) -> Column {
    Column {
        name: name.into(),
        sql_type: sql_type.clone(),
        nullable: true,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        own_tags: Vec::new(),
        tag_masks: Vec::new(),
        description: None,
        listed: true,
    }
}

/// A table of the schema `sales`.
fn dataset(name: &str, columns: &[(&str, SqlType)]) -> Dataset {
    Dataset {
        name: DatasetName::new("public", name),
        source: "crm".into(),
        location: DatasetLocation::Relation { schema: "sales".into(), name: name.into() },
        tier: Tier::Curated,
        domain: None,
        owner_business_unit: None,
        steward: None,
        residency: Vec::new(),
        description: None,
        discoverable: true,
        row_filter_required: false,
        entity_key: None,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        columns: columns.iter().map(|(name, sql_type)| column(name, sql_type)).collect(),
    }
}

fn filtered(expression: &str) -> Obligations {
    let policy = PolicyRef::package("analytics.data_access");
    let filter = RowFilter { expression: expression.into(), params: BTreeMap::new(), policy };
    Obligations { row_filters: vec![filter], ..Obligations::default() }
}

fn masked(column: &str, mask: Mask) -> Obligations {
    let origin = MaskOrigin::Policy(PolicyRef::package("analytics.data_access"));
    Obligations {
        column_masks: BTreeMap::from([(column.to_owned(), ColumnMask { mask, origin })]),
        ..Obligations::default()
    }
}

/// Datasets and what is decided about them.
struct World {
    catalog: CatalogSnapshot,
    decisions: BTreeMap<DatasetName, Obligations>,
}

impl World {
    fn new(datasets: Vec<Dataset>) -> Self {
        Self {
            decisions: datasets.iter().map(|one| (one.name.clone(), Obligations::default())).collect(),
            catalog: CatalogSnapshot {
                revision: Revision(1),
                sources: BTreeMap::new(),
                tags: BTreeMap::new(),
                datasets: datasets.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
                users: HashMap::new(),
                workspaces: BTreeMap::new(),
                roles: BTreeMap::new(),
            },
        }
    }

    fn company() -> Self {
        Self::new(vec![
            dataset(
                "people",
                &[
                    ("id", SqlType::BigInt),
                    ("name", SqlType::Text),
                    ("ssn", SqlType::Text),
                    ("salary", SqlType::Integer),
                    ("region", SqlType::Text),
                    ("dept", SqlType::BigInt),
                ],
            ),
            dataset("depts", &[("id", SqlType::BigInt), ("label", SqlType::Text), ("code", SqlType::Text)]),
            dataset("mine", &[("region", SqlType::Text)]),
        ])
    }

    fn with(mut self, name: &str, obligations: Obligations) -> Self {
        self.decisions.insert(DatasetName::new("public", name), obligations);
        self
    }

    fn forward(&self, sql: &str) -> ForwardedStatement {
        let workspace = Workspace {
            name: WorkspaceName::new("lab"),
            kind: WorkspaceKind::AdHoc,
            owner: None,
            members: BTreeSet::new(),
            member_roles: BTreeSet::new(),
            datasets: BTreeSet::new(),
            limits: WorkspaceKind::AdHoc.limits(),
        };
        let context = ResolveContext {
            catalog: &self.catalog,
            workspace: &workspace,
            system: &SystemRelations::default(),
            search_path: &["public".to_owned()],
            database: "lab",
            denied: &BTreeMap::new(),
            invisible: &BTreeSet::new(),
        };
        let parsed = parse(sql, &ParseBounds::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let resolved = resolve(parsed[0].query().unwrap(), &context).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let governed = govern(resolved, &self.decisions, &GovernContext { catalog: &self.catalog }).unwrap();
        let context = ForwardContext {
            parameters: 0,
            parameter_types: &[],
            session: &BTreeMap::new(),
            tables: &self.catalog.datasets.keys().cloned().collect(),
        };
        forward(&governed, &context).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}

async fn company(client: &Client) {
    client
        .batch_execute(
            "CREATE SCHEMA sales;
             CREATE TABLE sales.people (id bigint PRIMARY KEY, name text, ssn text, salary int, region text, dept bigint);
             INSERT INTO sales.people SELECT i, 'n' || i, CASE WHEN i % 2 = 0 THEN 'secret' || i ELSE i::text END,
                 1000 + i, CASE WHEN i % 2 = 0 THEN 'US' ELSE 'EU' END, i % 100 FROM generate_series(1, 10000) i;
             CREATE INDEX ON sales.people (dept);
             CREATE TABLE sales.depts (id bigint PRIMARY KEY, label text, code text);
             INSERT INTO sales.depts SELECT i, 'd' || i, i::text FROM generate_series(0, 99) i;
             CREATE TABLE sales.mine (region text PRIMARY KEY);
             INSERT INTO sales.mine VALUES ('EU');
             ANALYZE",
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_hold_and_would_leak_if_they_were_taken_out() {
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    let plain = "lower(upper(lower(btrim(region)))) = 'eu'";
    let subquery = "region IN (SELECT m.region FROM mine m)";
    for (filter, sql) in [
        // The error names a hidden value.
        (plain, "SELECT id FROM people WHERE id = 8 AND ssn::int > 0"),
        // One bit a statement.
        (plain, "SELECT id FROM people WHERE id = 8 AND 1 / (salary - 1008) > 0"),
        (plain, "SELECT count(*) FROM people WHERE CASE WHEN ssn LIKE 'secret8' THEN 1 / (salary - 1008) > 0 END"),
        // By way of equivalence classes.
        (
            plain,
            "SELECT count(*) FROM people p JOIN (SELECT code::int AS c FROM depts) d ON p.ssn::int = d.c WHERE d.c = 3",
        ),
        (plain, "SELECT count(p.id) FROM depts d LEFT JOIN people p ON p.id = d.id AND p.ssn::int > 0"),
        (
            plain,
            "SELECT count(*) FROM depts d WHERE EXISTS (SELECT 1 FROM people p WHERE p.dept = d.id AND p.ssn::int > 0)",
        ),
        (plain, "SELECT salary FROM people GROUP BY salary HAVING 1 / (salary - 1008) > 0"),
        (plain, "WITH x AS (SELECT id, ssn::int AS n FROM people) SELECT count(*) FROM x WHERE n > 0"),
        (
            plain,
            "SELECT count(*) FROM (SELECT ssn FROM people UNION ALL SELECT code FROM depts) x WHERE x.ssn::int > 0",
        ),
        // A filter that is a subquery becomes a join.
        (subquery, "SELECT count(id) FROM people WHERE ssn::int > 0"),
        (
            subquery,
            "SELECT d.id, p.x FROM depts d LEFT JOIN (SELECT id, coalesce(ssn::int, 0) AS x FROM people) p ON p.id = d.id",
        ),
    ] {
        let forwarded = World::company().with("people", filtered(filter)).forward(sql);
        let fenced = forwarded.relations().iter().any(|relation| relation.barrier == Barrier::Fenced);
        assert!(fenced, "{sql}");
        if let Err(error) = client.query(forwarded.text(), &[]).await {
            panic!("{sql}: {error:?}\n{}", forwarded.text());
        }
        let open = forwarded.text().replace(" OFFSET 0", "");
        assert!(client.query(&open, &[]).await.is_err(), "it does not show that a fence is needed: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_flattened_fails_on_no_hidden_row() {
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    let world = World::company().with("people", filtered("lower(btrim(region)) = 'eu'"));
    for settings in [
        "",
        "SET enable_hashjoin = off; SET enable_sort = off",
        "SET enable_nestloop = off",
        "SET enable_hashagg = off; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
    ] {
        client.batch_execute(&format!("RESET ALL; SET search_path = pg_catalog; {settings}")).await.unwrap();
        for sql in [
            "SELECT ssn::int FROM people WHERE id = 8",
            "SELECT ssn::int, 1 / (salary - 1008) FROM people WHERE id IN (7, 8, 9) ORDER BY ssn::int",
            "SELECT sum(ssn::int), ssn::int % 3 FROM people GROUP BY ssn::int % 3 HAVING sum(ssn::int) > 3 ORDER BY 2",
            "SELECT DISTINCT ON (p.ssn::int % 5) p.ssn::int, d.label FROM people p JOIN depts d ON d.id = p.dept ORDER BY p.ssn::int % 5",
            "SELECT p.ssn::int * q.ssn::int, d.code::int FROM people p, people q, depts d WHERE p.id = q.id AND d.id = p.dept ORDER BY p.ssn::int LIMIT 3",
            "SELECT rank() OVER (PARTITION BY ssn::int % 7 ORDER BY ssn::int) FROM people WHERE dept = 8 OR dept = 9",
            "SELECT max(ssn::int) FROM people",
            "SELECT count(DISTINCT ssn::int) FROM people p JOIN depts d ON p.dept = d.id AND d.label <> 'd3'",
        ] {
            let forwarded = world.forward(sql);
            let people = forwarded.relations().iter().find(|one| one.dataset.name() == "people").unwrap();
            assert_eq!(people.barrier, Barrier::Flattened, "{sql}");
            if let Err(error) = client.query(forwarded.text(), &[]).await {
                panic!("{settings} {sql}: {error:?}\n{}", forwarded.text());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_serve_in_both_forms() {
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    let world = World::company().with("people", filtered("region = 'EU'"));
    for (sql, barrier) in [
        ("SELECT name FROM people WHERE id = 7", Barrier::Flattened),
        ("SELECT name FROM people WHERE id = 7 AND ssn::int > 0", Barrier::Fenced),
        ("SELECT p.name FROM depts d LEFT JOIN people p ON p.dept = d.id AND p.ssn::int > 0", Barrier::Fenced),
        (
            "SELECT p.name FROM people p LEFT JOIN depts d ON p.dept = d.id WHERE p.id = 7 AND p.ssn::int > 0",
            Barrier::Fenced,
        ),
    ] {
        let forwarded = world.forward(sql);
        let people = forwarded.relations().iter().find(|one| one.dataset.name() == "people").unwrap();
        assert_eq!(people.barrier, barrier, "{sql}");
        let rows = client.query(&format!("EXPLAIN (COSTS OFF) {}", forwarded.text()), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert_eq!(plan.contains("Index Cond: (id = 7)"), sql.contains("id = 7"), "{sql}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_that_is_forwarded_is_taken() {
    let server = server();
    let client = pinned(&server).await;
    company(&client).await;
    client
        .batch_execute(
            "CREATE TABLE sales.orders (id bigint, person_id bigint, amount float8, tags text[]);
             CREATE TABLE sales.parts (id bigint, day date) PARTITION BY RANGE (day);
             CREATE TABLE sales.parts_2024 PARTITION OF sales.parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
             INSERT INTO sales.parts VALUES (1, '2024-05-05');
             INSERT INTO sales.orders VALUES (1, 7, 3.5, '{a,b}')",
        )
        .await
        .unwrap();
    let mut datasets: Vec<Dataset> =
        World::company().catalog.datasets.into_values().map(Arc::unwrap_or_clone).collect();
    let tags = SqlType::Array(Box::new(SqlType::Text));
    let orders = [("id", SqlType::BigInt), ("person_id", SqlType::BigInt), ("amount", SqlType::Double), ("tags", tags)];
    datasets.push(dataset("orders", &orders));
    datasets.push(dataset("parts", &[("id", SqlType::BigInt), ("day", SqlType::Date)]));
    let world = World::new(datasets).with("people", filtered("region = 'EU'"));
    for sql in [
        "SELECT * FROM people LIMIT 3",
        "SELECT p FROM people p LIMIT 3",
        "SELECT count(p), count(*) FILTER (WHERE salary > 3) FROM people p",
        "SELECT sum(salary) OVER w, lag(id) OVER (ORDER BY id ROWS 3 PRECEDING) FROM people WINDOW w AS (PARTITION BY region ORDER BY id)",
        "WITH a AS (SELECT id FROM people), b AS MATERIALIZED (SELECT id FROM a) SELECT count(*) FROM b JOIN a USING (id)",
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT n, id FROM r, orders",
        "SELECT id FROM people UNION ALL (SELECT id FROM orders ORDER BY 1 LIMIT 2) ORDER BY id OFFSET 1",
        "SELECT o.id, t, u.a FROM orders o CROSS JOIN LATERAL unnest(o.tags) t, unnest(o.tags, o.tags) u (a, b)",
        "SELECT g FROM generate_series(1, 3) g, orders",
        "SELECT extract(year FROM now()), date_trunc('month', current_timestamp), substring(name FROM 2 FOR 3), substring(name, 2), substr(name, 2), trim(name), trim(leading 'x' from name), position('a' IN name), ceil(salary), floor(salary / 2), overlay(name placing 'x' from 2), name SIMILAR TO 'a%', name LIKE 'a!%' ESCAPE '!', current_date, localtimestamp, left(name, 1), \"left\"(name, 1), mod(id, 2), id ^ 2, name ~* 'x', id # 3, id << 2 FROM people LIMIT 3",
        "SELECT name::varchar(3), (ARRAY[1, 2])[1], ROW(1, 2), NULLIF(name, ''), greatest(1, 2), coalesce(name, 'x'), DATE '2024-01-01' + INTERVAL '1 day', now() AT TIME ZONE 'UTC', 1.5::numeric(5, 2), 'a'::bytea, '{}'::jsonb FROM people LIMIT 3",
        "SELECT region, grouping(region), count(*) FROM people GROUP BY ROLLUP (region) HAVING count(*) > 3",
        "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id) AND id = ANY (ARRAY[1, 7]) AND id IN (SELECT person_id FROM orders) AND salary > ALL (SELECT 3)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), string_agg(DISTINCT id::text, ',' ORDER BY id::text) FROM orders",
        "SELECT x.v FROM (VALUES (1, 'a'), (2, NULL)) x (k, v) FULL JOIN orders o ON o.id = x.k",
        "SELECT ARRAY(SELECT id FROM orders), (SELECT max(id) FROM orders), tags @> ARRAY['a'], array_length(tags, 1) FROM orders",
        "SELECT a.id FROM people a LEFT JOIN (orders o JOIN people b ON b.id = o.person_id) ON o.person_id = a.id WHERE a.id = 3",
        "SELECT x, y FROM orders AS o (x, y) WHERE y IS NOT DISTINCT FROM 7 AND NOT (x BETWEEN 3 AND 5) AND x NOT IN (3)",
    ] {
        let forwarded = world.forward(sql);
        if let Err(error) = client.query(forwarded.text(), &[]).await {
            panic!("{sql}: {error:?}\n{}", forwarded.text());
        }
    }
    // A parent stands for its partitions.
    let rows = client.query(world.forward("SELECT id FROM parts").text(), &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    // A column that the catalog does not know can not be what a policy means.
    client.batch_execute("ALTER TABLE sales.mine ADD COLUMN salary int DEFAULT 1").await.unwrap();
    let world = World::company()
        .with("people", filtered("EXISTS (SELECT 1 FROM mine m WHERE m.region = 'EU' AND salary = 1007)"));
    let rows = client.query(world.forward("SELECT id FROM people").text(), &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [7]);
}

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
    let steps = [1.0, 10.0, 1000.0, 0.5, 0.3, 2.5, 0.003, 7e5, 1e25, 1e-20];
    let maxima = [0.0, 100.0, -7.5, 1e4, 1e25, -1e25, 0.1];
    let edge_sets: [&[f64]; 4] = [&[0.0, 10.0, 100.0], &[-1e25, -5.5, 0.1, 1e25], &[1e30], &[-0.0, 3.0]];

    let smalls = values(any::<i16>(), vec![0, 5, -5, i16::MIN, i16::MAX]);
    masked.fill("smalls", "smallint", &smalls, "$2").await;
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
