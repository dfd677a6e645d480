//! The way of a statement through the pure core: resolve, decide, rewrite, verify.
//!
//! A pure function of the statement, a catalog snapshot, a policy bundle and the facts of the moment. It runs nothing.
//! INVARIANT: what it gives is decided for just this principal, workspace, purpose and time; nothing is remembered here.

use crate::catalog::{CatalogSnapshot, Dataset, DatasetLocation, Principal, SystemRelations, Workspace};
use crate::decision::{Decision, DenyReason, Limits, Mask, Obligations};
use crate::error::{ErrorReport, SqlState};
use crate::govern::{
    GovernContext, GovernError, GovernedStatement, NotWritten, RelationTarget, ResolveContext, ResolveError,
    ResolveFault, ResolvedStatement, as_write, govern, meant, resolve, undiscoverable, verify,
};
use crate::policy::{AccessRequest, Action, Approval, Environment, PolicyBundle, StatementFacts};
use crate::sql::{Write, on_deep_stack};
use crate::types::{DatasetName, DecisionId};
use sqlparser::ast::Query;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The facts that a decision is made of, besides the statement.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Names the decision in errors and records.
    pub decision: &'a DecisionId,
    /// The catalog that serves.
    pub catalog: &'a CatalogSnapshot,
    /// The policies that serve.
    pub policies: &'a PolicyBundle,
    /// Relations that the gateway itself serves.
    pub system: &'a SystemRelations,
    /// Who.
    pub principal: &'a Principal,
    /// Where.
    pub workspace: &'a Workspace,
    /// From where.
    pub environment: &'a Environment,
    /// Why.
    pub purpose: Option<&'a str>,
    /// What has been approved for the user.
    pub approvals: &'a [Approval],
    /// Schemas for plain names.
    pub search_path: &'a [String],
    /// Nanoseconds since 1970 UTC.
    pub now_ns: i64,
    /// `SELECT`, `COPY`, `EXPLAIN` …
    pub kind: &'static str,
}

/// A statement that may run, and the decisions that it runs under.
#[derive(Debug)]
pub struct GovernedOutcome {
    /// The statement.
    pub statement: Arc<GovernedStatement>,
    /// What was decided for each dataset.
    pub decisions: BTreeMap<DatasetName, Obligations>,
    /// The columns that are used of each dataset.
    pub columns: BTreeMap<DatasetName, BTreeSet<String>>,
    /// The functions that are called.
    pub functions: BTreeSet<String>,
    /// Whether a system relation is read.
    pub reads_metadata: bool,
    /// The smallest of all limits that the decisions set.
    pub limits: Limits,
    /// The dataset that is written.
    pub writes: Option<DatasetName>,
}

/// Why a statement may not run.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// It names what is not there, or is not understood.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A decision denies it.
    #[error("denied")]
    Denied(Box<Denial>),
    /// The rewriter refuses it.
    #[error(transparent)]
    Govern(#[from] GovernError),
    /// What came out could not be proved to be governed.
    #[error("verification failed")]
    Verify(verify::VerifyError),
}

/// A denial, with what its reader may be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// The decision's reasons.
    pub reason: DenyReason,
    /// Somebody could approve it.
    pub needs_approval: bool,
    /// Changes to the statement with which the same policies would allow it, as sentences.
    pub ways_out: Vec<String>,
    /// Whom to ask.
    pub steward: Option<String>,
}

/// Governs one statement.
///
/// # Errors
/// [`PipelineError`]: nothing may run.
pub fn govern_statement(query: &Query, question: &Question<'_>) -> Result<GovernedOutcome, PipelineError> {
    on_deep_stack(|| govern_on_this_stack(query, None, question))
}

/// Governs a statement that writes: what it reads as a query, and its target by a decision of its own.
///
/// # Errors
/// [`PipelineError`]: nothing may run.
pub fn govern_write(write: &Write, question: &Question<'_>) -> Result<GovernedOutcome, PipelineError> {
    on_deep_stack(|| govern_on_this_stack(&write.query, Some(write), question))
}

fn govern_on_this_stack(
    query: &Query,
    write: Option<&Write>,
    question: &Question<'_>,
) -> Result<GovernedOutcome, PipelineError> {
    let nothing_denied = BTreeMap::new();
    // First of all: what does not exist for this principal. No later step, and no error of one, can know of it then.
    let hidden = hidden_datasets(query, question);
    let resolved = resolve(query, &context(question, &nothing_denied, &hidden))
        .map_err(|error| unresolved(error, query, hidden.clone(), question))?;
    let mut decisions = decide(query, &resolved, question)?;
    let writes = match write {
        Some(_) => Some(decide_write(&resolved, &mut decisions, question)?),
        None => None,
    };
    let denied = denied_columns(&decisions);
    // Denied columns are left out of `*`, NATURAL and whole rows; naming one is an error.
    let resolved = if denied.values().all(BTreeSet::is_empty) {
        resolved
    } else {
        resolve(query, &context(question, &denied, &hidden))
            .map_err(|error| denied_column(error, &decisions, question))?
    };
    let datasets = resolved.datasets();
    let columns = datasets.keys().map(|name| (name.clone(), resolved.columns_used(name))).collect();
    let functions = resolved.functions().clone();
    let reads_metadata = resolved.relations().len() > resolved_dataset_count(&resolved);
    let limits = decisions.values().fold(Limits::default(), |limits, decided| limits.and(decided.limits));
    let statement = govern(resolved, &decisions, &govern_context(question))?;
    verify::verify_tree(&statement).map_err(PipelineError::Verify)?;
    verify::verify_obligations(&statement, &decisions).map_err(PipelineError::Verify)?;
    let statement = match write {
        Some(write) => as_write(statement, write)?,
        None => statement,
    };
    let statement = Arc::new(statement);
    Ok(GovernedOutcome { statement, decisions, columns, functions, reads_metadata, limits, writes })
}

/// Decides on a dataset as a whole, for metadata: which of its columns would be seen, and how.
pub fn decide_dataset(dataset: &Arc<Dataset>, question: &Question<'_>) -> Decision {
    let facts = StatementFacts { kind: question.kind, columns_used: BTreeSet::new(), is_aggregate: false };
    question.policies.decide(&request(dataset, &facts, question))
}

/// Why a query that can't be resolved is refused, in the words of what its user may know.
///
/// A wrong name is told with what is near it, and whether a name is wrong at all depends on what a dataset holds: neither
/// is for those who may not read it. So the query is read again as if closed datasets and denied columns were not there.
/// What is then missing is a dataset that the user meant: that is a denial. Any other error speaks of visible names alone.
fn unresolved(
    error: ResolveError,
    query: &Query,
    mut invisible: BTreeSet<DatasetName>,
    question: &Question<'_>,
) -> PipelineError {
    // A relation that is not there at all says nothing of what others hold.
    if matches!(error.fault, ResolveFault::UndefinedRelation { .. }) {
        return error.into();
    }
    let (mut closed, mut open) = (BTreeMap::new(), BTreeMap::new());
    let meant = meant(query, question.catalog);
    let here = meant.iter().filter(|name| question.workspace.holds(name));
    for dataset in here.filter_map(|name| question.catalog.dataset(name)) {
        let (reason, needs_approval) = match decide_dataset(dataset, question) {
            Decision::Allow(obligations) => {
                open.insert(dataset.name.clone(), obligations);
                continue;
            }
            Decision::RequireApproval(reason) => (reason, true),
            Decision::Deny(reason) => (reason, false),
        };
        let denial = Denial { reason, needs_approval, ways_out: Vec::new(), steward: dataset.steward.clone() };
        if invisible.insert(dataset.name.clone()) {
            closed.insert(dataset.name.clone(), denial);
        }
    }
    let denied = denied_columns(&open);
    if closed.is_empty() && denied.values().all(BTreeSet::is_empty) {
        return error.into();
    }
    let Err(visible) = resolve(query, &context(question, &denied, &invisible)) else { return error.into() };
    let missing = match &visible.fault {
        ResolveFault::UndefinedRelation { name, .. } => {
            let means = |dataset: &DatasetName| name == dataset.name() || *name == dataset.to_string();
            closed.into_iter().find(|(dataset, _)| means(dataset))
        }
        _ => None,
    };
    match missing {
        Some((_, denial)) => PipelineError::Denied(Box::new(denial)),
        None => denied_column(visible, &open, question),
    }
}

/// The datasets that a query might name and that do not exist for those without access, as this principal is.
fn hidden_datasets(query: &Query, question: &Question<'_>) -> BTreeSet<DatasetName> {
    let is_hidden = |name: &DatasetName| {
        question
            .catalog
            .dataset(name)
            .is_some_and(|dataset| !matches!(decide_dataset(dataset, question), Decision::Allow(_)))
    };
    undiscoverable(query, question.catalog).into_iter().filter(is_hidden).collect()
}

fn resolved_dataset_count(resolved: &ResolvedStatement) -> usize {
    resolved.relations().iter().filter(|relation| matches!(relation.target, RelationTarget::Dataset(_))).count()
}

fn context<'a>(
    question: &Question<'a>,
    denied: &'a BTreeMap<DatasetName, BTreeSet<String>>,
    invisible: &'a BTreeSet<DatasetName>,
) -> ResolveContext<'a> {
    ResolveContext {
        catalog: question.catalog,
        workspace: question.workspace,
        system: question.system,
        search_path: question.search_path,
        database: question.workspace.name.as_str(),
        denied,
        invisible,
    }
}

fn govern_context<'a>(question: &Question<'a>) -> GovernContext<'a> {
    GovernContext { catalog: question.catalog }
}

fn request<'a>(dataset: &'a Arc<Dataset>, statement: &'a StatementFacts, question: &Question<'a>) -> AccessRequest<'a> {
    AccessRequest {
        principal: question.principal,
        workspace: question.workspace,
        action: Action::Query,
        dataset,
        tags: &question.catalog.tags,
        statement,
        environment: question.environment,
        purpose: question.purpose,
        approvals: question.approvals,
        now_ns: question.now_ns,
    }
}

/// One decision for each dataset. The first denial ends it; a hidden dataset is then as absent as one that never was.
fn decide(
    query: &Query,
    resolved: &ResolvedStatement,
    question: &Question<'_>,
) -> Result<BTreeMap<DatasetName, Obligations>, PipelineError> {
    let mut decisions = BTreeMap::new();
    let mut denial = None;
    let mut hidden = BTreeSet::new();
    for (name, dataset) in resolved.datasets() {
        let facts = StatementFacts {
            kind: question.kind,
            columns_used: resolved.columns_used(&name),
            is_aggregate: resolved.is_aggregate(),
        };
        let (reason, needs_approval) = match question.policies.decide(&request(&dataset, &facts, question)) {
            Decision::Allow(mut obligations) => {
                // A workspace's floor holds for all that is read in it; its other limits are the statement's.
                let floor = question.workspace.limits.statement.min_group_size;
                obligations.limits.min_group_size = obligations.limits.min_group_size.max(floor);
                decisions.insert(name, obligations);
                continue;
            }
            Decision::RequireApproval(reason) => (reason, true),
            Decision::Deny(reason) => (reason, false),
        };
        if reason.hidden {
            hidden.insert(name);
        } else if denial.is_none() {
            let ways_out = if reason.unavailable { Vec::new() } else { ways_out(&dataset, &facts, question) };
            denial = Some(Denial { reason, needs_approval, ways_out, steward: dataset.steward.clone() });
        }
    }
    if !hidden.is_empty() {
        // Said before any other denial: the statement fails as it would if the dataset had never existed.
        return match resolve(query, &context(question, &BTreeMap::new(), &hidden)) {
            Err(error) => Err(error.into()),
            Ok(_) => Err(PipelineError::Govern(GovernError::Broken("a hidden dataset was resolved"))),
        };
    }
    match denial {
        Some(denial) => Err(PipelineError::Denied(Box::new(denial))),
        None => Ok(decisions),
    }
}

/// The decision about the target of a statement that writes, which has been allowed to be read. What holds for reading it
/// holds for writing too: each decision can only narrow the other.
fn decide_write(
    resolved: &ResolvedStatement,
    decisions: &mut BTreeMap<DatasetName, Obligations>,
    question: &Question<'_>,
) -> Result<DatasetName, PipelineError> {
    let dataset = match resolved.relations().first().map(|relation| &relation.target) {
        Some(RelationTarget::Dataset(dataset)) => dataset,
        Some(RelationTarget::System(name)) => {
            return Err(GovernError::NotWritten { relation: name.clone(), why: NotWritten::System }.into());
        }
        None => return Err(GovernError::Broken("a statement that writes nothing").into()),
    };
    let name = dataset.name.clone();
    if matches!(dataset.location, DatasetLocation::Files { .. }) {
        return Err(GovernError::NotWritten { relation: name, why: NotWritten::Files }.into());
    }
    let facts = StatementFacts {
        kind: question.kind,
        columns_used: resolved.columns_used(&name),
        is_aggregate: resolved.is_aggregate(),
    };
    let asked = AccessRequest { action: Action::Write, ..request(dataset, &facts, question) };
    let (reason, needs_approval) = match question.policies.decide(&asked) {
        Decision::Allow(granted) => {
            let read = decisions.get_mut(&name).ok_or_else(|| GovernError::Undecided(name.clone()))?;
            for filter in granted.row_filters {
                if !read.row_filters.contains(&filter) {
                    read.row_filters.push(filter);
                }
            }
            read.filter_required |= granted.filter_required;
            read.limits = read.limits.and(granted.limits);
            for (column, mask) in granted.column_masks {
                let stricter = mask.mask == Mask::Deny || !read.column_masks.contains_key(&column);
                if stricter {
                    read.column_masks.insert(column, mask);
                }
            }
            for policy in granted.policies {
                if !read.policies.contains(&policy) {
                    read.policies.push(policy);
                }
            }
            return Ok(name);
        }
        Decision::RequireApproval(reason) => (reason, true),
        Decision::Deny(reason) => (reason, false),
    };
    // It may be read, so it is no secret.
    let reason = DenyReason { hidden: false, ..reason };
    let steward = dataset.steward.clone();
    Err(PipelineError::Denied(Box::new(Denial { reason, needs_approval, ways_out: Vec::new(), steward })))
}

/// Small changes to the statement that the same policies would allow: leaving one column out, leaving all tagged columns
/// out, aggregating.
fn ways_out(dataset: &Arc<Dataset>, facts: &StatementFacts, question: &Question<'_>) -> Vec<String> {
    let allowed = |facts: &StatementFacts| {
        matches!(question.policies.decide(&request(dataset, facts, question)), Decision::Allow(_))
    };
    let mut ways = Vec::new();
    let without = |left_out: &BTreeSet<String>| StatementFacts {
        columns_used: facts.columns_used.difference(left_out).cloned().collect(),
        ..facts.clone()
    };
    let one = facts.columns_used.iter().find(|column| allowed(&without(&BTreeSet::from([(*column).clone()]))));
    let tagged = || -> BTreeSet<String> {
        let is_tagged = |name: &&String| dataset.column(name).is_some_and(|column| !column.tags.is_empty());
        facts.columns_used.iter().filter(is_tagged).cloned().collect()
    };
    match one {
        Some(column) => ways.push(format!("Leave column {column} out.")),
        None => {
            let tagged = tagged();
            if !tagged.is_empty() && allowed(&without(&tagged)) {
                ways.push(format!("Leave columns {} out.", Vec::from_iter(tagged).join(", ")));
            }
        }
    }
    if !facts.is_aggregate && allowed(&StatementFacts { is_aggregate: true, ..facts.clone() }) {
        ways.push("Aggregate: count, sum or avg, with GROUP BY.".to_owned());
    }
    ways
}

fn denied_columns(decisions: &BTreeMap<DatasetName, Obligations>) -> BTreeMap<DatasetName, BTreeSet<String>> {
    decisions
        .iter()
        .map(|(name, decided)| {
            let denied = decided.column_masks.iter().filter(|(_, column)| column.mask == Mask::Deny);
            (name.clone(), denied.map(|(column, _)| column.clone()).collect())
        })
        .collect()
}

/// A denied column that was named: the denial of the policy that denies it.
fn denied_column(
    error: ResolveError,
    decisions: &BTreeMap<DatasetName, Obligations>,
    question: &Question<'_>,
) -> PipelineError {
    use crate::decision::{MaskOrigin, PolicyRef};
    let ResolveFault::DeniedColumn { dataset, column } = &error.fault else { return error.into() };
    let found = question.catalog.dataset(dataset);
    let origin = decisions.get(dataset).and_then(|decided| decided.column_masks.get(column)).map(|mask| &mask.origin);
    let policies = match origin {
        Some(MaskOrigin::Policy(policy)) => vec![policy.clone()],
        Some(MaskOrigin::Tag(tag)) => vec![PolicyRef::package(format!("tag {tag}"))],
        None => Vec::new(),
    };
    PipelineError::Denied(Box::new(Denial {
        reason: DenyReason {
            decision: question.decision.clone(),
            dataset: dataset.clone(),
            columns: vec![column.clone()],
            classification: found.and_then(|dataset| dataset.column(column)).map(|column| column.classification),
            policies,
            reasons: Vec::new(),
            alternatives: Vec::new(),
            hidden: false,
            unavailable: false,
        },
        needs_approval: false,
        ways_out: vec![format!("Leave column {column} out; * leaves it out by itself.")],
        steward: found.and_then(|dataset| dataset.steward.clone()),
    }))
}

impl PipelineError {
    /// What the client is told. `decision` names it in the log.
    pub fn report(&self, decision: &DecisionId, text: Option<&str>) -> ErrorReport {
        match self {
            Self::Resolve(error) => match text {
                Some(text) => error.report_in(text),
                None => error.report(),
            },
            Self::Denied(denial) => denial.report(decision),
            Self::Govern(error) => error.report(),
            Self::Verify(_) => {
                ErrorReport::new(SqlState::INTERNAL_ERROR, "the statement could not be verified and was not run")
                    .with_detail(format!("Decision {decision}."))
            }
        }
    }

    /// Whether a policy said no, as against a mistake in the statement or a fault of the gateway.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Denied(denial) => !denial.reason.unavailable,
            Self::Govern(GovernError::GroupSize { .. } | GovernError::NotWritable { .. }) => true,
            Self::Resolve(_) | Self::Govern(_) | Self::Verify(_) => false,
        }
    }
}

impl Denial {
    /// What the client is told: what blocks, why, whose rule it is, what to do instead.
    pub fn report(&self, decision: &DecisionId) -> ErrorReport {
        let reason = &self.reason;
        if reason.unavailable {
            return ErrorReport::new(
                SqlState::SYSTEM_ERROR,
                format!("no decision could be made for table \"{}\"", reason.dataset.name()),
            )
            .with_detail(format!("A policy failed, so nothing was run. Decision {decision}."))
            .with_hint("Try again; if it stays so, tell the gateway's operator the decision's name.");
        }
        let message = match reason.columns.as_slice() {
            [] => format!("permission denied for table \"{}\"", reason.dataset.name()),
            [column] => format!("permission denied for column \"{column}\" of table \"{}\"", reason.dataset.name()),
            many => format!("permission denied for columns {} of table \"{}\"", many.join(", "), reason.dataset.name()),
        };
        let mut why = Vec::new();
        if let Some(policy) = reason.policies.first() {
            let owner = policy.owner.as_ref().map(|owner| format!(", owned by {owner},")).unwrap_or_default();
            let what = reason.classification.map(|of| format!(" {of} data of")).unwrap_or_default();
            why.push(format!("Policy {}{owner} denies{what} {}.", policy.label(), reason.dataset));
        }
        why.extend(reason.reasons.iter().map(|text| sentence(text)));
        why.push(format!("Decision {decision}."));
        let mut what_to_do: Vec<String> = reason.alternatives.iter().map(|text| sentence(text)).collect();
        what_to_do.extend(self.ways_out.iter().cloned());
        let ask = if self.needs_approval { "Ask for an approval" } else { "Ask for an exception" };
        what_to_do.push(match &self.steward {
            Some(steward) => format!("{ask}: {steward} is the steward of {}.", reason.dataset),
            None => format!("{ask} from the owner of the policy."),
        });
        ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
            .with_detail(why.join(" "))
            .with_hint(what_to_do.join(" "))
    }
}

/// A policy author's text as a sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let ends = text.ends_with(['.', '!', '?']);
    let mut characters = text.chars();
    let capital: String = match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    };
    if ends { capital } else { format!("{capital}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_says_what_why_whose_and_what_else() {
        use crate::decision::PolicyRef;
        let denial = Denial {
            reason: DenyReason {
                decision: "d-1".into(),
                dataset: DatasetName::new("public", "payroll"),
                columns: Vec::new(),
                classification: Some(crate::types::Classification::Proprietary),
                policies: vec![PolicyRef {
                    package: "analytics.data_access".into(),
                    id: Some("P-2024-001".into()),
                    title: Some("PII export".into()),
                    owner: Some("steward@example.com".into()),
                }],
                reasons: vec!["raw data needs an approval".into()],
                alternatives: vec!["use public.payroll_by_team".into()],
                hidden: false,
                unavailable: false,
            },
            needs_approval: false,
            ways_out: vec!["Leave column salary out.".into()],
            steward: Some("sam@example.com".into()),
        };
        let report = denial.report(&"d-1".into());
        assert_eq!(report.sqlstate, SqlState::INSUFFICIENT_PRIVILEGE);
        assert_eq!(report.message, "permission denied for table \"payroll\"");
        assert_eq!(
            report.detail.unwrap(),
            "Policy P-2024-001 (PII export), owned by steward@example.com, denies PROPRIETARY data of public.payroll. \
             Raw data needs an approval. Decision d-1."
        );
        assert_eq!(
            report.hint.unwrap(),
            "Use public.payroll_by_team. Leave column salary out. \
             Ask for an exception: sam@example.com is the steward of public.payroll."
        );
    }
}
