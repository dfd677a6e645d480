//! The sections `roles` and `users`.
//!
//! A verifier is a secret: it goes into the [`User`] and nowhere else, not even into a finding about it.

use super::finding::{Findings, Placed};
use super::graph;
use super::load::{Known, Sections};
use super::model::{User, UserAttributes};
use super::names::check_label;
use super::read_sources::CLASSIFICATIONS;
use super::reader::{Item, Table};
use crate::types::{Redacted, Role, TenantId, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Roles that always exist.
pub(super) const SEED_ROLES: [&str; 5] = ["ANALYST", "DATA_SCIENTIST", "ENGINEER", "AUDITOR", "WORKSPACE_OWNER"];
/// RFC 7677 asks for at least this many iterations.
const FEWEST_ITERATIONS: u32 = 4096;
/// More would let a login be used to keep the gateway busy.
const MOST_ITERATIONS: u32 = 1_000_000;

/// The roles read so far.
struct Roles {
    known: Known,
    included: Vec<(Role, Vec<Placed<String>>)>,
}

impl Roles {
    /// Takes one role in; a table has been opened for it if it says more than its name.
    fn add(&mut self, name: &Placed<String>, table: Option<&Table<'_>>, findings: &mut Findings) {
        let new = self.known.define("role", &name.value, &name.place, findings);
        let sound = check_label("role", name, findings);
        let includes = table.map(|table| {
            table.text("description", findings);
            table.texts("includes", findings)
        });
        if new && sound {
            self.included.push((Role::new(&name.value), includes.unwrap_or_default()));
        }
    }
}

pub(super) fn roles(sections: &Sections<'_>, findings: &mut Findings) -> (BTreeMap<Role, BTreeSet<Role>>, Known) {
    let mut read = Roles { known: Known::new(sections.complete), included: Vec::new() };
    for section in &sections.roles {
        let Some(entries) = section.entries() else {
            for item in section.list("roles", findings) {
                let table = Table::open(item, "a role", &["name", "includes", "description"], findings);
                let name = table.as_ref().and_then(|table| table.required_text("name", findings));
                if let Some(name) = name {
                    read.add(&name, table.as_ref(), findings);
                }
            }
            continue;
        };
        for (key, item) in entries {
            let place = super::yaml::place_of(section.file, key.span());
            let name = Placed { value: key.as_str().to_owned(), place };
            let what = format!("role {:?}", name.value);
            let table =
                if item.is_null() { None } else { Table::open(item, &what, &["includes", "description"], findings) };
            read.add(&name, table.as_ref(), findings);
        }
    }
    let Roles { mut known, included } = read;
    known.names.extend(SEED_ROLES.iter().map(|seed| (*seed).to_owned()));
    let mut edges: BTreeMap<Role, Vec<Role>> = known.names.iter().map(|name| (Role::new(name), Vec::new())).collect();
    for (role, includes) in &included {
        for name in includes {
            if known.check("role", &name.value, &name.place, findings) {
                edges.entry(role.clone()).or_default().push(Role::new(&name.value));
            }
        }
    }
    for circle in graph::circles(&edges) {
        let path: Vec<&str> = circle.iter().map(Role::as_str).collect();
        let step = included
            .iter()
            .filter(|(role, _)| circle.first() == Some(role))
            .flat_map(|(_, includes)| includes)
            .find(|name| circle.get(1).is_some_and(|next| next.as_str() == name.value));
        if let Some(step) = step {
            let help = Some("take one of these out".into());
            findings.error(&step.place, format!("roles include each other in a circle: {}", path.join(" -> ")), help);
        }
    }
    (graph::closure(&edges), known)
}

pub(super) fn users(
    sections: &Sections<'_>,
    roles: &Known,
    findings: &mut Findings,
) -> (HashMap<UserId, Arc<User>>, Known) {
    let mut known = Known::new(sections.complete);
    let mut users = HashMap::new();
    for item in &sections.users {
        let keys = ["name", "password", "roles", "tenant", "attributes"];
        let Some(table) = Table::open(*item, "a user", &keys, findings) else { continue };
        let Some(name) = table.required_text("name", findings) else { continue };
        let new = known.define("user", &name.value, &name.place, findings);
        let sound = check_label("user", &name, findings);
        let user = user(&table, &name.value, roles, findings);
        if new && sound {
            users.insert(user.id.clone(), Arc::new(user));
        }
    }
    (users, known)
}

fn user(table: &Table<'_>, name: &str, known_roles: &Known, findings: &mut Findings) -> User {
    let verifier = table.text("password", findings).and_then(|verifier| {
        let problem = verifier_problem(&verifier.value);
        if let Some(problem) = problem {
            let help = format!("make one with: querygate user passwd {name}");
            findings.error(&verifier.place, format!("the password of user {name:?} {problem}"), Some(help));
        }
        problem.is_none().then(|| Redacted::new(verifier.value))
    });
    let roles: Vec<Role> = table
        .texts("roles", findings)
        .into_iter()
        .filter(|role| known_roles.check("role", &role.value, &role.place, findings))
        .map(|role| Role::new(&role.value))
        .collect();
    let tenant = table.text("tenant", findings).map(|tenant| TenantId::new(&tenant.value));
    let attributes = table.item("attributes").map(|item| attributes(item, name, findings)).unwrap_or_default();
    User { id: UserId::new(name), verifier, roles, tenant, attributes }
}

fn attributes(item: Item<'_>, name: &str, findings: &mut Findings) -> UserAttributes {
    let keys = ["businessUnit", "department", "clearance", "country", "mfa_verified"];
    let what = format!("the attributes of user {name:?}");
    let Some(table) = Table::open(item, &what, &keys, findings) else { return UserAttributes::default() };
    let mut text = |key| table.text(key, findings).map(|text| text.value);
    let (business_unit, department, country) = (text("businessUnit"), text("department"), text("country"));
    UserAttributes {
        business_unit,
        department,
        clearance: table.word("clearance", &CLASSIFICATIONS, findings),
        country,
        mfa_verified: table.boolean("mfa_verified", findings).unwrap_or(false),
    }
}

/// What is wrong with a SCRAM-SHA-256 verifier; `None` if nothing is. Never repeats any of it.
fn verifier_problem(verifier: &str) -> Option<&'static str> {
    let Some(rest) = verifier.strip_prefix("SCRAM-SHA-256$") else {
        return Some("is no SCRAM-SHA-256 verifier; a password itself must never stand in the catalog");
    };
    let shape = || {
        let (head, keys) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        Some((iterations, salt, stored, server))
    };
    let Some((iterations, salt, stored, server)) = shape() else {
        return Some("is no whole verifier: SCRAM-SHA-256$iterations:salt$stored:server");
    };
    match iterations.parse::<u32>() {
        Ok(FEWEST_ITERATIONS..=MOST_ITERATIONS) => {}
        Ok(_) => return Some("has too few or too many iterations: from 4096 to 1000000"),
        Err(_) => return Some("has iterations that are no number"),
    }
    let bytes = |text: &str| STANDARD.decode(text).ok();
    if bytes(salt).is_none_or(|salt| salt.len() < 8) {
        return Some("has a salt that is no base64 of 8 bytes or more");
    }
    let is_key = |text: &str| bytes(text).is_some_and(|key| key.len() == 32);
    if is_key(stored) && is_key(server) { None } else { Some("has a key that is no base64 of 32 bytes") }
}
