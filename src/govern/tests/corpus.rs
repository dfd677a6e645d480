//! The statements of `testdata`, over the catalogs that they were written for: for tests that look at all that governing
//! makes. Nothing is run, and no upstream is there.

use crate::catalog::{CatalogFile, CatalogSnapshot, InferredColumn, Principal, SystemRelations, load, upstream_type};
use crate::config::{self, Config};
use crate::demo::data::{DemoDataOptions, generate};
use crate::execute::datafusion::DataFusionEngine;
use crate::execute::metadata::system_relations;
use crate::gateway::Folders;
use crate::pipeline::{GovernedOutcome, PipelineError, Question, govern_statement, govern_write};
use crate::policy::{Environment, PolicyBundle, PolicyFile};
use crate::sql::{Command, ParseBounds, ParsedStatement, command, parse};
use crate::types::{DatasetName, DecisionId, UserId, WorkspaceName};
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A floor for groups of people, as in the cases of `testdata/groups`.
const FLOOR: &str = "package analytics.data_access\n\
    limits contains {\"policy\": \"P-2026-012\", \"min_group_size\": 5} if input.dataset.name == \"public.people\"\n\
    unmask contains \"SALARY\" if input.dataset.name == \"public.people\"\n";
const WRITES: &str = "package analytics.data_access\nactions := {\"QUERY\", \"WRITE\"}\n";

/// A catalog with its policies.
pub(crate) struct World {
    pub(crate) catalog: Arc<CatalogSnapshot>,
    pub(crate) policies: PolicyBundle,
    system: SystemRelations,
    workspace: &'static str,
}

/// A statement of a corpus.
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    pub(crate) name: String,
    pub(crate) user: String,
    workspace: Option<String>,
    purpose: Option<String>,
    pub(crate) statement: ParsedStatement,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn texts(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(project().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), text(path))).collect()
}

fn policies(files: impl IntoIterator<Item = (String, String)>) -> PolicyBundle {
    let files: Vec<PolicyFile> =
        files.into_iter().map(|(name, text)| PolicyFile { path: format!("{name}.rego"), text }).collect();
    PolicyBundle::load(&files).unwrap_or_else(|found| panic!("{found:?}"))
}

type Schemas = BTreeMap<DatasetName, Vec<InferredColumn>>;

/// The columns of the tables that SQL makes.
fn schemas_of(sql: &str) -> Schemas {
    let mut found = Schemas::new();
    for made in sql.split(";\n").filter_map(|part| part.find("CREATE TABLE data.").and_then(|at| part.get(at..))) {
        // The kinds of partition are no part of a table's columns.
        let made = made.rsplit_once(" PARTITION BY").map_or(made, |(made, _)| made);
        let made = made.rsplit_once(" INHERITS").map_or(made, |(made, _)| made);
        let Ok(statements) = Parser::parse_sql(&PostgreSqlDialect {}, made) else { continue };
        let [Statement::CreateTable(table)] = statements.as_slice() else { continue };
        let name = DatasetName::new("public", table.name.to_string().trim_start_matches("data."));
        let columns = table.columns.iter().map(|column| InferredColumn {
            name: column.name.value.clone(),
            sql_type: upstream_type(&column.data_type.to_string().to_lowercase()),
            nullable: true,
        });
        found.entry(name).or_insert_with(|| columns.collect());
    }
    found
}

fn assembled(files: &[CatalogFile], schemas: &Schemas) -> Arc<CatalogSnapshot> {
    let (spec, found) = load(files);
    let (catalog, more) = spec.unwrap_or_else(|| panic!("{found:?}")).assemble(schemas);
    Arc::new(catalog.unwrap_or_else(|| panic!("{more:?}")))
}

/// The demo's catalog over its files, and what they hold.
fn demo() -> &'static (Arc<CatalogSnapshot>, Schemas) {
    static DEMO: OnceLock<(Arc<CatalogSnapshot>, Schemas)> = OnceLock::new();
    DEMO.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        generate(&folder.path().join("demo-data"), &DemoDataOptions { scale: 0.001 }).unwrap();
        for part in ["catalog", "policies"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
            for entry in std::fs::read_dir(project().join(part)).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
        let named = |name: &str| folder.path().join(name).display().to_string();
        let variables = BTreeMap::from([
            ("QUERYGATE_CATALOG_DIR".to_owned(), named("catalog")),
            ("QUERYGATE_POLICIES_DIR".to_owned(), named("policies")),
            ("QUERYGATE_AUDIT_DIR".to_owned(), named("audit")),
            ("QUERYGATE_HASH_KEY".to_owned(), "ab".repeat(32)),
        ]);
        let config: Config = config::parse(None, &variables, &|path| std::fs::read_to_string(path)).unwrap();
        let engine = DataFusionEngine::start(&config.engine).unwrap();
        let folders = Folders { catalog: named("catalog").into(), policies: named("policies").into() };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let loaded = runtime.block_on(folders.load(&engine));
        let serving = loaded.serving.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        (Arc::clone(&serving.catalog), serving.raw.schemas())
    })
}

fn demo_policies() -> Vec<(String, String)> {
    texts("policies", "rego").into_iter().filter(|(name, _)| !name.ends_with("_test")).collect()
}

impl World {
    /// The demo, in files.
    pub(crate) fn demo() -> Self {
        Self::of(Arc::clone(&demo().0), policies(demo_policies()), "retail")
    }

    /// The same with a floor for groups of people.
    pub(crate) fn with_floor() -> Self {
        let floor = ("floor".to_owned(), FLOOR.to_owned());
        Self::of(Arc::clone(&demo().0), policies(demo_policies().into_iter().chain([floor])), "retail")
    }

    /// The demo in an upstream, with what the attacks on one need beside it; all may be written to.
    pub(crate) fn demo_upstream() -> Self {
        let planted = "testdata/bypass/upstream";
        let mut catalog = String::new();
        let mut name = String::new();
        let all = text("catalog/catalog.yaml") + &text(format!("{planted}/catalog.yaml"));
        for line in all.lines() {
            if let Some(dataset) = line.strip_prefix("  - name: ") {
                name = dataset
                    .strip_prefix("public.")
                    .or(dataset.strip_prefix("hr."))
                    .unwrap_or(dataset)
                    .replace('.', "_");
            }
            if line.contains("kind: files") {
                catalog += "  - {name: lake, kind: postgres, dsn_file: /nowhere}";
            } else if line.starts_with("    location: ") {
                catalog += &format!("    relation: data.{name}");
            } else {
                catalog += line;
            }
            catalog.push('\n');
        }
        let mut files = vec![CatalogFile { path: "catalog.yaml".into(), text: catalog }];
        let others = texts("catalog", "yaml").into_iter().filter(|(name, _)| name != "catalog");
        files.extend(others.map(|(name, text)| CatalogFile { path: format!("{name}.yaml"), text }));
        let mut schemas = demo().1.clone();
        let made = schemas_of(&text(format!("{planted}/planted.sql")));
        let kit = made.get(&DatasetName::new("public", "kit")).unwrap().clone();
        let some = |names: &[&str]| -> Vec<InferredColumn> {
            let named = |name: &&str| InferredColumn {
                name: (*name).to_owned(),
                ..kit.iter().find(|of| of.name == *name).unwrap_or(&kit[2]).clone()
            };
            names.iter().map(named).collect()
        };
        schemas.insert(DatasetName::new("public", "chatty"), some(&["id", "region", "said", "part"]));
        schemas.insert(DatasetName::new("public", "strict"), some(&["id", "region", "word", "n"]));
        schemas.insert(DatasetName::new("public", "kit"), kit);
        let writes = ("writes".to_owned(), WRITES.to_owned());
        Self::of(assembled(&files, &schemas), policies(demo_policies().into_iter().chain([writes])), "retail")
    }

    /// What the differential suite reads.
    pub(crate) fn differential() -> Self {
        let setup = "testdata/differential/setup";
        let schemas = schemas_of(&text(format!("{setup}/data.sql")));
        let mut catalog = "sources:\n  - {name: here, kind: postgres, dsn_file: /nowhere}\ndatasets:\n".to_owned();
        for name in schemas.keys().filter(|name| !name.name().contains("orders_") && name.name() != "capitals") {
            catalog +=
                &format!("  - {{name: {name}, source: here, tier: SYNTHETIC, relation: data.{}}}\n", name.name());
        }
        catalog += "workspaces:\n  - {name: lab, type: AD_HOC, owner: alice, members: [bob, dana]}\n";
        let files = [("catalog.yaml", catalog), ("users.yaml", text("catalog/users.yaml"))]
            .map(|(path, text)| CatalogFile { path: path.into(), text });
        let access = ("access".to_owned(), text(format!("{setup}/access.rego")));
        let writes = ("writes".to_owned(), WRITES.to_owned());
        Self::of(assembled(&files, &schemas), policies([access, writes]), "lab")
    }

    fn of(catalog: Arc<CatalogSnapshot>, policies: PolicyBundle, workspace: &'static str) -> Self {
        Self { catalog, policies, system: system_relations(), workspace }
    }

    /// What is made of a statement.
    pub(crate) fn govern(&self, sentence: &Sentence) -> Option<Result<GovernedOutcome, PipelineError>> {
        let user = self.catalog.users.get(&UserId::new(&*sentence.user))?.clone();
        let workspace = sentence.workspace.as_deref().unwrap_or(self.workspace);
        let workspace = self.catalog.workspaces.get(&WorkspaceName::new(workspace))?;
        let principal = Principal::authenticated(user, &self.catalog);
        let environment = Environment {
            name: "development".into(),
            region: "eu".into(),
            network_zone: "internal".into(),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: true,
            application_name: "tests".into(),
        };
        let decision = DecisionId::new("d");
        let search_path = ["public".to_owned()];
        let question = Question {
            decision: &decision,
            catalog: &self.catalog,
            policies: &self.policies,
            system: &self.system,
            principal: &principal,
            workspace,
            environment: &environment,
            purpose: sentence.purpose.as_deref(),
            approvals: &[],
            search_path: &search_path,
            now_ns: 1_790_000_000_000_000_000,
            kind: "SELECT",
        };
        match command(&sentence.statement).ok()? {
            Command::Query => Some(govern_statement(sentence.statement.query()?, &question)),
            Command::Write(write) => Some(govern_write(write, &question)),
            _nothing_governed => None,
        }
    }

    /// The datasets that are tables of their upstream.
    pub(crate) fn tables(&self) -> BTreeSet<DatasetName> {
        let is_view = |name: &DatasetName| matches!(name.name(), "chatty" | "strict");
        self.catalog.datasets.keys().filter(|name| !is_view(name)).cloned().collect()
    }
}

/// The cases of a folder of `testdata`, for whom each is.
pub(crate) fn cases(folder: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    for (file, text) in texts(&format!("testdata/{folder}"), "case") {
        for (number, case) in text.split("======\n").enumerate() {
            let mut sections = case.split("--- ");
            let head: BTreeMap<&str, &str> =
                sections.next().unwrap_or_default().lines().filter_map(|line| line.split_once(": ")).collect();
            let Some(sql) = sections.find_map(|section| section.strip_prefix("sql\n")) else { continue };
            let owned = |key: &str| head.get(key).map(|value| value.trim().to_owned());
            let name = format!("{file}#{}", number + 1);
            let user = owned("user").unwrap_or_else(|| "alice".to_owned());
            let Ok(statements) = parse(sql, &ParseBounds::default()) else { continue };
            found.extend(statements.into_iter().map(|statement| Sentence {
                name: name.clone(),
                user: user.clone(),
                workspace: owned("workspace"),
                purpose: owned("purpose"),
                statement,
            }));
        }
    }
    found
}

/// The statements of the differential suite, each for one of its users in turn.
pub(crate) fn differential() -> Vec<Sentence> {
    let mut found = Vec::new();
    for (file, text) in texts("testdata/differential", "sql") {
        let code: String =
            text.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")).collect();
        for (number, sql) in code.split(";\n").enumerate() {
            let Ok(statements) = parse(sql, &ParseBounds::default()) else { continue };
            found.extend(statements.into_iter().map(|statement| Sentence {
                name: format!("{file}#{}", number + 1),
                user: ["alice", "bob", "dana"][number % 3].to_owned(),
                workspace: None,
                purpose: None,
                statement,
            }));
        }
    }
    found
}
