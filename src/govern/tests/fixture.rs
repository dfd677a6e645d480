//! The catalog of the cases, and what they call.

use crate::catalog::{
    CatalogSnapshot, Column, Dataset, DatasetLocation, SystemColumn, SystemRelations, TagDefinition, Workspace,
    WorkspaceKind, WorkspaceLimits,
};
use crate::decision::{ColumnMask, Limits, Mask, MaskOrigin, Obligations, ParamValue, PolicyRef, RowFilter};
use crate::error::ErrorReport;
use crate::govern::{
    GovernContext, GovernError, GovernedStatement, ResolveContext, ResolveError, ResolvedStatement, govern, resolve,
    verify,
};
use crate::types::{Classification, DatasetName, Revision, SqlType, Tag, Tier, WorkspaceName};
use sqlparser::ast::{Query, SetExpr, Statement, Table};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub(super) struct Fixture {
    pub(super) catalog: CatalogSnapshot,
    pub(super) workspace: Workspace,
    pub(super) system: SystemRelations,
    pub(super) search_path: Vec<String>,
    pub(super) denied: BTreeMap<DatasetName, BTreeSet<String>>,
    pub(super) invisible: BTreeSet<DatasetName>,
}

fn column(name: &str, sql_type: SqlType, classification: Classification, tags: &[&str]) -> Column {
    let tags: Vec<Tag> = tags.iter().map(|tag| Tag::new(*tag)).collect();
    let mut all: BTreeSet<Tag> = tags.iter().cloned().collect();
    let mut tag_masks = Vec::new();
    if all.contains(&Tag::new("EMAIL")) {
        all.insert(Tag::new("PII"));
        tag_masks.push((Tag::new("EMAIL"), Mask::Email));
    }
    Column {
        name: name.into(),
        sql_type,
        nullable: true,
        classification,
        tags: all,
        own_tags: tags,
        tag_masks,
        description: None,
        listed: true,
    }
}

fn dataset(name: &str, columns: Vec<Column>) -> Dataset {
    Dataset {
        name: DatasetName::parse(name).unwrap(),
        source: "lake".into(),
        location: DatasetLocation::Relation { schema: "x".into(), name: "y".into() },
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

fn plain(name: &str, sql_type: SqlType) -> Column {
    column(name, sql_type, Classification::Internal, &[])
}

impl Fixture {
    pub(super) fn new() -> Self {
        let text = || SqlType::Text;
        let mut people = dataset(
            "public.people",
            vec![
                plain("id", SqlType::BigInt),
                column("name", text(), Classification::Internal, &["PII"]),
                column("email", text(), Classification::Proprietary, &["EMAIL"]),
                plain("region", text()),
                column("salary", SqlType::Double, Classification::Proprietary, &["SENSITIVE"]),
                plain("born", SqlType::Date),
            ],
        );
        people.entity_key = Some("id".into());
        let orders = dataset(
            "public.orders",
            vec![
                plain("id", SqlType::BigInt),
                plain("person_id", SqlType::BigInt),
                plain("amount", SqlType::Double),
                plain("day", SqlType::Date),
                plain("tags", SqlType::Array(Box::new(SqlType::Text))),
            ],
        );
        let mut regions = dataset(
            "public.regions",
            vec![
                column("region", text(), Classification::Public, &[]),
                column("label", text(), Classification::Public, &[]),
            ],
        );
        regions.source = "lake".into();
        let tenants = dataset("ops.tenants", vec![plain("tenant_id", SqlType::BigInt), plain("region", text())]);
        let shadow = dataset("ops.people", vec![plain("id", SqlType::BigInt), plain("badge", text())]);
        let mut secret = dataset("public.vault", vec![plain("id", SqlType::BigInt), plain("key", text())]);
        secret.discoverable = false;
        let mut elsewhere = dataset("public.remote", vec![plain("id", SqlType::BigInt)]);
        elsewhere.source = "crm".into();
        let odd = dataset("public.Odd Name", vec![plain("Order", text()), plain("select", text()), plain("b", text())]);
        let visits = dataset("public.visits", vec![plain("region", text()), plain("length", SqlType::Integer)]);
        let datasets = [people, orders, regions, tenants, shadow, secret, elsewhere, odd, visits];
        let tag = |name: &str, implies: &[&str]| TagDefinition {
            name: Tag::new(name),
            implies: implies.iter().map(|tag| Tag::new(*tag)).collect(),
            classification: None,
            mask: None,
        };
        let tags = [tag("EMAIL", &["PII"]), tag("PII", &[]), tag("SENSITIVE", &[])];
        let system_columns = |names: &[&str]| {
            names.iter().map(|name| SystemColumn { name: (*name).into(), sql_type: SqlType::Text }).collect()
        };
        Self {
            catalog: CatalogSnapshot {
                revision: Revision(1),
                sources: BTreeMap::new(),
                tags: tags.into_iter().map(|tag| (tag.name.clone(), tag)).collect(),
                datasets: datasets.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
                users: HashMap::new(),
                workspaces: BTreeMap::new(),
                roles: BTreeMap::new(),
            },
            workspace: Workspace {
                name: WorkspaceName::new("lab"),
                kind: WorkspaceKind::AdHoc,
                owner: None,
                members: BTreeSet::new(),
                member_roles: BTreeSet::new(),
                datasets: BTreeSet::new(),
                limits: WorkspaceLimits {
                    statement: Limits::default(),
                    concurrent_statements: 1,
                    statements_a_day: 1,
                    engine_memory: 1,
                },
            },
            system: SystemRelations {
                relations: BTreeMap::from([
                    (DatasetName::new("pg_catalog", "pg_class"), system_columns(&["oid", "relname", "relkind"])),
                    (DatasetName::new("information_schema", "tables"), system_columns(&["table_name"])),
                    (DatasetName::new("querygate", "my_datasets"), system_columns(&["name"])),
                ]),
                oids: BTreeMap::from([(DatasetName::new("pg_catalog", "pg_class"), 1259)]),
            },
            search_path: vec!["$user".into(), "public".into()],
            denied: BTreeMap::new(),
            invisible: BTreeSet::new(),
        }
    }

    pub(super) fn denying(dataset: &str, columns: &[&str]) -> Self {
        let mut fixture = Self::new();
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        fixture.denied.insert(DatasetName::parse(dataset).unwrap(), columns);
        fixture
    }

    pub(super) fn resolve(&self, sql: &str) -> Result<ResolvedStatement, ResolveError> {
        resolve(&parse(sql), &self.context())
    }

    pub(super) fn context(&self) -> ResolveContext<'_> {
        ResolveContext {
            catalog: &self.catalog,
            workspace: &self.workspace,
            system: &self.system,
            search_path: &self.search_path,
            database: "lab",
            denied: &self.denied,
            invisible: &self.invisible,
        }
    }

    /// The decision that allows everything, for every dataset.
    pub(super) fn open(&self) -> BTreeMap<DatasetName, Obligations> {
        self.catalog.datasets.keys().map(|name| (name.clone(), Obligations::default())).collect()
    }

    pub(super) fn govern_with(
        &self,
        sql: &str,
        decisions: &BTreeMap<DatasetName, Obligations>,
    ) -> Result<GovernedStatement, GovernError> {
        let resolved = self.resolve(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let governed = govern(resolved, decisions, &GovernContext { catalog: &self.catalog })?;
        assert_eq!(verify::verify_obligations(&governed, decisions), Ok(()), "{sql}");
        Ok(governed)
    }

    /// Governs with one dataset's obligations and all else open.
    pub(super) fn govern(
        &self,
        sql: &str,
        dataset: &str,
        obligations: Obligations,
    ) -> Result<GovernedStatement, GovernError> {
        let mut decisions = self.open();
        decisions.insert(DatasetName::parse(dataset).unwrap(), obligations);
        self.govern_with(sql, &decisions)
    }

    /// The tree's text, after every check that holds for all statements.
    pub(super) fn tree(&self, sql: &str) -> String {
        let governed = self.govern_with(sql, &self.open()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        checked(sql, &governed)
    }

    pub(super) fn error(&self, sql: &str) -> ErrorReport {
        match self.resolve(sql) {
            Ok(resolved) => panic!("{sql}: resolved to {}", resolved.query()),
            Err(error) => error.report_in(sql),
        }
    }
}

/// The tree's text, if it is proved and printing it is a fixpoint.
pub(super) fn checked(sql: &str, governed: &GovernedStatement) -> String {
    let text = governed.query().to_string();
    assert_eq!(parse(&text).to_string(), text, "{sql}: printing is a fixpoint");
    assert_eq!(parse(&text), *governed.query(), "{sql}: the text means the tree");
    assert_eq!(verify::verify_tree(governed).as_ref(), Ok(&text), "{sql}: {text}");
    governed.governed_sql().unwrap_or_else(|error| panic!("{sql}: {error}"));
    text
}

pub(super) fn parse(sql: &str) -> Query {
    try_parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// `TABLE name`
pub(super) fn table_command(name: &str) -> Query {
    let table = Table { table_name: Some(name.into()), schema_name: None };
    Query { body: Box::new(SetExpr::Table(Box::new(table))), ..parse("SELECT 1") }
}

pub(super) fn try_parse(sql: &str) -> Result<Query, String> {
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_options(ParserOptions::new().with_unescape(false))
        .with_recursion_limit(500)
        .try_with_sql(sql)
        .map_err(|error| error.to_string())?;
    match parser.parse_statements().map_err(|error| error.to_string())?.remove(0) {
        Statement::Query(query) => Ok(*query),
        other => Err(format!("{other} is no query")),
    }
}

pub(super) fn filter(expression: &str, params: &[(&str, ParamValue)]) -> RowFilter {
    RowFilter {
        expression: expression.into(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        policy: PolicyRef {
            id: Some("P-1".into()),
            title: Some("regional".into()),
            ..PolicyRef::package("analytics.data_access")
        },
    }
}

pub(super) fn filtered(expression: &str, params: &[(&str, ParamValue)]) -> Obligations {
    Obligations { row_filters: vec![filter(expression, params)], ..Obligations::default() }
}

pub(super) fn masked(column: &str, mask: Mask) -> Obligations {
    let origin = MaskOrigin::Policy(PolicyRef::package("analytics.data_access"));
    Obligations {
        column_masks: BTreeMap::from([(column.to_owned(), ColumnMask { mask, origin })]),
        ..Obligations::default()
    }
}

pub(super) fn grouped(least: u64) -> Obligations {
    Obligations { limits: Limits { min_group_size: Some(least), ..Limits::default() }, ..Obligations::default() }
}
