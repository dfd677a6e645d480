//! The statements that real clients send about the catalog, planned and run against one principal's relations.

use super::relations::{relation, relations};
use super::*;
use crate::catalog::{CatalogSnapshot, Column, Dataset, DatasetLocation, FileFormat, ForeignKey};
use crate::types::{Classification, DatasetName, Revision, SqlType, Tag, Tier};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::catalog::MemorySchemaProvider;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use sqlparser::ast::{Expr, Ident, ObjectName, Statement, TableFactor, VisitMut, VisitorMut};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

fn column(name: &str, sql_type: SqlType, nullable: bool) -> Column {
    Column {
        name: name.to_owned(),
        sql_type,
        nullable,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        own_tags: Vec::new(),
        tag_masks: Vec::new(),
        description: Some(format!("about {name}")),
        listed: true,
    }
}

fn dataset(name: &str, columns: Vec<Column>, primary: &[&str], foreign: Vec<ForeignKey>) -> Arc<Dataset> {
    Arc::new(Dataset {
        name: DatasetName::parse(name).unwrap(),
        source: "lake".to_owned(),
        location: DatasetLocation::Files {
            glob: "*.parquet".to_owned(),
            format: FileFormat::Parquet,
            partition_columns: Vec::new(),
        },
        tier: Tier::Curated,
        domain: None,
        owner_business_unit: Some("EU".to_owned()),
        steward: Some("steward@example.com".to_owned()),
        residency: Vec::new(),
        description: Some(format!("rows of {name}")),
        discoverable: true,
        row_filter_required: false,
        entity_key: None,
        primary_key: primary.iter().map(|column| (*column).to_owned()).collect(),
        foreign_keys: foreign,
        columns,
    })
}

fn catalog() -> Arc<CatalogSnapshot> {
    let references = |columns: &[&str], to: &str| ForeignKey {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        references: DatasetName::parse(to).unwrap(),
        referenced_columns: vec!["id".to_owned()],
    };
    let mut ssn = column("ssn", SqlType::Text, true);
    ssn.classification = Classification::Proprietary;
    ssn.tags.insert(Tag::new("SSN"));
    let datasets = [
        dataset(
            "public.regions",
            vec![column("id", SqlType::Integer, false), column("name", SqlType::Text, true)],
            &["id"],
            vec![],
        ),
        dataset(
            "public.customers",
            vec![
                column("id", SqlType::Integer, false),
                ssn,
                column("email", SqlType::Text, false),
                column("salary", SqlType::Numeric { precision: 10, scale: 2 }, true),
                column("region_id", SqlType::Integer, true),
                column("born", SqlType::Date, true),
                column("tags", SqlType::Array(Box::new(SqlType::Text)), true),
                column("created", SqlType::TimestampTz, true),
            ],
            &["id"],
            vec![references(&["region_id"], "public.regions"), references(&["ssn"], "vault.secret")],
        ),
        dataset("vault.secret", vec![column("id", SqlType::Text, false)], &["id"], vec![]),
        dataset("sales.Orders", vec![column("id", SqlType::BigInt, false)], &["id"], vec![]),
        dataset("public.payroll", vec![column("pay", SqlType::Double, true)], &[], vec![]),
    ];
    Arc::new(CatalogSnapshot {
        revision: Revision(1),
        sources: BTreeMap::new(),
        tags: BTreeMap::new(),
        datasets: datasets.into_iter().map(|dataset| (dataset.name.clone(), dataset)).collect(),
        users: HashMap::new(),
        workspaces: BTreeMap::new(),
        roles: BTreeMap::new(),
    })
}

/// Anna sees regions and orders whole, customers without `ssn` and with a masked `email`, payroll after an approval, and
/// nothing of the vault.
fn anna() -> Arc<MetadataSnapshot> {
    let catalog = catalog();
    let visible = |name: &str, access, hidden: &str| {
        let dataset = Arc::clone(&catalog.datasets[&DatasetName::parse(name).unwrap()]);
        let columns = dataset.columns.iter().filter(|column| column.name != hidden).map(|column| VisibleColumn {
            name: column.name.clone(),
            mask: (column.name == "email").then(|| "email".to_owned()),
        });
        VisibleDataset { columns: columns.collect(), dataset, row_filter: name.ends_with("customers"), access }
    };
    let view = VisibleCatalog {
        datasets: vec![
            visible("public.customers", DatasetAccess::Allowed, "ssn"),
            visible("public.regions", DatasetAccess::Allowed, ""),
            visible("sales.Orders", DatasetAccess::Allowed, ""),
            visible("public.payroll", DatasetAccess::NeedsApproval, ""),
        ],
    };
    let settings = [
        ("work_mem", "4MB"),
        ("server_version", "15.0"),
        ("search_path", "public"),
        ("default_table_access_method", "heap"),
    ];
    let facts = SessionFacts {
        user: "anna".to_owned(),
        database: "main".to_owned(),
        databases: vec!["main".to_owned(), "reports".to_owned()],
        search_path: vec!["public".to_owned()],
        backend_pid: 4711,
        settings: Arc::new(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()),
        server_version: "15.0".to_owned(),
        now_us: 1_700_000_000_000_000,
        last_result: vec![ResultColumn {
            name: "email".to_owned(),
            mask: Some("email".to_owned()),
            ..Default::default()
        }],
        ..SessionFacts::default()
    };
    Arc::new(MetadataSnapshot::new(Arc::clone(&catalog), Arc::new(view), facts))
}

/// Does what governing does to names: relations become `__querygate.rN`, functions lose their schema.
#[derive(Default)]
struct Names {
    relations: Vec<DatasetName>,
}

impl Names {
    fn strip(name: &mut ObjectName) {
        if name.0.len() == 2 {
            name.0.remove(0);
        }
    }
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args, .. } = factor else { return ControlFlow::Continue(()) };
        if args.is_some() {
            Self::strip(name);
            return ControlFlow::Continue(());
        }
        let parts: Vec<String> =
            name.0.iter().map(|part| part.as_ident().unwrap()).map(|ident| ident.value.clone()).collect();
        let of = match parts.as_slice() {
            [name] => DatasetName::new("pg_catalog", name.to_lowercase()),
            [schema, name] => DatasetName::new(schema.to_lowercase(), name.to_lowercase()),
            _ => panic!("{name}"),
        };
        if relation(&of).is_none() {
            assert_eq!(parts.len(), 1, "no relation {of}");
            return ControlFlow::Continue(());
        }
        if alias.is_none() {
            *alias = Some(sqlparser::ast::TableAlias {
                explicit: true,
                name: Ident::new(of.name()),
                columns: Vec::new(),
                at: None,
            });
        }
        *name = ObjectName::from(vec![Ident::new("__querygate"), Ident::new(format!("r{}", self.relations.len()))]);
        self.relations.push(of);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => Self::strip(&mut function.name),
            Expr::CompoundIdentifier(parts) if parts.len() == 3 => drop(parts.remove(0)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

type Rows = Vec<Vec<String>>;

async fn attempt(snapshot: &Arc<MetadataSnapshot>, sql: &str) -> Result<Rows, String> {
    let text = |batch: &RecordBatch, row: usize| {
        (0..batch.num_columns())
            .map(|column| {
                let array = batch.column(column);
                if array.is_null(row) { "NULL".to_owned() } else { array_value_to_string(array, row).unwrap() }
            })
            .collect::<Vec<String>>()
    };
    let batches = batches(snapshot, sql).await?;
    Ok(batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| text(batch, row))).collect())
}

async fn batches(snapshot: &Arc<MetadataSnapshot>, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let mut parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|error| error.to_string())?;
    let Statement::Query(mut query) = parsed.remove(0) else { return Err("no query".to_owned()) };
    let mut names = Names::default();
    let _: ControlFlow<()> = query.visit(&mut names);
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let schema = Arc::new(MemorySchemaProvider::new());
    context.catalog("datafusion").unwrap().register_schema("__querygate", schema).unwrap();
    for (number, name) in names.relations.iter().enumerate() {
        let table = snapshot.table(name).map_err(|error| error.to_string())?.unwrap();
        context.register_table(format!("__querygate.r{number}").as_str(), table).unwrap();
    }
    for function in functions(snapshot) {
        context.register_udf(function.as_ref().clone());
    }
    let relations = names.relations;
    adapt(&mut query, &|name: &ObjectName| {
        let [schema, relation] = name.0.as_slice() else { return None };
        let number = relation.as_ident()?.value.strip_prefix('r')?.parse::<usize>().ok()?;
        relations.get(number).filter(|_| schema.as_ident().is_some_and(|s| s.value == "__querygate")).cloned()
    });
    let adapted = query.to_string();
    let told = |error: datafusion::error::DataFusionError| format!("{error}\n--- adapted: {adapted}");
    let statement = DfStatement::Statement(Box::new(Statement::Query(query)));
    let plan = context.state().statement_to_plan(statement).await.map_err(told)?;
    context.execute_logical_plan(plan).await.map_err(told)?.collect().await.map_err(told)
}

async fn rows(sql: &str) -> Rows {
    attempt(&anna(), sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

fn oid_of(snapshot: &MetadataSnapshot, name: &str) -> u32 {
    snapshot.tables().iter().find(|table| table.name().to_string() == name).unwrap().oid
}

/// Statements of a file, with the comment line before each, and `{customers}` replaced by the table's identifier.
fn statements(text: &str) -> Vec<(String, String)> {
    let oid = oid_of(&anna(), "public.customers").to_string();
    let mut statements = Vec::new();
    for part in text.split("-- ").skip(1) {
        let (title, sql) = part.split_once('\n').unwrap();
        statements.push((title.to_owned(), sql.trim().trim_end_matches(';').replace("{customers}", &oid)));
    }
    statements
}

async fn all_run(text: &str) {
    let snapshot = anna();
    let mut failed = Vec::new();
    for (title, sql) in statements(text) {
        if let Err(error) = attempt(&snapshot, &sql).await {
            failed.push(format!("== {title}\n{sql}\n{error}\n"));
        }
    }
    assert!(failed.is_empty(), "{} statements failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn every_statement_of_psql_runs() {
    all_run(include_str!("testdata/psql.sql")).await;
}

#[tokio::test]
async fn every_statement_of_drivers_and_tools_runs() {
    all_run(include_str!("testdata/clients.sql")).await;
}

/// The first statement of a file under a title.
fn statement(text: &str, title: &str) -> String {
    let found = statements(text).into_iter().find(|(name, _)| name == title);
    found.unwrap_or_else(|| panic!("no statement {title}")).1
}

async fn psql(title: &str, part: &str) -> Rows {
    let all = statements(include_str!("testdata/psql.sql"));
    let (_, sql) = all.into_iter().find(|(name, sql)| name == title && sql.contains(part)).unwrap();
    rows(&sql).await
}

fn texts(rows: &[Vec<String>], column: usize) -> Vec<&str> {
    rows.iter().map(|row| row[column].as_str()).collect()
}

#[tokio::test]
async fn d_lists_the_tables_on_the_search_path_and_nothing_hidden() {
    let listed = psql("\\dt", "pg_class").await;
    assert_eq!(texts(&listed, 1), ["customers", "regions"]);
    assert_eq!(listed[0], ["public", "customers", "table", "querygate"]);
    let plus = psql("\\dt+", "pg_class").await;
    assert_eq!(plus[0][6], "NULL", "no size: {plus:?}");
    assert_eq!(plus[0][7], "rows of public.customers");
}

#[tokio::test]
async fn d_of_a_table_shows_columns_types_and_keys_that_may_be_seen() {
    let columns = psql("\\d_customers", "atthasdef").await;
    assert_eq!(texts(&columns, 0), ["id", "email", "salary", "region_id", "born", "tags", "created"]);
    assert_eq!(
        texts(&columns, 1),
        ["integer", "text", "numeric(10,2)", "integer", "date", "text[]", "timestamp with time zone"]
    );
    assert_eq!(
        texts(&columns, 3),
        ["true", "false", "false", "false", "false", "false", "false"],
        "not null, unless masked"
    );
    let index = psql("\\d_customers", "indisprimary").await;
    assert_eq!(index[0][0], "customers_pkey");
    assert_eq!(index[0][6], "PRIMARY KEY (id)");
    let foreign = psql("\\d_customers", "sametable").await;
    assert_eq!(foreign.len(), 1, "the key into the vault is hidden: {foreign:?}");
    assert_eq!(foreign[0][2], "FOREIGN KEY (region_id) REFERENCES regions(id)");
    assert_eq!(foreign[0][3], "customers");
}

#[tokio::test]
async fn schemas_databases_and_roles_are_the_users_own() {
    assert_eq!(texts(&psql("\\dn", "nspname").await, 0), ["public", "querygate", "sales"]);
    assert_eq!(texts(&psql("\\l", "datname").await, 0), ["main", "reports"]);
    assert_eq!(texts(&psql("\\du", "rolname").await, 0), ["anna", "querygate"]);
    assert_eq!(psql("\\dconfig_work_mem", "pg_settings").await, [["work_mem", "4MB"]]);
}

#[tokio::test]
async fn jdbc_sees_columns_and_keys() {
    let clients = include_str!("testdata/clients.sql");
    let tables = rows(&statement(clients, "jdbc getTables")).await;
    assert_eq!(texts(&tables, 2), ["customers", "regions"]);
    assert_eq!(texts(&tables, 3), ["TABLE", "TABLE"]);
    let columns = rows(&statement(clients, "jdbc getColumns")).await;
    assert_eq!(texts(&columns, 3), ["id", "email", "salary", "region_id", "born", "tags", "created"]);
    assert_eq!(columns[0][4], "23");
    for title in ["jdbc getPrimaryKeys", "jdbc getPrimaryKeys by constraint"] {
        let keys = rows(&statement(clients, title)).await;
        assert_eq!(keys.len(), 1, "{title}");
        assert!(keys[0].ends_with(&["customers".into(), "id".into(), "1".into(), "customers_pkey".into()]), "{keys:?}");
    }
    let imported = rows(&statement(clients, "jdbc getImportedKeys")).await;
    assert_eq!(imported.len(), 1);
    assert_eq!(imported[0][2..4], ["regions", "id"]);
    assert_eq!(imported[0][6..9], ["customers", "region_id", "1"]);
    let indexes = rows(&statement(clients, "jdbc getIndexInfo")).await;
    assert_eq!(indexes[0][8..10], ["id", "A"]);
    let odbc = rows(&statement(clients, "odbc SQLPrimaryKeys")).await;
    assert_eq!(odbc[0][..3], ["id", "1", "customers_pkey"]);
    let array = rows(&statement(clients, "jdbc type by identifier")).await;
    assert_eq!(array[0][..3], ["true", "b", "_text"]);
}

#[tokio::test]
async fn sqlalchemy_sees_columns_and_keys() {
    let clients = include_str!("testdata/clients.sql");
    let columns = rows(&statement(clients, "sqlalchemy _columns_query")).await;
    assert_eq!(texts(&columns, 0), ["id", "email", "salary", "region_id", "born", "tags", "created"]);
    assert_eq!(columns[2][1], "numeric(10,2)");
    let keys = rows(&statement(clients, "sqlalchemy _constraint_query")).await;
    assert_eq!(keys[0][1..3], ["[id]", "customers_pkey"]);
}

#[tokio::test]
async fn nothing_hidden_is_in_any_relation_or_function() {
    let snapshot = anna();
    let hidden = ["ssn", "secret", "vault", "payroll", "pay"];
    for relation in relations() {
        let sql = format!("SELECT * FROM {}", relation.name);
        let found = attempt(&snapshot, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        // That payroll exists is no secret: it is listed with what to do about it, and nowhere else.
        let hidden = if relation.name.schema() == "querygate" { &hidden[..3] } else { &hidden[..] };
        for cell in found.iter().flatten() {
            let words: Vec<&str> = cell.split(|c: char| !c.is_alphanumeric()).collect();
            assert!(!hidden.iter().any(|name| words.contains(name)), "{sql}: {cell}");
        }
    }
    let oids = super::oid::Oids::of(&catalog());
    let secret = oids.dataset(&DatasetName::new("vault", "secret")).unwrap();
    for id in [secret.table, secret.index, secret.primary_key] {
        let sql = format!(
            "SELECT {id}::regclass::text, pg_get_constraintdef({id}), obj_description({id}, 'pg_class'), \
             pg_table_is_visible({id}), has_table_privilege({id}, 'SELECT'), col_description({id}, 1)"
        );
        let mut nothing = vec![vec!["NULL".to_owned(); 6]];
        nothing[0][0] = id.to_string();
        assert_eq!(attempt(&snapshot, &sql).await.unwrap(), nothing);
    }
    for name in ["vault.secret", "public.payroll", "vault.no_such"] {
        let absent = rows(&format!("SELECT to_regclass('{name}')")).await;
        assert_eq!(absent, [["NULL"]], "{name}");
        let error = attempt(&snapshot, &format!("SELECT '{name}'::regclass")).await.unwrap_err();
        assert!(error.contains(&format!("relation \"{name}\" does not exist")), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_filled_is_what_adapt_takes_to_be_empty() {
    let snapshot = anna();
    for relation in relations().filter(|relation| relation.name.schema() == "pg_catalog") {
        let found = attempt(&snapshot, &format!("SELECT * FROM {}", relation.name)).await.unwrap();
        let empty = super::content::always_empty(relation.name.name());
        assert!(!empty || found.is_empty(), "{} has rows", relation.name);
    }
}

#[tokio::test]
async fn my_datasets_and_my_columns_say_what_is_done_to_data() {
    let datasets =
        rows("SELECT name, access, row_filter, classification FROM querygate.my_datasets ORDER BY name").await;
    let customers: Vec<&str> = datasets[0].iter().map(String::as_str).collect();
    assert_eq!(customers, ["public.customers", "allowed", "true", "INTERNAL"], "ssn is PROPRIETARY, and hidden");
    assert_eq!(datasets[1][..2], ["public.payroll", "needs approval"]);
    let columns = rows("SELECT \"column\", mask FROM querygate.my_columns WHERE dataset = 'public.customers'").await;
    assert_eq!(columns.len(), 7);
    assert!(columns.contains(&vec!["email".to_owned(), "email".to_owned()]));
    let last = rows("SELECT ordinal_position, name, mask FROM querygate.last_result_columns").await;
    assert_eq!(last, [["1", "email", "email"]]);
}

#[tokio::test]
async fn casts_and_functions_answer_as_postgresql() {
    for (sql, expected) in [
        ("SELECT 'customers'::regclass", "customers"),
        ("SELECT 'sales.\"Orders\"'::regclass::text", "sales.\"Orders\""),
        ("SELECT 'pg_class'::regclass::oid", "1259"),
        ("SELECT 'int4'::regtype", "integer"),
        ("SELECT 1700::regtype::text", "numeric"),
        ("SELECT 'array_in'::regproc::oid", "750"),
        ("SELECT regclass 'pg_type'::oid", "1247"),
        ("SELECT 'abcdef'::varchar(3)", "abc"),
        ("SELECT 'abc'::name", "abc"),
        ("SELECT 2 = ANY('{1,2}'::int[])", "true"),
        ("SELECT 'a' = ANY('{a,b}')", "true"),
        ("SELECT 'ab' OPERATOR(pg_catalog.~) '^a' COLLATE pg_catalog.\"default\"", "true"),
        ("SELECT current_database()", "main"),
        ("SELECT current_schemas(true)", "[pg_catalog, public]"),
        ("SELECT current_setting('WORK_MEM')", "4MB"),
        ("SELECT current_setting('nope', true)", "NULL"),
        ("SELECT version()", "PostgreSQL 15.0 (Querygate 0.1.0)"),
        ("SELECT format('%s %I %L %%', 'a', 'B c', NULL)", "a \"B c\" NULL %"),
        ("SELECT to_char(timestamp '2024-03-07 15:04:05', 'YYYY-MM-DD HH24:MI')", "2024-03-07 15:04"),
        ("SELECT to_char(1234.5, 'FM9,999.00')", "1,234.50"),
        ("SELECT to_date('07/03/2024', 'DD/MM/YYYY')", "2024-03-07"),
        ("SELECT to_number('1,234.50', '9,999.99')", "1234.5"),
        ("SELECT mod(7, 4)", "3"),
        ("SELECT width_bucket(5.35, 0.024, 10.06, 5)", "3"),
        ("SELECT date(timestamp '2024-03-07 15:04:05')", "2024-03-07"),
        ("SELECT localtimestamp", "2023-11-14T22:13:20"),
        (
            "SELECT \"a\".\"oid\"::\"oid\" AS \"oid\" FROM pg_class AS \"a\" WHERE \"a\".\"relname\" = 'pg_class'",
            "1259",
        ),
        (
            "SELECT (SELECT \"t\".\"typname\" FROM pg_type AS \"t\" WHERE \"t\".\"oid\" = \"a\".\"atttypid\") AS \"n\" \
             FROM pg_attribute AS \"a\" WHERE \"a\".\"attrelid\" = 1259 AND \"a\".\"attname\" = 'relkind'",
            "char",
        ),
        ("SELECT quote_literal('it''s')", "'it''s'"),
        ("SELECT array_upper(ARRAY[4,5,6], 1)", "3"),
        ("SELECT has_schema_privilege('public', 'CREATE')", "false"),
        ("SELECT has_table_privilege('customers', 'SELECT')", "true"),
        ("SELECT has_table_privilege('customers', 'INSERT')", "false"),
        (
            "SELECT ARRAY(SELECT relname FROM pg_class WHERE relname IN ('pg_type','pg_class') ORDER BY 1)",
            "[pg_class, pg_type]",
        ),
    ] {
        assert_eq!(attempt(&anna(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")), [[expected]], "{sql}");
    }
}

#[tokio::test]
async fn refusals_carry_postgresqls_codes() {
    for (sql, message) in [
        ("SELECT current_setting('nope')", "42704"),
        ("SELECT 'nope'::regtype", "42704"),
        ("SELECT has_column_privilege('customers', 'ssn', 'SELECT')", "42703"),
        ("SELECT has_table_privilege('customers', 'FLY')", "22023"),
        ("SELECT to_char(1, 'RN')", "0A000"),
        ("SELECT to_date('x', 'YYYY')", "22007"),
        ("SELECT format('%s')", "22023"),
    ] {
        let error = attempt(&anna(), sql).await.unwrap_err();
        assert!(error.contains(message), "{sql}: {error}");
    }
}

/// A series that is made as a whole takes its length in memory: only one along an array is.
#[tokio::test]
async fn a_series_is_made_as_a_whole_only_along_an_array() {
    let along = rows("SELECT s.i FROM generate_series(1, array_upper(current_schemas(true), 1)) AS s(i)").await;
    assert_eq!(along, [["1"], ["2"]]);
    for bound in ["1000000000 + 0", "array_upper(a, 1) * 1000000000", "length(repeat('a', 9))", "$1"] {
        let sql = format!("SELECT count(*) FROM generate_series(1, {bound}) AS s (i)");
        let Statement::Query(mut query) = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap().remove(0) else {
            panic!("{sql}")
        };
        adapt(&mut query, &|_| None);
        assert_eq!(query.to_string(), sql);
    }
}

/// A correlated look-up in a dataset may find two rows, which is an error in PostgreSQL: it is not made a first value.
#[test]
fn subqueries_that_read_a_dataset_are_left_alone() {
    let sql = "SELECT (SELECT r.name FROM __querygate.r1 r WHERE r.id = c.region_id) AS n FROM __querygate.r2 c";
    let Statement::Query(mut query) = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0) else {
        panic!()
    };
    adapt(&mut query, &|_| None);
    assert_eq!(query.to_string(), sql);
}

#[test]
fn identifiers_do_not_depend_on_what_is_visible() {
    let all = super::oid::Oids::of(&catalog());
    let anna = anna();
    for table in anna.tables() {
        assert_eq!(all.dataset(table.name()).unwrap().table, table.oid);
    }
}
