//! Expressions that policies wrote: row filters and expression masks, over the raw columns of one dataset.
//!
//! They are read by the same resolver as statements, with four differences: the dataset's own columns are plain names,
//! other datasets are `__querygate_raw.fN`, all datasets of the same source are visible, and `:name` is a parameter.

use super::{Ctx, Facts, Place, ResolveContext, Resolver, literal};
use crate::catalog::Dataset;
use crate::decision::ParamValue;
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::column_expr;
use crate::govern::resolved::{RelationTarget, RelationUse};
use crate::govern::scope::{Ctes, Namespace, Relation, RelationColumn, Scope};
use sqlparser::ast::{Expr, UnaryOperator, Value, ValueWithSpan};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// What a policy's expression may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct PolicyScope<'a> {
    pub(super) source: &'a str,
    pub(super) params: &'a BTreeMap<String, ParamValue>,
    /// The number of the first `fN`.
    pub(super) first_raw: usize,
    /// The dataset over whose rows it is, if other relations' columns must not have the names of its own.
    pub(super) apart_from: Option<&'a Dataset>,
}

/// A policy's expression, to be resolved.
#[derive(Debug, Clone, Copy)]
pub(in crate::govern) struct PolicyExpression<'a> {
    /// The dataset over whose rows it is.
    pub(in crate::govern) dataset: &'a Dataset,
    /// The tree.
    pub(in crate::govern) expr: &'a Expr,
    /// Values of `:name`.
    pub(in crate::govern) params: &'a BTreeMap<String, ParamValue>,
    /// The number of the first `fN`.
    pub(in crate::govern) first_raw: usize,
}

/// Binds a policy's expression. Gives the tree and the raw relations that it reads, by `fN`.
///
/// # Errors
/// Any fault: the policy can not be applied.
pub(in crate::govern) fn resolve_policy_expression(
    expression: &PolicyExpression<'_>,
    context: &ResolveContext<'_>,
) -> Result<(Expr, BTreeMap<String, Arc<Dataset>>), ResolveError> {
    // Columns of other relations keep their names if they can.
    resolve_apart(expression, context, false).or_else(|_| resolve_apart(expression, context, true))
}

fn resolve_apart(
    expression: &PolicyExpression<'_>,
    context: &ResolveContext<'_>,
    apart: bool,
) -> Result<(Expr, BTreeMap<String, Arc<Dataset>>), ResolveError> {
    let PolicyExpression { dataset, expr, params, first_raw } = *expression;
    let mut resolver = Resolver {
        context,
        relations: Vec::new(),
        functions: BTreeSet::new(),
        blocks: Vec::new(),
        cte_names: BTreeSet::new(),
        depth: 0,
        cost: 0,
        repeated: 0,
        upstream_only: None,
        vectors: false,
        policy: Some(PolicyScope { source: &dataset.source, params, first_raw, apart_from: apart.then_some(dataset) }),
    };
    let row = Relation {
        name: dataset.name.name().to_owned(),
        schema: Some(dataset.name.schema().to_owned()),
        alias: String::new(),
        columns: dataset
            .columns
            .iter()
            .map(|column| RelationColumn {
                name: column.name.clone(),
                engine: column.name.clone(),
                lineage: Lineage::default(),
                source: None,
                sql_type: Some(column.sql_type.clone()),
            })
            .collect(),
        key: None,
        denied: None,
        is_value: false,
    };
    let namespace = Namespace::of(row);
    let scope = Scope { namespace: &namespace, outer: None };
    let windows = BTreeMap::new();
    let ctx = Ctx {
        scope: &scope,
        ctes: &Ctes::NONE,
        place: Place::Predicate,
        argument: false,
        no_aggregates: Some("a policy's expression"),
        no_windows: Some("a policy's expression"),
        row: false,
        windows: &windows,
    };
    let written = resolver.expr(expr, ctx, &mut Facts::default())?;
    let mut raw = BTreeMap::new();
    for RelationUse { key, target, .. } in resolver.relations {
        match target {
            RelationTarget::Dataset(dataset) => raw.insert(key, dataset),
            RelationTarget::System(_) => {
                return Err(refuse("a system relation in a policy's expression", "Use datasets.").into());
            }
        };
    }
    Ok((written, raw))
}

impl Resolver<'_> {
    /// A constant, a parameter of a statement, or the value of a policy's parameter.
    pub(super) fn constant(&mut self, value: &ValueWithSpan) -> Result<Expr, ResolveError> {
        if let Value::SingleQuotedByteStringLiteral(_) = &value.value {
            self.upstream_only("a bit string over files", "Use bytea: '\\x1f'::bytea.", None)?;
        }
        let Some(policy) = self.policy else { return literal::value(value).map(Expr::Value) };
        let Value::Placeholder(written) = &value.value else { return literal::value(value).map(Expr::Value) };
        parameter_value(parameter(written, policy.params)?)
    }

    /// The values of a policy's list parameter that stands alone in `IN (:name)`.
    pub(super) fn list_parameter(&mut self, list: &[Expr]) -> Result<Option<Vec<Expr>>, ResolveError> {
        let (Some(policy), [Expr::Value(value)]) = (self.policy, list) else { return Ok(None) };
        let Value::Placeholder(written) = &value.value else { return Ok(None) };
        match parameter(written, policy.params)? {
            ParamValue::List(values) => values.iter().map(parameter_value).collect::<Result<_, _>>().map(Some),
            ParamValue::Null | ParamValue::Boolean(_) | ParamValue::Number(_) | ParamValue::Text(_) => Ok(None),
        }
    }

    /// The dataset's own columns are plain names in a policy's expression: one that a relation of a subquery would take
    /// for its own must not stand.
    pub(super) fn not_captured(&self, parts: &[(Rc<Relation>, usize)], ctx: Ctx<'_>) -> Result<(), ResolveFault> {
        for (relation, at) in parts {
            let Some(column) = relation.columns.get(*at) else { continue };
            if !relation.alias.is_empty() {
                continue;
            }
            let inner = ctx
                .scope
                .chain()
                .take_while(|scope| !scope.namespace.relations.iter().any(|known| Rc::ptr_eq(known, relation)));
            let plain = column_expr("", &column.engine);
            let captured = inner
                .flat_map(|scope| scope.namespace.relations.iter())
                .flat_map(|relation| relation.columns.iter())
                .any(|inner| column_expr("", &inner.engine) == plain);
            if captured {
                return Err(refuse(
                    format!("column {} of the outer row in a subquery with a column of that name", column.name),
                    "Use IN (SELECT ...), or a subquery that renames its columns.",
                ));
            }
        }
        Ok(())
    }
}

fn parameter<'a>(written: &str, params: &'a BTreeMap<String, ParamValue>) -> Result<&'a ParamValue, ResolveFault> {
    let name = written.strip_prefix(':');
    name.and_then(|name| params.get(name))
        .ok_or_else(|| refuse(format!("parameter {written}"), "Give it a value in params."))
}

/// A parameter's value as a tree. Never text that is read again.
fn parameter_value(value: &ParamValue) -> Result<Expr, ResolveError> {
    let plain = |value: Value| Expr::Value(value.into());
    match value {
        ParamValue::Null => Ok(plain(Value::Null)),
        ParamValue::Boolean(value) => Ok(plain(Value::Boolean(*value))),
        ParamValue::Text(text) => Ok(plain(literal::text_value(text))),
        ParamValue::Number(digits) => {
            let unsigned = digits.strip_prefix('-').unwrap_or(digits);
            if !is_number(unsigned) {
                return Err(refuse("a parameter that is no number", "Give digits.").into());
            }
            let number = plain(Value::Number(unsigned.to_owned(), false));
            if unsigned.len() == digits.len() {
                return Ok(number);
            }
            let negative = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) };
            Ok(Expr::Nested(Box::new(negative)))
        }
        ParamValue::List(_) => Err(refuse("a list outside of IN (:name)", "Write column IN (:name).").into()),
    }
}

/// Digits, with a fraction and an exponent at most: what the tokenizer reads as one number.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
