//! WITH: common table expressions, recursive ones too.

use super::query::{QueryColumn, ResolvedQuery, alias_columns, check_quantifier, column_aliases, combine, rename};
use super::{Resolver, engine_name, place_of};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::{fold, ident};
use crate::govern::scope::{Cte as KnownCte, Ctes, Scope};
use crate::sql::plain_query;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Cte, Query, SetExpr, SetOperator, TableAlias, With};

impl Resolver<'_> {
    /// The queries of a WITH; `entries` gets what they make known.
    pub(super) fn with(
        &mut self,
        with: &With,
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
        entries: &mut Vec<KnownCte>,
    ) -> Result<With, ResolveError> {
        let With { with_token: _, recursive, cte_tables } = with;
        let mut written = Vec::new();
        for cte in cte_tables {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            if from.is_some() {
                return Err(refuse("FROM after a WITH query", "Leave it out.").into());
            }
            let TableAlias { explicit: _, name, columns, at } = alias;
            if at.is_some() {
                return Err(refuse("AT in an alias", "Leave it out.").into());
            }
            let user_name = fold(name);
            if entries.iter().any(|entry| entry.name == user_name) {
                return Err(ResolveFault::DuplicateCte(user_name).at(place_of(name)));
            }
            let engine = engine_name(&user_name, "cte", |name| self.cte_names.contains(name));
            self.cte_names.insert(engine.clone());
            let mut entry = KnownCte {
                name: user_name,
                engine: engine.clone(),
                columns: None,
                influence: Lineage::default(),
                cost: 0,
            };
            let before = self.cost;
            let aliases = column_aliases(columns)?;
            let mut resolved = if *recursive {
                self.recursive(query, &aliases, outer, ctes, entries, &mut entry)?
            } else {
                self.query(query, outer, &Ctes { entries, outer: Some(ctes) })?
            };
            rename(&mut resolved.columns, &aliases, &entry.name)?;
            let alias = TableAlias {
                explicit: false,
                name: ident(&engine),
                columns: alias_columns(&aliases, &resolved.columns),
                at: None,
            };
            entry.columns = Some(resolved.columns.iter().map(QueryColumn::relation_column).collect());
            entry.influence = resolved.influence;
            entry.cost = self.cost.saturating_sub(before);
            entries.push(entry);
            written.push(Cte {
                alias,
                query: Box::new(resolved.query),
                from: None,
                materialized: *materialized,
                closing_paren_token: AttachedToken::empty(),
            });
        }
        Ok(With { with_token: AttachedToken::empty(), recursive: *recursive, cte_tables: written })
    }

    /// A WITH RECURSIVE query: `first UNION [ALL] second`, where `second` may refer to it.
    fn recursive(
        &mut self,
        query: &Query,
        aliases: &[String],
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
        entries: &[KnownCte],
        entry: &mut KnownCte,
    ) -> Result<ResolvedQuery, ResolveError> {
        let mut known = entries.to_vec();
        known.push(entry.clone());
        let union = match query.body.as_ref() {
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right }
                if query.with.is_none()
                    && query.order_by.is_none()
                    && query.limit_clause.is_none()
                    && query.fetch.is_none() =>
            {
                Some((left, *set_quantifier, right))
            }
            _not_recursive => None,
        };
        let Some((left, quantifier, right)) = union else {
            return self.query(query, outer, &Ctes { entries: &known, outer: Some(ctes) });
        };
        let Query {
            with: _,
            body: _,
            order_by: _,
            limit_clause: _,
            fetch: _,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty()
        {
            return Err(refuse("a clause after a recursive WITH query", "Leave it out.").into());
        }
        let first = self.body(left, outer, &Ctes { entries: &known, outer: Some(ctes) })?;
        let mut first_columns = first.columns.clone();
        rename(&mut first_columns, aliases, &entry.name)?;
        let mut all = first.influence.clone();
        first.columns.iter().for_each(|column| all.absorb(&column.lineage));
        for column in &mut first_columns {
            column.lineage = all.clone();
        }
        let own = KnownCte {
            columns: Some(first_columns.iter().map(QueryColumn::relation_column).collect()),
            influence: all.clone(),
            ..entry.clone()
        };
        known.pop();
        known.push(own);
        let second = self.body(right, outer, &Ctes { entries: &known, outer: Some(ctes) })?;
        let mut union = combine(first, SetOperator::Union, check_quantifier(SetOperator::Union, quantifier)?, second)?;
        // Values may move from column to column in each round: all columns come from all sources.
        for column in &union.columns {
            all.absorb(&column.lineage);
        }
        for column in &mut union.columns {
            column.lineage = all.clone();
        }
        union.influence = all;
        Ok(ResolvedQuery {
            query: plain_query(union.body),
            columns: union.columns,
            is_aggregate: false,
            influence: union.influence,
        })
    }
}
