//! Joins. USING and NATURAL become ON with qualified columns, so that no engine decides which columns they mean.

use super::from::FromState;
use super::known_type::{common, type_of};
use super::{Ctx, Facts, Place, Resolver};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::parts;
use crate::govern::scope::{Namespace, NamespaceColumn, Scope};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Join,
    JoinConstraint, JoinOperator, ObjectName, TableWithJoins, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// The join kinds of PostgreSQL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

impl Resolver<'_> {
    /// A table with the tables that are joined to it.
    pub(super) fn table_with_joins(
        &mut self,
        item: &TableWithJoins,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableWithJoins, Namespace), ResolveError> {
        let TableWithJoins { relation, joins } = item;
        let (relation, mut namespace) = self.factor(relation, lateral, state)?;
        let mut written = Vec::new();
        for join in joins {
            let Join { relation, global, join_operator } = join;
            if *global {
                return Err(refuse("GLOBAL JOIN", "Leave GLOBAL out.").into());
            }
            let (kind, constraint) = join_kind(join_operator)?;
            let mut seen = lateral.clone();
            seen.join(namespace.clone())?;
            let (relation, right) = self.factor(relation, &seen, state)?;
            let (on, joined) = self.join(namespace, kind, constraint, right, state)?;
            namespace = joined;
            let join_operator = match (kind, on) {
                (Kind::Cross, _) | (Kind::Inner, None) => JoinOperator::CrossJoin(JoinConstraint::None),
                (Kind::Inner, Some(on)) => JoinOperator::Join(JoinConstraint::On(on)),
                (Kind::Left, on) => JoinOperator::Left(JoinConstraint::On(on.unwrap_or_else(always))),
                (Kind::Right, on) => JoinOperator::Right(JoinConstraint::On(on.unwrap_or_else(always))),
                (Kind::Full, on) => JoinOperator::FullOuter(JoinConstraint::On(on.unwrap_or_else(always))),
            };
            written.push(Join { relation, global: false, join_operator });
        }
        Ok((TableWithJoins { relation, joins: written }, namespace))
    }

    /// The condition of a join and what it makes known.
    fn join(
        &mut self,
        mut left: Namespace,
        kind: Kind,
        constraint: &JoinConstraint,
        mut right: Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(Option<Expr>, Namespace), ResolveError> {
        if matches!(kind, Kind::Right | Kind::Full) {
            left.set_nullable();
        }
        if matches!(kind, Kind::Left | Kind::Full) {
            right.set_nullable();
        }
        let names = match constraint {
            JoinConstraint::None if kind == Kind::Cross => Vec::new(),
            JoinConstraint::None => {
                return Err(ResolveFault::Syntax("a join needs ON or USING, or must be a CROSS JOIN".into()).into());
            }
            JoinConstraint::On(_) | JoinConstraint::Using(_) | JoinConstraint::Natural if kind == Kind::Cross => {
                return Err(ResolveFault::Syntax("a CROSS JOIN has no condition".into()).into());
            }
            JoinConstraint::On(condition) => {
                left.join(right)?;
                let on = self.on(condition, &left, state)?;
                return Ok((Some(on), left));
            }
            JoinConstraint::Using(names) => using_names(names)?,
            JoinConstraint::Natural => {
                let in_right: BTreeSet<&str> = right.columns.iter().map(|column| column.name.as_str()).collect();
                left.columns
                    .iter()
                    .filter(|column| in_right.contains(column.name.as_str()))
                    .map(|column| column.name.clone())
                    .collect()
            }
        };
        let explicit = matches!(constraint, JoinConstraint::Using(_));
        let mut on: Option<Expr> = None;
        let mut merged = Vec::new();
        for name in &names {
            let (a, b) = (left.column_for_using(name, "left")?.clone(), right.column_for_using(name, "right")?.clone());
            for column in [&a, &b] {
                self.mark(&column.parts, Place::Join, false, explicit);
                for (relation, at) in &column.parts {
                    if let Some(column) = relation.columns.get(*at) {
                        state.influence.absorb_influence(&column.lineage, false);
                    }
                }
            }
            let equal = binary(a.expr.clone(), BinaryOperator::Eq, b.expr.clone());
            on = Some(match on {
                Some(on) => binary(on, BinaryOperator::And, equal),
                None => equal,
            });
            merged.push(merge(name, kind, (a, &left), (b, &right)));
        }
        let mut result = Namespace::default();
        result.join_relations(&left)?;
        result.join_relations(&right)?;
        result.columns = merged;
        let is_rest = |column: &NamespaceColumn| !names.contains(&column.name);
        result.columns.extend(left.columns.into_iter().filter(is_rest));
        result.columns.extend(right.columns.into_iter().filter(is_rest));
        Ok((on, result))
    }

    fn on(&mut self, condition: &Expr, joined: &Namespace, state: &mut FromState<'_>) -> Result<Expr, ResolveError> {
        let scope = Scope { namespace: joined, outer: Some(state.outer) };
        let windows = BTreeMap::new();
        let ctx = Ctx {
            scope: &scope,
            ctes: state.ctes,
            place: Place::Join,
            argument: false,
            no_aggregates: Some("JOIN conditions"),
            no_windows: Some("JOIN conditions"),
            row: false,
            windows: &windows,
        };
        let mut facts = Facts::default();
        let on = self.expr(condition, ctx, &mut facts)?;
        state.influence.absorb_influence(&facts.lineage, false);
        Ok(on)
    }
}

fn join_kind(operator: &JoinOperator) -> Result<(Kind, &JoinConstraint), ResolveError> {
    let exists = "Use WHERE EXISTS (SELECT ...) or WHERE NOT EXISTS (SELECT ...).";
    let foreign = "Use JOIN, LEFT JOIN, RIGHT JOIN, FULL JOIN or CROSS JOIN, with LATERAL where it is needed.";
    match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => Ok((Kind::Inner, constraint)),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => Ok((Kind::Left, constraint)),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => Ok((Kind::Right, constraint)),
        JoinOperator::FullOuter(constraint) => Ok((Kind::Full, constraint)),
        JoinOperator::CrossJoin(constraint) => Ok((Kind::Cross, constraint)),
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => {
            Err(refuse("SEMI JOIN", exists).into())
        }
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => {
            Err(refuse("ANTI JOIN", exists).into())
        }
        JoinOperator::CrossApply | JoinOperator::OuterApply => Err(refuse("APPLY", foreign).into()),
        JoinOperator::AsOf { .. } => Err(refuse("ASOF JOIN", foreign).into()),
        JoinOperator::StraightJoin(_) => Err(refuse("STRAIGHT_JOIN", foreign).into()),
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            Err(refuse("ARRAY JOIN", "Use CROSS JOIN unnest(array).").into())
        }
    }
}

fn using_names(names: &[ObjectName]) -> Result<Vec<String>, ResolveError> {
    let mut result: Vec<String> = Vec::new();
    for name in names {
        match parts(name).as_deref() {
            Some([single]) if !result.contains(single) => result.push(single.clone()),
            Some([single]) => {
                let text = format!("column name \"{single}\" appears more than once in USING clause");
                return Err(ResolveFault::AmbiguousColumn(text).into());
            }
            _qualified => return Err(ResolveFault::Syntax("USING takes plain column names".into()).into()),
        }
    }
    Ok(result)
}

/// The one column that USING makes of two, each with the namespace that it is of.
fn merge(
    name: &str,
    kind: Kind,
    (left, of_left): (NamespaceColumn, &Namespace),
    (right, of_right): (NamespaceColumn, &Namespace),
) -> NamespaceColumn {
    let typed = |expr: Expr, namespace: &Namespace| {
        let sql_type = type_of(&expr, &Scope { namespace, outer: None });
        (expr, sql_type)
    };
    let expr = match kind {
        Kind::Inner | Kind::Left | Kind::Cross => common(typed(left.expr, of_left), typed(right.expr, of_right)),
        Kind::Right => common(typed(right.expr, of_right), typed(left.expr, of_left)),
        Kind::Full => call("coalesce", vec![left.expr, right.expr]),
    };
    let mut parts = left.parts;
    parts.extend(right.parts);
    NamespaceColumn { name: name.to_owned(), expr, parts }
}

/// `left op right`
pub(in crate::govern) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// A plain call of an allow-listed function.
pub(in crate::govern) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn always() -> Expr {
    Expr::Value(Value::Boolean(true).into())
}
