//! What a catalog knows, and what `input` holds.

use crate::catalog::CatalogSnapshot;
use crate::policy::rego::Part;
use std::collections::BTreeSet;

/// Every word of a catalog that a policy may name.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) datasets: BTreeSet<String>,
    pub(super) columns: BTreeSet<String>,
    pub(super) tags: BTreeSet<String>,
    pub(super) domains: BTreeSet<String>,
    roles: BTreeSet<String>,
    business_units: BTreeSet<String>,
    workspaces: BTreeSet<String>,
    tiers: BTreeSet<String>,
    classifications: BTreeSet<String>,
    workspace_types: BTreeSet<String>,
}

/// One kind of word.
pub(super) struct Kind<'a> {
    /// `dataset`, `role` …
    pub(super) noun: &'static str,
    pub(super) words: &'a BTreeSet<String>,
    /// Whether another word is certainly a mistake. A business unit or a workspace may come later.
    pub(super) closed: bool,
}

impl Words {
    pub(super) fn of(catalog: &CatalogSnapshot) -> Self {
        let datasets = || catalog.datasets.values();
        let fixed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        let mut tags: BTreeSet<String> = catalog.tags.keys().map(ToString::to_string).collect();
        tags.extend(datasets().flat_map(|dataset| dataset.tags()).map(|tag| tag.to_string()));
        let mut roles: BTreeSet<String> =
            fixed(&["ANALYST", "AUDITOR", "DATA_SCIENTIST", "ENGINEER", "WORKSPACE_OWNER"]);
        roles.extend(catalog.roles.iter().flat_map(|(role, all)| all.iter().chain([role])).map(ToString::to_string));
        roles.extend(catalog.users.values().flat_map(|user| user.roles.iter().map(ToString::to_string)));
        let mut business_units: BTreeSet<String> = datasets().filter_map(|d| d.owner_business_unit.clone()).collect();
        business_units.extend(catalog.users.values().filter_map(|user| user.attributes.business_unit.clone()));
        Self {
            datasets: catalog.datasets.keys().map(ToString::to_string).collect(),
            columns: datasets().flat_map(|d| d.columns.iter().map(|column| column.name.clone())).collect(),
            tags,
            domains: datasets().filter_map(|dataset| dataset.domain.clone()).collect(),
            roles,
            business_units,
            workspaces: catalog.workspaces.keys().map(ToString::to_string).collect(),
            tiers: fixed(&["RAW", "CURATED", "ANONYMIZED", "SYNTHETIC"]),
            classifications: fixed(&["PUBLIC", "INTERNAL", "PROPRIETARY"]),
            workspace_types: fixed(&[
                "AD_HOC",
                "RECURRING_REPORT",
                "MODEL_DEVELOPMENT",
                "AUDIT_INVESTIGATION",
                "SHARED_ANALYSIS",
            ]),
        }
    }

    /// The words that a part of the input can hold, if they are known.
    pub(super) fn at(&self, path: &str) -> Option<Kind<'_>> {
        let (noun, words, closed) = match path.strip_suffix("[_]").unwrap_or(path) {
            "input.dataset.name" | "input.dataset.id" => ("dataset", &self.datasets, true),
            "input.dataset.tier" => ("tier", &self.tiers, true),
            "input.dataset.classification" | "input.user.clearance" => ("classification", &self.classifications, true),
            "input.dataset.columns[_].classification" => ("classification", &self.classifications, true),
            "input.dataset.tags" | "input.dataset.columns[_].tags" => ("tag", &self.tags, true),
            "input.dataset.columns[_].name" | "input.statement.columns_used" => ("column", &self.columns, true),
            "input.dataset.domain" => ("domain", &self.domains, false),
            "input.dataset.ownerBusinessUnit" => ("business unit", &self.business_units, false),
            "input.user.businessUnit" => ("business unit", &self.business_units, false),
            "input.user.roles" => ("role", &self.roles, true),
            "input.workspace.type" => ("type of workspace", &self.workspace_types, true),
            "input.workspace.id" => ("workspace", &self.workspaces, false),
            _ => return None,
        };
        Some(Kind { noun, words, closed })
    }
}

/// What a part of the input is.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Scalar,
    Scalars,
    Object(&'static [(&'static str, Shape)]),
    Objects(&'static [(&'static str, Shape)]),
}

use Shape::{Object, Objects, Scalar, Scalars};

const COLUMN: &[(&str, Shape)] =
    &[("name", Scalar), ("type", Scalar), ("classification", Scalar), ("tags", Scalars), ("mask", Scalar)];

const INPUT: &[(&str, Shape)] = &[
    ("action", Scalar),
    ("purpose", Scalar),
    (
        "user",
        Object(&[
            ("id", Scalar),
            ("roles", Scalars),
            ("tenant", Scalar),
            ("businessUnit", Scalar),
            ("department", Scalar),
            ("clearance", Scalar),
            ("country", Scalar),
            ("mfa_verified", Scalar),
            ("activeWorkspaces", Scalars),
            (
                "approvals",
                Objects(&[
                    ("type", Scalar),
                    ("status", Scalar),
                    ("datasetId", Scalar),
                    ("exportId", Scalar),
                    ("expiresAt", Scalar),
                ]),
            ),
        ]),
    ),
    ("workspace", Object(&[("id", Scalar), ("type", Scalar), ("status", Scalar), ("owner", Scalar)])),
    (
        "dataset",
        Object(&[
            ("id", Scalar),
            ("name", Scalar),
            ("tier", Scalar),
            ("classification", Scalar),
            ("tags", Scalars),
            ("domain", Scalar),
            ("ownerBusinessUnit", Scalar),
            ("residency", Scalars),
            ("columns", Objects(COLUMN)),
        ]),
    ),
    ("statement", Object(&[("kind", Scalar), ("columns_used", Scalars), ("is_aggregate", Scalar)])),
    (
        "export",
        Object(&[
            ("id", Scalar),
            ("rowCount", Scalar),
            ("byteSize", Scalar),
            ("format", Scalar),
            ("destination", Scalar),
            ("columns", Objects(COLUMN)),
        ]),
    ),
    (
        "environment",
        Object(&[
            ("name", Scalar),
            ("region", Scalar),
            ("network_zone", Scalar),
            ("client_ip", Scalar),
            ("tls", Scalar),
            ("application_name", Scalar),
        ]),
    ),
];

/// Follows a reference into the input. `Err`: the name that is not there, and those that are.
pub(super) fn follow(parts: &[Part]) -> Result<Shape, (String, Vec<&'static str>)> {
    let mut shape = Object(INPUT);
    for part in parts.iter().skip(1) {
        shape = match (shape, part) {
            (Object(fields), Part::Name(name)) => match fields.iter().find(|(field, _)| field == name) {
                Some((_, shape)) => *shape,
                None => return Err((name.clone(), fields.iter().map(|(field, _)| *field).collect())),
            },
            // `input.user[field]` could be any of them.
            (Object(_), Part::Any) => return Ok(Scalar),
            (Objects(fields), Part::Any) => Object(fields),
            (Scalars, Part::Any) => Scalar,
            (Objects(_) | Scalars | Scalar, Part::Name(name)) => return Err((name.clone(), Vec::new())),
            (Scalar, Part::Any) => return Ok(Scalar),
        };
    }
    Ok(shape)
}
