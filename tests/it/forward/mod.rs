//! Forwarded statements on a real PostgreSQL: barriers that hold and would not hold without, masks as `govern::mask` has
//! them, indexes that serve.

mod barriers;
mod masks;
mod plans;

use crate::postgres::Postgres;
use querygate::catalog::{
    CatalogSnapshot, Column, Dataset, DatasetLocation, SystemRelations, Workspace, WorkspaceKind,
};
use querygate::decision::{ColumnMask, Mask, MaskOrigin, Obligations, PolicyRef, RowFilter};
use querygate::govern::forward::{Barrier, ForwardContext, ForwardedStatement, forward};
use querygate::govern::{GovernContext, ResolveContext, govern, resolve};
use querygate::sql::{ParseBounds, parse};
use querygate::types::{Classification, DatasetName, Revision, SqlType, Tier, WorkspaceName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio_postgres::Client;

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
                    ("worth", SqlType::Numeric { precision: 12, scale: 2 }),
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
        self.forward_with(sql, &[])
    }

    /// With the types that the client declared for its parameters.
    fn forward_with(&self, sql: &str, types: &[Option<SqlType>]) -> ForwardedStatement {
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
            parameters: types.len(),
            parameter_types: types,
            session: &BTreeMap::new(),
            tables: &self.catalog.datasets.keys().cloned().collect(),
        };
        forward(&governed, &context).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}

fn barrier_of(forwarded: &ForwardedStatement, dataset: &str) -> Barrier {
    forwarded.relations().iter().find(|one| one.dataset.name() == dataset).unwrap().barrier
}

/// Ways to make the planner choose otherwise.
const PLANNERS: [&str; 9] = [
    "SET jit = off",
    "SET enable_hashjoin = off; SET enable_sort = off",
    "SET enable_nestloop = off",
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off",
    "SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_material = off",
    "SET enable_seqscan = off; SET random_page_cost = 0.1",
    "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off",
    "SET from_collapse_limit = 1; SET join_collapse_limit = 1; SET geqo_threshold = 2",
    "SET force_parallel_mode = on; SET enable_hashagg = off; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; \
     SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET enable_hashjoin = off",
];

async fn plan_as(client: &Client, planner: &str) {
    client.batch_execute(&format!("RESET ALL; SET search_path = pg_catalog; {planner}")).await.unwrap();
}

async fn company(client: &Client) {
    client
        .batch_execute(
            "CREATE SCHEMA sales;
             CREATE TABLE sales.people (id bigint PRIMARY KEY, name text, ssn text, salary int, region text, dept bigint,
                 worth numeric(12, 2));
             INSERT INTO sales.people SELECT i, 'n' || i, CASE WHEN i % 2 = 0 THEN 'secret' || i ELSE i::text END,
                 1000 + i, CASE WHEN i % 2 = 0 THEN 'US' ELSE 'EU' END, i % 100, i FROM generate_series(1, 10000) i;
             CREATE INDEX ON sales.people (dept);
             CREATE INDEX ON sales.people (worth);
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
