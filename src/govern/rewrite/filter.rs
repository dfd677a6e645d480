//! Row filters and expression masks: from a policy's text to a tree, with parameters bound as literals.

use super::GovernContext;
use crate::catalog::{Dataset, SystemRelations, Workspace, WorkspaceKind, WorkspaceLimits};
use crate::decision::{Limits, ParamValue};
use crate::govern::error::GovernError;
use crate::govern::resolve::{PolicyExpression, ResolveContext, resolve_policy_expression};
use crate::sql::read_expression;
use crate::types::WorkspaceName;
use sqlparser::ast::{Expr, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The raw relations that a dataset's filters and masks read, as they are found.
pub(super) struct Raw<'a> {
    pub(super) context: &'a GovernContext<'a>,
    pub(super) dataset: &'a Dataset,
    pub(super) relations: BTreeMap<String, Arc<Dataset>>,
}

/// Reads an expression that a policy wrote.
///
/// # Errors
/// [`GovernError::Policy`]: whatever is wrong with it is the policy's fault, not the user's.
pub(super) fn policy_expression(
    text: &str,
    params: &BTreeMap<String, ParamValue>,
    policy: &str,
    raw: &mut Raw<'_>,
) -> Result<Expr, GovernError> {
    let fault =
        |problem: String| GovernError::Policy { policy: policy.to_owned(), dataset: raw.dataset.name.clone(), problem };
    let parsed = parse(text).map_err(fault)?;
    let search_path = ["public".to_owned()];
    let everywhere = no_workspace();
    let (system, denied, invisible) = (SystemRelations::default(), BTreeMap::new(), BTreeSet::new());
    let context = ResolveContext {
        catalog: raw.context.catalog,
        workspace: &everywhere,
        system: &system,
        search_path: &search_path,
        database: "",
        denied: &denied,
        invisible: &invisible,
    };
    let expression = PolicyExpression { dataset: raw.dataset, expr: &parsed, params, first_raw: raw.relations.len() };
    let (expr, relations) =
        resolve_policy_expression(&expression, &context).map_err(|error| fault(error.to_string()))?;
    raw.relations.extend(relations);
    Ok(expr)
}

/// A workspace that hides nothing: policies read the catalog, whoever asks and wherever.
fn no_workspace() -> Workspace {
    Workspace {
        name: WorkspaceName::new(""),
        kind: WorkspaceKind::AdHoc,
        owner: None,
        members: BTreeSet::new(),
        member_roles: BTreeSet::new(),
        datasets: BTreeSet::new(),
        limits: WorkspaceLimits {
            statement: Limits::default(),
            concurrent_statements: 0,
            statements_a_day: 0,
            engine_memory: 0,
        },
    }
}

/// One expression and nothing after it.
fn parse(text: &str) -> Result<Expr, String> {
    const LONGEST: usize = 16 << 10;
    if text.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    read_expression(text)
}

/// No row at all.
pub(super) fn false_expr() -> Expr {
    Expr::Value(Value::Boolean(false).into())
}
