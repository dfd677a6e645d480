//! From what the packages said to one decision: the strictest of everything.
//!
//! The corporate package decides; a domain's package can only narrow. Tags mask unless a policy unmasks; a policy's own
//! `column_masks` stand whatever anybody unmasks.

use super::answer::{Filter, PackageAnswer, Reason};
use super::cache::implied;
use super::request::{AccessRequest, Action};
use crate::catalog::Column;
use crate::decision::{ColumnMask, Decision, DenyReason, Mask, MaskOrigin, Obligations, PolicyRef, RowFilter};
use crate::types::{Classification, DecisionId};
use std::collections::{BTreeMap, BTreeSet};

/// A package that was asked, and what it said.
#[derive(Debug)]
pub(super) struct Spoken<'a> {
    pub(super) package: &'a str,
    pub(super) answer: PackageAnswer,
    /// Whether its `allow` must be true. A domain's package that defines no `allow` leaves that to the corporate one.
    pub(super) must_allow: bool,
}

impl Spoken<'_> {
    fn denies(&self, action: Action) -> bool {
        (self.must_allow && self.answer.allow != Some(true)) || !self.grants(action)
    }

    /// Writing is allowed only where the corporate package says so in a rule of its own: `allow` alone, which was written
    /// with reading in mind, allows nothing else. A domain's package may say nothing of it.
    fn grants(&self, action: Action) -> bool {
        match (action, &self.answer.actions) {
            (Action::Query, _) => true,
            (Action::Write, Some(actions)) => actions.contains(action.word()),
            (Action::Write, None) => self.package != super::bundle::DATA_ACCESS,
        }
    }

    fn policy(&self, id: Option<&str>) -> PolicyRef {
        self.answer.policy(self.package, id)
    }
}

/// The decision that follows from the answers, the corporate package's first.
pub(super) fn decide(request: &AccessRequest<'_>, spoken: &[Spoken<'_>], id: DecisionId) -> Decision {
    let denying: Vec<&Spoken<'_>> = spoken.iter().filter(|one| one.denies(request.action)).collect();
    if spoken.is_empty() || !denying.is_empty() {
        return denied(request, &denying, id);
    }
    match column_masks(request, spoken) {
        Ok(column_masks) => Decision::Allow(Obligations {
            row_filters: row_filters(request, spoken),
            filter_required: request.dataset.row_filter_required,
            column_masks,
            limits: spoken.iter().map(|one| one.answer.limits).fold(Default::default(), crate::decision::Limits::and),
            policies: spoken.iter().flat_map(|one| one.answer.policies(one.package)).collect(),
        }),
        Err(conflict) => Decision::Deny(conflict.into_reason(request, id)),
    }
}

/// A denial that is the gate's own fault, such as a policy that raised an error.
pub(super) fn unavailable(request: &AccessRequest<'_>, package: &str, why: String, id: DecisionId) -> Decision {
    Decision::Deny(DenyReason {
        policies: vec![PolicyRef::package(package)],
        reasons: vec![why],
        unavailable: true,
        ..blank(request, id)
    })
}

fn blank(request: &AccessRequest<'_>, decision: DecisionId) -> DenyReason {
    DenyReason {
        decision,
        dataset: request.dataset.name.clone(),
        columns: Vec::new(),
        classification: None,
        policies: Vec::new(),
        reasons: Vec::new(),
        alternatives: Vec::new(),
        hidden: !request.dataset.discoverable,
        unavailable: false,
    }
}

fn denied(request: &AccessRequest<'_>, denying: &[&Spoken<'_>], id: DecisionId) -> Decision {
    let mut reasons = BTreeSet::new();
    let mut columns = BTreeSet::new();
    let mut policies: Vec<PolicyRef> = Vec::new();
    let mut alternatives: Vec<String> = Vec::new();
    for one in denying {
        let used = |column: &&String| request.statement.columns_used.contains(*column);
        reasons.extend(one.answer.reasons.iter().map(|reason| reason.message.clone()));
        columns.extend(one.answer.reasons.iter().flat_map(|reason| reason.columns.iter().filter(used).cloned()));
        for policy in denying_policies(one) {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        for alternative in &one.answer.alternatives {
            if !alternatives.contains(alternative) {
                alternatives.push(alternative.clone());
            }
        }
    }
    if reasons.is_empty() {
        reasons.insert(match request.action {
            Action::Query => "No policy allows this.".to_owned(),
            Action::Write => "No policy allows writing to it.".to_owned(),
        });
    }
    // It is the columns only if nothing but columns was named.
    let all_name_columns =
        denying.iter().flat_map(|one| &one.answer.reasons).all(|reason: &Reason| !reason.columns.is_empty());
    let columns: Vec<String> = if all_name_columns { columns.into_iter().collect() } else { Vec::new() };
    let reason = DenyReason {
        classification: most_restrictive(request, &columns),
        columns,
        policies,
        reasons: reasons.into_iter().collect(),
        alternatives,
        ..blank(request, id)
    };
    let approval_would_do = !denying.is_empty() && denying.iter().all(|one| !one.answer.requires_approval.is_empty());
    if approval_would_do { Decision::RequireApproval(reason) } else { Decision::Deny(reason) }
}

/// The policies that the reasons name; if they name none, all that the package's metadata describes.
fn denying_policies(one: &Spoken<'_>) -> Vec<PolicyRef> {
    let named: BTreeSet<&str> = one.answer.reasons.iter().filter_map(|reason| reason.policy.as_deref()).collect();
    if named.is_empty() {
        return one.answer.policies(one.package);
    }
    named.into_iter().map(|id| one.policy(Some(id))).collect()
}

fn most_restrictive(request: &AccessRequest<'_>, columns: &[String]) -> Option<Classification> {
    columns.iter().filter_map(|name| request.dataset.column(name)).map(|column| column.classification).max()
}

fn row_filters(request: &AccessRequest<'_>, spoken: &[Spoken<'_>]) -> Vec<RowFilter> {
    let applies = |filter: &&Filter| filter.for_columns.iter().all(|column| request.dataset.column(column).is_some());
    let mut filters: Vec<RowFilter> = Vec::new();
    for one in spoken {
        for filter in one.answer.row_filters.iter().filter(applies) {
            let filter = RowFilter {
                expression: filter.expression.clone(),
                params: filter.params.clone(),
                policy: one.policy(filter.policy.as_deref()),
            };
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
    }
    filters
}

/// Masks that can't be used as they are.
#[derive(Debug)]
enum Conflict {
    /// Two masks for one column, neither stricter.
    Unranked { column: String, masks: [String; 2], policies: Vec<PolicyRef> },
    /// A mask that a column of that type can't have.
    Unsuited { column: String, problem: String, policy: Box<PolicyRef> },
}

impl Conflict {
    fn into_reason(self, request: &AccessRequest<'_>, id: DecisionId) -> DenyReason {
        match self {
            Self::Unranked { column, masks: [one, other], policies } => {
                let labels: Vec<String> = policies.iter().map(PolicyRef::label).collect();
                let reason = format!(
                    "{} disagree about column {column}: neither {one} nor {other} is stricter.",
                    labels.join(" and ")
                );
                DenyReason {
                    classification: most_restrictive(request, std::slice::from_ref(&column)),
                    alternatives: vec![format!("Leave column {column} out.")],
                    columns: vec![column],
                    policies,
                    reasons: vec![reason],
                    ..blank(request, id)
                }
            }
            Self::Unsuited { column, problem, policy } => DenyReason {
                reasons: vec![format!("{} masks column {column}, but {problem}.", policy.label())],
                columns: vec![column],
                policies: vec![*policy],
                unavailable: true,
                ..blank(request, id)
            },
        }
    }
}

/// The mask of each column that has one.
fn column_masks(request: &AccessRequest<'_>, spoken: &[Spoken<'_>]) -> Result<BTreeMap<String, ColumnMask>, Conflict> {
    // Only the corporate package uncovers: what it keeps masked, a domain can't lay bare.
    let unmask: BTreeSet<&str> =
        spoken.first().into_iter().flat_map(|one| one.answer.unmask.iter().map(String::as_str)).collect();
    let mut masks = BTreeMap::new();
    for column in &request.dataset.columns {
        let mut candidates: Vec<ColumnMask> = Vec::new();
        for one in spoken {
            for mask in one.answer.column_masks.get(&column.name).into_iter().flatten() {
                let origin = MaskOrigin::Policy(one.policy(mask.policy.as_deref()));
                candidates.push(ColumnMask { mask: mask.mask.clone(), origin });
            }
        }
        for (tag, mask) in &column.tag_masks {
            let uncovered = unmask.contains(column.name.as_str())
                || implied(request.tags, tag).iter().any(|tag| unmask.contains(tag.as_str()));
            if !uncovered {
                candidates.push(ColumnMask { mask: mask.clone(), origin: MaskOrigin::Tag(tag.to_string()) });
            }
        }
        for candidate in &candidates {
            if let Err(problem) = candidate.mask.suits(&column.sql_type) {
                let (column, problem) = (column.name.clone(), problem.to_string());
                return Err(Conflict::Unsuited { column, problem, policy: Box::new(origin_policy(&candidate.origin)) });
            }
        }
        if let Some(strictest) = strictest(request, column, candidates)? {
            masks.insert(column.name.clone(), strictest);
        }
    }
    Ok(masks)
}

/// The strictest of a column's masks. If it can't be said, the statement is denied if it uses the column; if it does not,
/// the column gets the strictest mask that there is.
fn strictest(
    request: &AccessRequest<'_>,
    column: &Column,
    candidates: Vec<ColumnMask>,
) -> Result<Option<ColumnMask>, Conflict> {
    let beats = |one: &ColumnMask, other: &ColumnMask| one.mask.stricter(&other.mask) == Some(&one.mask);
    if let Some(strictest) = candidates.iter().find(|one| candidates.iter().all(|other| beats(one, other))) {
        return Ok(Some(strictest.clone()));
    }
    let unranked = candidates.iter().enumerate().find_map(|(index, one)| {
        let other = candidates.iter().skip(index + 1).find(|other| one.mask.stricter(&other.mask).is_none())?;
        Some((one, other))
    });
    let Some((one, other)) = unranked else { return Ok(None) };
    if !request.statement.columns_used.contains(&column.name) {
        return Ok(Some(ColumnMask { mask: Mask::Deny, origin: one.origin.clone() }));
    }
    Err(Conflict::Unranked {
        column: column.name.clone(),
        masks: [one.mask.to_string(), other.mask.to_string()],
        policies: vec![origin_policy(&one.origin), origin_policy(&other.origin)],
    })
}

fn origin_policy(origin: &MaskOrigin) -> PolicyRef {
    match origin {
        MaskOrigin::Policy(policy) => policy.clone(),
        MaskOrigin::Tag(tag) => PolicyRef::package(format!("tag {tag}")),
    }
}
