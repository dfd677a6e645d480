//! Constants and parameters as operands: what is the same for every row.

use super::leakproof::{Kind, Operand, constant};
use crate::types::SqlType;
use sqlparser::ast::{Expr, Query, Value, ValueWithSpan, visit_expressions};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The parameters of one statement.
pub(super) struct Parameters<'a> {
    types: &'a [Option<SqlType>],
    /// Those that stand in the statement once: PostgreSQL takes their type from there, if the client gave none.
    single: BTreeSet<usize>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(query: &Query, types: &'a [Option<SqlType>]) -> Self {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
            if let Some(number) = placeholder(expr) {
                let count = counts.entry(number).or_default();
                *count = count.saturating_add(1);
            }
            ControlFlow::Continue(())
        });
        let single = counts.into_iter().filter(|(_, count)| *count == 1).map(|(number, _)| number).collect();
        Self { types, single }
    }

    /// A constant or a parameter as an operand; `None` for anything else, and for one that may fail.
    pub(super) fn operand(&self, expr: &Expr) -> Option<Operand> {
        match expr {
            Expr::Nested(inner) => self.operand(inner),
            Expr::Cast { expr: inner, data_type, .. } => match placeholder(inner) {
                // A cast gives a parameter its type; of a parameter that has one it may fail.
                Some(number) => {
                    let kind = Kind::of_cast(data_type)?;
                    let same = self.declared(number).is_none_or(|declared| Kind::of(declared) == Some(kind));
                    same.then_some(Operand::Constant(kind))
                }
                None => constant(expr),
            },
            _other => match placeholder(expr) {
                Some(number) => match self.declared(number) {
                    Some(declared) => Kind::of(declared).map(Operand::Constant),
                    None => self.single.contains(&number).then_some(Operand::Untyped),
                },
                None => constant(expr),
            },
        }
    }

    fn declared(&self, number: usize) -> Option<&SqlType> {
        number.checked_sub(1).and_then(|at| self.types.get(at)).and_then(Option::as_ref)
    }
}

fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => name.strip_prefix('$')?.parse().ok(),
        _other => None,
    }
}
