//! A catalog, its policies and three users, without data: what statements are governed over here.

use super::statement;
use crate::catalog::{self, CatalogFile, CatalogSnapshot, InferredColumn, InferredSchema, Principal};
use crate::error::SqlState;
use crate::execute::metadata::system_relations;
use crate::govern::forward::{ForwardContext, RowTables, forward, forward_with_rows, forward_with_views, upstream_of};
use crate::pipeline::{PipelineError, Question, govern_statement, govern_write};
use crate::policy::{Environment, PolicyBundle, PolicyFile};
use crate::sql::{Command, ParseBounds, ParsedStatement, Write, command, parse, print_checked};
use crate::types::{DatasetName, DecisionId, SqlType, UserId, WorkspaceName};
use arbitrary::Unstructured;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

const CATALOG: &str = include_str!("world.yaml");
const POLICY: &str = include_str!("world.rego");
/// Alice sees nearly all, bob some rows behind masks, carol groups alone.
const USERS: [&str; 3] = ["alice", "bob", "carol"];
/// A column that is denied to all but alice: nothing that runs for others holds it.
const DENIED: &str = "zqdenied";

struct World {
    /// The datasets in an upstream, and in files.
    catalogs: [CatalogSnapshot; 2],
    policies: PolicyBundle,
    tables: BTreeSet<DatasetName>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let text = |sql_type: &SqlType| SqlType::Array(Box::new(sql_type.clone()));
    let people: &[(&str, SqlType)] = &[
        ("id", SqlType::BigInt),
        ("name", SqlType::Text),
        ("email", SqlType::Text),
        ("ssn", SqlType::Text),
        ("salary", SqlType::Integer),
        ("region", SqlType::Text),
        ("born", SqlType::Date),
        ("tags", text(&SqlType::Text)),
        ("extra", SqlType::Json),
        (DENIED, SqlType::Text),
    ];
    let orders: &[(&str, SqlType)] =
        &[("id", SqlType::BigInt), ("person", SqlType::BigInt), ("amount", SqlType::Double)];
    let visits: &[(&str, SqlType)] =
        &[("id", SqlType::BigInt), ("region", SqlType::Text), ("minutes", SqlType::Integer)];
    let odd: &[(&str, SqlType)] = &[("Order", SqlType::Text), ("id", SqlType::BigInt)];
    let vault: &[(&str, SqlType)] = &[("id", SqlType::BigInt), ("key", SqlType::Text)];
    let schema = |columns: &[(&str, SqlType)]| -> InferredSchema {
        let column = |(name, sql_type): &(&str, SqlType)| InferredColumn {
            name: (*name).to_owned(),
            sql_type: sql_type.clone(),
            nullable: true,
        };
        columns.iter().map(column).collect()
    };
    let schemas: BTreeMap<DatasetName, InferredSchema> = [
        ("public.people", people),
        ("public.orders", orders),
        ("public.visits", visits),
        ("public.Odd Name", odd),
        ("public.vault", vault),
        ("hr.secret", vault),
    ]
    .map(|(name, columns)| (DatasetName::parse(name).unwrap(), schema(columns)))
    .into();
    let catalog = |upstream: bool| {
        let mut lines = String::new();
        for line in CATALOG.lines() {
            match line.trim_start().strip_prefix("relation: ") {
                Some(name) if !upstream => lines += &format!("    location: {}.csv\n", name.replace('.', "_")),
                _ => lines += &format!("{line}\n"),
            }
        }
        let text = if upstream { lines } else { lines.replace("source: crm", "source: disk") };
        let (spec, findings) = catalog::load(&[CatalogFile { path: "world.yaml".into(), text }]);
        let (snapshot, all) = spec.unwrap().assemble(&schemas);
        snapshot.unwrap_or_else(|| panic!("{findings:?} {all:?}"))
    };
    let policy = PolicyFile { path: "world.rego".into(), text: POLICY.into() };
    World {
        catalogs: [catalog(true), catalog(false)],
        policies: PolicyBundle::load(&[policy]).unwrap_or_else(|findings| panic!("{findings:?}")),
        tables: schemas.keys().filter(|name| name.name() != "orders").cloned().collect(),
    }
});

/// Governs a statement for each user in both places, and proves again what came of it.
fn govern(sql: &str) {
    let Ok(statements) = parse(sql, &ParseBounds::default()) else { return };
    for statement in &statements {
        let what = command(statement);
        let (query, write) = match (&what, statement.query()) {
            (Ok(Command::Write(write)), _) => (None, Some(write)),
            (_, Some(query)) => (Some(query), None),
            _ => continue,
        };
        for catalog in &WORLD.catalogs {
            for user in USERS {
                let decision = DecisionId::new("fuzz");
                let principal = Principal::authenticated(catalog.users[&UserId::new(user)].clone(), catalog);
                let workspace = &catalog.workspaces[&WorkspaceName::new("lab")];
                let environment = Environment {
                    name: "fuzz".into(),
                    region: "eu".into(),
                    network_zone: "internal".into(),
                    client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    tls: true,
                    application_name: String::new(),
                };
                let question = Question {
                    decision: &decision,
                    catalog,
                    policies: &WORLD.policies,
                    system: &SYSTEM,
                    principal: &principal,
                    workspace,
                    environment: &environment,
                    purpose: None,
                    approvals: &[],
                    search_path: &*SEARCH_PATH,
                    now_ns: 1_700_000_000_000_000_000,
                    kind: "SELECT",
                };
                one(sql, statement, query, write.copied(), &question);
            }
        }
    }
}

static SYSTEM: LazyLock<crate::catalog::SystemRelations> = LazyLock::new(system_relations);
static SEARCH_PATH: LazyLock<[String; 1]> = LazyLock::new(|| ["public".to_owned()]);

/// Whether a text names the denied column to somebody who did not name it first.
fn shows_denied(sql: &str, user: &UserId, text: &str) -> bool {
    user.as_str() != "alice" && !sql.to_lowercase().contains(DENIED) && text.contains(DENIED)
}

fn one(
    sql: &str,
    statement: &ParsedStatement,
    query: Option<&sqlparser::ast::Query>,
    write: Option<&Write>,
    question: &Question<'_>,
) {
    let governed = match (query, write) {
        (Some(query), _) => govern_statement(query, question),
        (None, Some(write)) => govern_write(write, question),
        (None, None) => return,
    };
    let user = &question.principal.user().id;
    let outcome = match governed {
        Ok(outcome) => outcome,
        // What came out could not be proved: nothing leaks, and yet it should not happen.
        Err(PipelineError::Verify(error)) => panic!("{sql} as {user}: {error:?}"),
        Err(error) => {
            let report = error.report(question.decision, Some(sql));
            assert_ne!(report.sqlstate, SqlState::INTERNAL_ERROR, "{sql} as {user}: {report:?}");
            assert!(!shows_denied(sql, user, &format!("{report:?}")), "{sql} as {user}: {report:?}");
            return;
        }
    };
    let denied = |name: &&DatasetName| {
        matches!(name.to_string().as_str(), "public.vault" | "hr.secret") && user.as_str() != "alice"
    };
    assert_eq!(outcome.decisions.keys().find(denied), None, "{sql} as {user}");
    let text = print_checked(outcome.statement.query()).unwrap_or_else(|error| panic!("{sql} as {user}: {error}"));
    assert!(!shows_denied(sql, user, &text), "{sql} as {user}: {text}");
    if !matches!(upstream_of(&outcome.statement), Ok(Some(_))) {
        return;
    }
    let context = ForwardContext {
        parameters: statement.parameters(),
        parameter_types: &[],
        session: &BTreeMap::from([("current_user".to_owned(), "zq".to_owned())]),
        tables: &WORLD.tables,
    };
    let secured = RowTables { secured: WORLD.tables.clone(), plain: BTreeSet::new() };
    for forwarded in [
        forward(&outcome.statement, &context),
        forward_with_views(&outcome.statement, &context, "gate"),
        forward_with_rows(&outcome.statement, &context, &secured),
    ] {
        match forwarded {
            Ok(forwarded) => {
                let text = forwarded.text();
                assert!(!shows_denied(sql, user, text), "{sql} as {user}: {text}");
                assert!(user.as_str() == "alice" || !text.contains("data.vault"), "{sql} as {user}: {text}");
            }
            Err(error) => {
                let report = error.report();
                assert_ne!(report.sqlstate, SqlState::INTERNAL_ERROR, "{sql} as {user}: {error:?}");
            }
        }
    }
}

/// Any text, as each user.
pub(super) fn govern_text(input: &[u8]) {
    if let Ok(sql) = std::str::from_utf8(input) {
        govern(sql);
    }
}

/// A statement that is made of the bytes, as each user.
pub(super) fn govern_generated(input: &[u8]) {
    if let Ok(sql) = statement(&mut Unstructured::new(input)) {
        govern(&sql);
    }
}
