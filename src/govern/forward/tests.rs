//! What is forwarded, how it is fenced, and that no changed text is proved.

mod barriers;
mod changed;
mod proof;

use super::*;
use crate::catalog::{CatalogSnapshot, Column, FileFormat, SystemColumn, SystemRelations, Workspace, WorkspaceKind};
use crate::decision::{ColumnMask, Mask, MaskOrigin, Obligations, ParamValue, PolicyRef, RowFilter};
use crate::govern::{GovernContext, ResolveContext, govern, resolve};
use crate::sql::{ParseBounds, parse};
use crate::types::{Classification, Revision, Tier, WorkspaceName};
use std::collections::HashMap;

fn column(name: &str, sql_type: SqlType) -> Column {
    Column {
        name: name.into(),
        sql_type,
        nullable: true,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        own_tags: Vec::new(),
        tag_masks: Vec::new(),
        description: None,
        listed: true,
    }
}

fn dataset(name: &str, source: &str, columns: Vec<Column>) -> Dataset {
    let name = DatasetName::parse(name).unwrap();
    let location = match source {
        "lake" => DatasetLocation::Files {
            glob: "x/*.parquet".into(),
            format: FileFormat::Parquet,
            partition_columns: Vec::new(),
        },
        _upstream => DatasetLocation::Relation { schema: "sales".into(), name: name.name().into() },
    };
    Dataset {
        name,
        source: source.into(),
        location,
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
        columns,
    }
}

pub(super) struct World {
    catalog: CatalogSnapshot,
    decisions: BTreeMap<DatasetName, Obligations>,
    session: BTreeMap<String, String>,
    pub(super) tables: BTreeSet<DatasetName>,
    types: Vec<Option<SqlType>>,
}

pub(super) fn filtered(expression: &str) -> Obligations {
    let policy = PolicyRef::package("analytics.data_access");
    let params = BTreeMap::from([("quoted".to_owned(), ParamValue::Text("E'U\\".into()))]);
    Obligations {
        row_filters: vec![RowFilter { expression: expression.into(), params, policy }],
        ..Obligations::default()
    }
}

pub(super) fn masked(mut obligations: Obligations, column: &str, mask: Mask) -> Obligations {
    let origin = MaskOrigin::Policy(PolicyRef::package("analytics.data_access"));
    obligations.column_masks.insert(column.into(), ColumnMask { mask, origin });
    obligations
}

impl World {
    pub(super) fn new() -> Self {
        let people = vec![
            column("id", SqlType::BigInt),
            column("name", SqlType::Text),
            column("email", SqlType::Text),
            column("ssn", SqlType::Text),
            column("region", SqlType::Text),
            column("salary", SqlType::Integer),
            column("worth", SqlType::Numeric { precision: 12, scale: 2 }),
            column("Odd \"one\"", SqlType::Text),
        ];
        let orders = vec![
            column("id", SqlType::BigInt),
            column("person_id", SqlType::BigInt),
            column("amount", SqlType::Double),
            column("tags", SqlType::Array(Box::new(SqlType::Text))),
        ];
        let datasets = [
            dataset("public.people", "crm", people),
            dataset("public.orders", "crm", orders),
            dataset("ops.tenants", "crm", vec![column("region", SqlType::Text), column("tenant", SqlType::Integer)]),
            dataset("public.elsewhere", "erp", vec![column("id", SqlType::BigInt)]),
            dataset("public.files", "lake", vec![column("id", SqlType::BigInt)]),
        ];
        let open = |one: &Dataset| (one.name.clone(), Obligations::default());
        let mut decisions: BTreeMap<_, _> = datasets.iter().map(open).collect();
        let people = masked(filtered("region = 'EU'"), "email", Mask::Email);
        decisions.insert(DatasetName::new("public", "people"), people);
        Self {
            decisions,
            tables: datasets.iter().map(|one| one.name.clone()).collect(),
            catalog: CatalogSnapshot {
                revision: Revision(1),
                sources: BTreeMap::new(),
                tags: BTreeMap::new(),
                datasets: datasets.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
                users: HashMap::new(),
                workspaces: BTreeMap::new(),
                roles: BTreeMap::new(),
            },
            session: BTreeMap::from([("current_user".to_owned(), "ana'".to_owned())]),
            types: Vec::new(),
        }
    }

    pub(super) fn people(mut self, obligations: Obligations) -> Self {
        self.decisions.insert(DatasetName::new("public", "people"), obligations);
        self
    }

    pub(super) fn orders(mut self, obligations: Obligations) -> Self {
        self.decisions.insert(DatasetName::new("public", "orders"), obligations);
        self
    }

    pub(super) fn govern(&self, sql: &str) -> GovernedStatement {
        self.written(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    pub(super) fn written(&self, sql: &str) -> Result<GovernedStatement, crate::govern::GovernError> {
        let workspace = Workspace {
            name: WorkspaceName::new("lab"),
            kind: WorkspaceKind::AdHoc,
            owner: None,
            members: BTreeSet::new(),
            member_roles: BTreeSet::new(),
            datasets: BTreeSet::new(),
            limits: WorkspaceKind::AdHoc.limits(),
        };
        let oid = SystemColumn { name: "oid".into(), sql_type: SqlType::Text };
        let system = SystemRelations {
            relations: BTreeMap::from([(DatasetName::new("pg_catalog", "pg_class"), vec![oid])]),
            ..SystemRelations::default()
        };
        let search_path = ["public".to_owned(), "ops".to_owned()];
        let context = ResolveContext {
            catalog: &self.catalog,
            workspace: &workspace,
            system: &system,
            search_path: &search_path,
            database: "lab",
            denied: &BTreeMap::new(),
            invisible: &BTreeSet::new(),
        };
        let parsed = parse(sql, &ParseBounds::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let write = match crate::sql::command(&parsed[0]).unwrap() {
            crate::sql::Command::Write(write) => Some(write.clone()),
            _other => None,
        };
        let query = write.as_ref().map(|write| &write.query).or(parsed[0].query()).unwrap();
        let resolved = resolve(query, &context).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let governed = govern(resolved, &self.decisions, &GovernContext { catalog: &self.catalog }).unwrap();
        crate::govern::verify::verify_tree(&governed).unwrap();
        assert_eq!(crate::govern::verify::verify_obligations(&governed, &self.decisions), Ok(()), "{sql}");
        match write {
            Some(write) => crate::govern::as_write(governed, &write),
            None => Ok(governed),
        }
    }

    pub(super) fn context(&self) -> ForwardContext<'_> {
        ForwardContext { parameters: 2, parameter_types: &self.types, session: &self.session, tables: &self.tables }
    }

    pub(super) fn forward(&self, sql: &str) -> ForwardedStatement {
        let governed = self.govern(sql);
        forward(&governed, &self.context()).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    pub(super) fn refused(&self, sql: &str) -> ErrorReport {
        match forward(&self.govern(sql), &self.context()) {
            Ok(forwarded) => panic!("{sql}: {}", forwarded.text()),
            Err(error) => error.report(),
        }
    }

    pub(super) fn barrier(&self, sql: &str) -> Barrier {
        self.forward(sql).relations()[0].barrier
    }
}

#[test]
fn relations_that_are_read_alike_are_told_apart_by_their_places() {
    let world = World::new();
    for sql in [
        "WITH x AS (SELECT id FROM people) SELECT id FROM people",
        "WITH x AS (SELECT id FROM people) SELECT people.id FROM people JOIN x ON x.id = people.id",
        "SELECT (SELECT max(id) FROM people) FROM people WHERE id IN (SELECT id FROM people) GROUP BY id HAVING id > (SELECT min(id) FROM people) ORDER BY (SELECT count(id) FROM people)",
        "SELECT id FROM people UNION SELECT id FROM people",
    ] {
        assert!(world.forward(sql).text().contains("sales.people"), "{sql}");
    }
}

#[test]
fn a_relation_becomes_a_derived_table_over_the_upstreams() {
    let world = World::new();
    let forwarded = world.forward("SELECT p.id, upper(p.name) FROM people p WHERE p.id = $1");
    assert_eq!(
        forwarded.text(),
        "SELECT p.id, pg_catalog.upper(p.name) AS upper FROM (SELECT __querygate_t.id AS id, __querygate_t.name AS name \
         FROM sales.people AS __querygate_t WHERE ((__querygate_t.region = 'EU'))) AS p WHERE p.id = $1"
    );
    assert_eq!(forwarded.source(), "crm");
    assert_eq!(forwarded.extra_parameters(), []);
    let forwarded = world.forward("SELECT a FROM people AS p (a, b, c) WHERE a = 7 AND c LIKE 'x%'");
    assert!(
        forwarded
            .text()
            .starts_with("SELECT p.a FROM (SELECT __querygate_t.id AS a, CASE WHEN __querygate_t.email IS NULL"),
        "{}",
        forwarded.text()
    );
    let end = " AS c, ((__querygate_t.region = 'EU')) IS TRUE AS __querygate_visible FROM sales.people AS __querygate_t \
               WHERE ((__querygate_t.region = 'EU'))) AS p WHERE p.a = 7 AND \
               CASE WHEN p.__querygate_visible IS NOT FALSE THEN p.c LIKE 'x%' END";
    assert!(forwarded.text().ends_with(end), "{}", forwarded.text());
    assert!(forwarded.text().contains("CAST($4 AS pg_catalog.bytea) || pg_catalog.sha256(CAST($3 AS"));
    assert_eq!(forwarded.extra_parameters(), [ExtraParameter::InnerKeyBlock, ExtraParameter::OuterKeyBlock]);
    assert_eq!(forwarded.relations()[0].barrier, Barrier::Guarded);
    assert_eq!(forwarded.relations()[0].reason, "the condition p.c LIKE ? may fail or tell");
    let forwarded = world.forward("SELECT a FROM people AS p (a, b, c) WHERE a = 7 AND c LIKE 'x%' AND random() < 0.5");
    assert!(forwarded.text().contains("(__querygate_t.id = 7) OFFSET 0) AS p WHERE"), "{}", forwarded.text());
    assert_eq!(forwarded.relations()[0].copied, 1);
    for sql in [
        "SELECT count(*) FROM people",
        "SELECT * FROM people",
        "SELECT \"Odd \"\"one\"\"\" FROM people",
        "SELECT p FROM people p",
        "SELECT count(p), sum(salary) FILTER (WHERE salary > 3) OVER (PARTITION BY region ORDER BY id ROWS 3 PRECEDING) FROM people p GROUP BY p.id, salary, region",
        "WITH a AS (SELECT id FROM people), b AS MATERIALIZED (SELECT id FROM a) SELECT * FROM b JOIN a USING (id)",
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT n, id FROM r, orders",
        "SELECT id FROM people UNION ALL (SELECT id FROM orders ORDER BY 1 LIMIT 2) ORDER BY id OFFSET 1",
        "SELECT o.id, t, u.a FROM orders o CROSS JOIN LATERAL unnest(o.tags) t, unnest(o.tags, o.tags) u (a, b)",
        "SELECT g FROM generate_series(1, 3) g, orders",
        "SELECT DISTINCT ON (region) region, CASE WHEN salary > 5 THEN 'a' ELSE $1 END FROM people ORDER BY region, id",
        "SELECT extract(year FROM now()), date_trunc('month', current_timestamp), substring(name FROM 2 FOR 3), substr(name, 2), trim(name), position('a' IN name), ceil(worth), overlay(name placing 'x' from 2), name SIMILAR TO 'a%', name LIKE 'a!%' ESCAPE '!' FROM people",
        "SELECT name::varchar(3), (ARRAY[1, 2])[1], ROW(1, 2), NULLIF(name, ''), greatest(1, 2), DATE '2024-01-01' + INTERVAL '1 day' FROM people",
        "SELECT region, grouping(region), count(*) FROM people GROUP BY ROLLUP (region) HAVING count(*) > 3",
        "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id) AND id = ANY (ARRAY[1, 2]) AND id IN (SELECT person_id FROM orders) AND salary > ALL (SELECT 3)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), string_agg(DISTINCT id::text, ',' ORDER BY id::text) FROM orders",
        "SELECT x.v FROM (VALUES (1, 'a'), (2, NULL)) x (k, v) FULL JOIN orders o ON o.id = x.k",
        "SELECT current_user, id FROM people",
        "SELECT a.id FROM people a LEFT JOIN (orders o JOIN people b ON b.id = o.person_id) ON o.person_id = a.id WHERE a.id = 3",
    ] {
        world.forward(sql);
    }
    let forwarded = world.forward("SELECT current_user, id FROM people");
    assert!(
        forwarded.text().starts_with("SELECT CAST($q$ana'$q$ AS pg_catalog.name) AS \"current_user\""),
        "{}",
        forwarded.text()
    );
    let forwarded = world.forward("SELECT p, id FROM orders p");
    assert!(
        forwarded.text().starts_with("SELECT ROW(p.id, p.person_id, p.amount, p.tags) AS p"),
        "{}",
        forwarded.text()
    );
}

#[test]
fn policies_of_many_forms_are_forwarded() {
    for filter in [
        "region = :quoted",
        "lower(region) IN ('eu', 'us') AND NOT salary < -5 OR id IS NULL",
        "region IN (SELECT t.region FROM ops.tenants t WHERE tenant = 7)",
        "EXISTS (SELECT 1 FROM ops.tenants WHERE tenants.region = people.name)",
        "ceil(salary) > 3 AND substring(region, 1, 2) = 'EU' AND substr(region, 1) LIKE 'E%' AND trim(region) <> ''",
        "salary BETWEEN 1 AND 5 AND coalesce(region, 'x') || name ~ 'x' AND worth::text <> ''",
        "(SELECT count(*) FROM orders o WHERE o.person_id = people.salary AND o.id = ANY (ARRAY[1, 2])) > 0",
        "CASE WHEN salary > 1 THEN true ELSE extract(year FROM now()) > 3 END",
    ] {
        let world = World::new().people(masked(
            filtered(filter),
            "name",
            Mask::Expression("left(name, 3) || coalesce(region, '')".into()),
        ));
        world.forward("SELECT id, name FROM people WHERE id = 7");
        world.forward("SELECT count(*) FROM people AS p (a, b) JOIN orders o ON o.person_id = p.a");
    }
}

#[test]
fn statements_over_several_sources_are_refused_with_a_way_out() {
    let world = World::new();
    for sql in [
        "SELECT 1 FROM people, elsewhere",
        "SELECT 1 FROM people, files",
        "SELECT 1 FROM people, pg_class",
        "SELECT 1 FROM people WHERE id IN (SELECT id FROM files)",
    ] {
        let report = world.refused(sql);
        assert_eq!(
            (report.sqlstate.0, report.message.as_str()),
            ("0A000", "a statement over several sources is not supported")
        );
        assert!(report.hint.is_some());
    }
    assert_eq!(upstream_of(&world.govern("SELECT id FROM files")), Ok(None));
    assert_eq!(upstream_of(&world.govern("SELECT 1")), Ok(None));
    assert_eq!(upstream_of(&world.govern("SELECT id FROM elsewhere")), Ok(Some("erp")));
}

#[test]
fn what_the_upstream_would_answer_otherwise_is_refused() {
    let world = World::new();
    for sql in [
        "SELECT session_user, id FROM people",
        "SELECT current_setting('is_superuser'), id FROM people",
        "SELECT version() FROM people",
        "SELECT has_table_privilege('sales.people', 'select') FROM people",
        "SELECT id::regclass FROM people",
        "SELECT id FROM people WHERE 'sales.people'::regclass IS NULL",
        "SELECT median(amount) FROM orders",
        "SELECT p.r FROM (SELECT q AS r FROM people q) p",
        "SELECT levenshtein(name, name) FROM people",
    ] {
        let report = world.refused(sql);
        assert_eq!(report.sqlstate.0, "0A000", "{sql}: {report:?}");
        assert!(report.hint.is_some(), "{sql}");
    }
}

#[test]
fn what_a_planner_would_work_on_for_long_is_too_complex() {
    let world = World::new();
    let chain = (1..15).fold("c0 AS (SELECT id FROM people)".to_owned(), |chain, n| {
        format!("{chain}, c{n} AS NOT MATERIALIZED (SELECT a.id FROM c{0} a, c{0} b)", n - 1)
    });
    assert_eq!(world.refused(&format!("WITH {chain} SELECT id FROM c14")).sqlstate.0, "54001");
    world.forward(&format!("SELECT id{} FROM people", " + 1".repeat(150)));
    world.forward(&format!("SELECT id FROM people WHERE id = 1{}", " OR id = 2".repeat(60)));
    let joins = (0..1_100).map(|n| format!("orders o{n}")).collect::<Vec<_>>().join(", ");
    assert_eq!(world.refused(&format!("SELECT 1 FROM {joins}")).sqlstate.0, "54001");
    let few = (0..50).map(|n| format!("orders o{n}")).collect::<Vec<_>>().join(", ");
    world.forward(&format!("SELECT 1 FROM {few}"));
    world.forward("WITH a AS (SELECT id FROM people), b AS (SELECT x.id FROM a x, a y) SELECT x.id FROM b x, b y, a");
}
