//! The section `workspaces`.

use super::finding::Findings;
use super::load::{Known, Sections};
use super::model::{Workspace, WorkspaceKind, WorkspaceLimits};
use super::names::check_label;
use super::reader::{Item, Table};
use crate::types::{ByteCount, DatasetName, Role, UserId, WorkspaceName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const LIMITS: [&str; 7] = [
    "timeout_ms",
    "concurrent_statements",
    "statements_a_day",
    "max_rows",
    "max_bytes",
    "min_group_size",
    "engine_memory",
];
/// A statement's longest time: a week.
const LONGEST_TIMEOUT_MS: u64 = 7 * 24 * 3600 * 1000;

/// What workspaces refer to.
pub(super) struct Names<'a> {
    pub(super) users: &'a Known,
    pub(super) roles: &'a Known,
    pub(super) datasets: &'a Known,
}

pub(super) fn workspaces(
    sections: &Sections<'_>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> BTreeMap<WorkspaceName, Arc<Workspace>> {
    let mut known = Known::new(sections.complete);
    let mut workspaces = BTreeMap::new();
    for item in &sections.workspaces {
        let keys = ["name", "type", "owner", "members", "roles", "datasets", "limits", "overrides", "description"];
        let Some(table) = Table::open(*item, "a workspace", &keys, findings) else { continue };
        let Some(name) = table.required_text("name", findings) else { continue };
        let new = known.define("workspace", &name.value, &name.place, findings);
        let sound = check_label("workspace", &name, findings);
        let workspace = workspace(&table, &name.value, names, findings);
        if let Some(workspace) = workspace.filter(|_| new && sound) {
            workspaces.insert(workspace.name.clone(), Arc::new(workspace));
        }
    }
    workspaces
}

fn workspace(table: &Table<'_>, name: &str, names: &Names<'_>, findings: &mut Findings) -> Option<Workspace> {
    if table.item("type").is_none() {
        let words: Vec<&str> = WorkspaceKind::WORDS.iter().map(|(word, _)| *word).collect();
        let help = Some(format!("write type: {}", words.join(", ")));
        findings.error(&table.place, format!("workspace {name:?} has no type"), help);
    }
    let kind = table.word("type", &WorkspaceKind::WORDS, findings);
    let owner = table.text("owner", findings);
    if let Some(owner) = &owner {
        names.users.check("user", &owner.value, &owner.place, findings);
    }
    let members = table.texts("members", findings);
    for member in &members {
        names.users.check("user", &member.value, &member.place, findings);
    }
    let roles = table.texts("roles", findings);
    for role in &roles {
        names.roles.check("role", &role.value, &role.place, findings);
    }
    let mut datasets = std::collections::BTreeSet::new();
    let mut all_read = true;
    for written in table.texts("datasets", findings) {
        match DatasetName::parse(&written.value) {
            Some(dataset) if names.datasets.check("dataset", &dataset.to_string(), &written.place, findings) => {
                datasets.insert(dataset);
            }
            Some(_) => all_read = false,
            None => {
                all_read = false;
                let help = Some("write schema.name".into());
                findings.error(&written.place, format!("{:?} is no name of a dataset", written.value), help);
            }
        }
    }
    if table.item("datasets").is_some() && datasets.is_empty() && all_read {
        let help = Some("leave the key out to mean all datasets, or name some".into());
        findings.error(
            &table.place_of("datasets"),
            format!("the datasets of workspace {name:?} are an empty list"),
            help,
        );
    }
    if owner.is_none() && members.is_empty() && roles.is_empty() {
        let help = Some("give it an owner, members or roles".into());
        findings.warning(&table.place, format!("nobody may enter workspace {name:?}"), help);
    }
    table.text("description", findings);
    let overrides = overrides(table, findings);
    let kind = kind?;
    let mut limits = kind.limits();
    if let Some(item) = overrides {
        override_limits(&mut limits, item, findings);
    }
    let owner = owner.map(|owner| UserId::new(&owner.value));
    let mut members: std::collections::BTreeSet<UserId> =
        members.into_iter().map(|member| UserId::new(&member.value)).collect();
    members.extend(owner.clone());
    Some(Workspace {
        name: WorkspaceName::new(name),
        kind,
        owner,
        members,
        member_roles: roles.into_iter().map(|role| Role::new(&role.value)).collect(),
        datasets,
        limits,
    })
}

fn overrides<'a>(table: &Table<'a>, findings: &mut Findings) -> Option<Item<'a>> {
    let (limits, overrides) = (table.item("limits"), table.item("overrides"));
    if limits.is_some() && overrides.is_some() {
        let help = Some("keep limits".into());
        findings.error(&table.place_of("overrides"), "limits and overrides are the same thing", help);
    }
    limits.or(overrides)
}

fn override_limits(limits: &mut WorkspaceLimits, item: Item<'_>, findings: &mut Findings) {
    let Some(table) = Table::open(item, "limits", &LIMITS, findings) else { return };
    let most = i64::MAX.unsigned_abs();
    let mut count = |key, most| table.count(key, most, findings);
    let statement = &mut limits.statement;
    statement.timeout = count("timeout_ms", LONGEST_TIMEOUT_MS).map(Duration::from_millis).or(statement.timeout);
    statement.max_rows = count("max_rows", most).or(statement.max_rows);
    statement.min_group_size = count("min_group_size", most).or(statement.min_group_size);
    limits.statements_a_day = count("statements_a_day", most).unwrap_or(limits.statements_a_day);
    let concurrent = count("concurrent_statements", 100_000).and_then(|many| u32::try_from(many).ok());
    limits.concurrent_statements = concurrent.unwrap_or(limits.concurrent_statements);
    let mut size = |key| bytes(&table, key, findings);
    limits.statement.max_bytes = size("max_bytes").or(limits.statement.max_bytes);
    limits.engine_memory = size("engine_memory").unwrap_or(limits.engine_memory);
}

/// A number of bytes, or a text with a unit.
fn bytes(table: &Table<'_>, key: &str, findings: &mut Findings) -> Option<u64> {
    let item = table.item(key)?;
    let size = item.node.as_scalar().and_then(|scalar| scalar.as_str().parse::<ByteCount>().ok());
    let size = size.filter(|size| size.0 > 0);
    if size.is_none() {
        let help = Some("write a number of bytes, or one with a unit such as 512 MB".into());
        findings.error(&item.place(), format!("{key} must be a size of more than zero"), help);
    }
    size.map(|size| size.0)
}
