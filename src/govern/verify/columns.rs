//! Which columns of governed relations a tree names: those that the decisions knew of, and no others.

use super::{VerifyError, folded};
use crate::govern::statement::{GovernedStatement, GovernedTarget};
use crate::sql::names::fold_ident;
use sqlparser::ast::{Expr, TableFactor, Visit, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// # Errors
/// [`VerifyError::Obligation`] for a column that is not among those that are used.
pub(super) fn verify(statement: &GovernedStatement) -> Result<(), VerifyError> {
    let mut known = Known { statement, governed: BTreeMap::new(), others: BTreeSet::new(), named: Vec::new() };
    let _ = statement.query().visit(&mut known);
    for (alias, column) in &known.named {
        // An alias of another kind of relation too, in another block: its columns are not known here.
        if known.others.contains(alias) {
            continue;
        }
        let Some(relations) = known.governed.get(alias) else { continue };
        if !relations.iter().any(|(_, used)| used.contains(column)) {
            let relation = relations.first().map(|(key, _)| key.clone()).unwrap_or_default();
            return Err(VerifyError::Obligation { relation, what: "a column that was decided on" });
        }
    }
    Ok(())
}

struct Known<'a> {
    statement: &'a GovernedStatement,
    /// By alias: the relations that have it, with the names that their used columns have there.
    governed: BTreeMap<String, Vec<(String, BTreeSet<String>)>>,
    others: BTreeSet<String>,
    named: Vec<(String, String)>,
}

impl Visitor for Known<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. }) = factor
        else {
            return ControlFlow::Continue(());
        };
        let name = fold_ident(&alias.name);
        let key = match factor {
            TableFactor::Table { name, args: None, .. } => match folded(name).as_slice() {
                [schema, key] if schema == GovernedStatement::RELATION_SCHEMA => Some(key.clone()),
                _other => None,
            },
            _no_relation => None,
        };
        let relation = key.and_then(|key| self.statement.relations().iter().find(|relation| relation.key == key));
        match relation.map(|relation| (&relation.key, &relation.target)) {
            Some((key, GovernedTarget::Dataset(governed))) => {
                let called = |at: usize, own: &String| {
                    alias.columns.get(at).map_or_else(|| own.clone(), |column| fold_ident(&column.name))
                };
                let columns = governed.columns.iter().enumerate();
                let used = columns.filter(|(_, column)| governed.used.contains(&column.name));
                let used = used.map(|(at, column)| called(at, &column.name)).collect();
                self.governed.entry(name).or_default().push((key.clone(), used));
            }
            Some((_, GovernedTarget::System(_))) | None => _ = self.others.insert(name),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expr
            && let [alias, column] = names.as_slice()
        {
            self.named.push((fold_ident(alias), fold_ident(column)));
        }
        ControlFlow::Continue(())
    }
}
