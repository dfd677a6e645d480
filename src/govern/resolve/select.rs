//! One SELECT block.

use super::from::ResolvedFrom;
use super::known_type::type_of;
use super::order::OrderTarget;
use super::projection::{Projection, ProjectionItem};
use super::query::{QueryColumn, ResolvedBody};
use super::{Ctx, Facts, Place, Resolver};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::{fold, ident};
use crate::govern::scope::{Ctes, Scope};
use crate::sql::plain_select;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, NamedWindowDefinition, NamedWindowExpr, ObjectName, OrderBy, Select, SelectFlavor,
    SelectItem, SetExpr, TableFactor, Value, ValueWithSpan, WildcardAdditionalOptions,
};
use std::collections::BTreeMap;

impl Resolver<'_> {
    /// A SELECT, with the ORDER BY of the query that it is the body of.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Result<(ResolvedBody, Option<OrderBy>), ResolveError> {
        refuse_foreign_clauses(select)?;
        let ResolvedFrom { items, namespace, influence: from_influence, mut block } =
            self.from(&select.from, outer, ctes)?;
        let scope = Scope { namespace: &namespace, outer: Some(outer) };
        let no_windows_yet = BTreeMap::new();
        let base = Ctx {
            scope: &scope,
            ctes,
            place: Place::Output,
            argument: false,
            no_aggregates: None,
            no_windows: None,
            row: false,
            windows: &no_windows_yet,
        };
        let mut influence = Facts { lineage: from_influence, ..Facts::default() };
        let selection = match &select.selection {
            Some(condition) => {
                let ctx = Ctx { no_aggregates: Some("WHERE"), no_windows: Some("WHERE"), ..base.at(Place::Predicate) };
                Some(self.condition(condition, ctx, &mut influence)?)
            }
            None => None,
        };
        let mut windows = BTreeMap::new();
        let mut window_facts = Facts::default();
        let named_window = self.named_windows(&select.named_window, base, &mut windows, &mut window_facts)?;
        let base = Ctx { windows: &windows, ..base };
        let projection = self.projection(&select.projection, base)?;
        let (group_by, group_facts) = self.group_by(&select.group_by, base, &projection)?;
        let having = match &select.having {
            Some(condition) => {
                let ctx = Ctx { no_windows: Some("HAVING"), ..base.at(Place::Predicate) };
                Some(self.condition(condition, ctx, &mut influence)?)
            }
            None => None,
        };
        let target = OrderTarget::select(&projection, matches!(select.distinct, Some(Distinct::Distinct)));
        let distinct = self.distinct(select.distinct.as_ref(), base, &target, &mut influence)?;
        let order_by = match order_by {
            Some(order_by) => Some(self.order_by(order_by, base, &target, &mut influence)?),
            None => None,
        };

        let mut aggregates = influence.aggregates.clone();
        aggregates.extend(window_facts.aggregates.iter().cloned());
        aggregates.extend(projection.items.iter().flat_map(|item| item.facts.aggregates.iter().cloned()));
        let has_group_by = has_group_by(&group_by);
        let grouped = has_group_by || !aggregates.is_empty() || having.is_some();
        influence.lineage.absorb(&group_facts.lineage);
        let mut rows = Lineage::default();
        rows.absorb_influence(&influence.lineage, grouped);
        if is_distinct(select.distinct.as_ref()) {
            let outputs = projection.items.iter();
            outputs.for_each(|item| rows.absorb_influence(&item.facts.lineage, false));
        }
        let sets = [influence.sets, window_facts.sets, group_facts.sets];
        let sets = projection.items.iter().map(|item| item.facts.sets).chain(sets).filter(|sets| *sets);
        block.others = block.others.saturating_add(sets.count());
        block.grouped = grouped;
        block.aggregates = aggregates;
        if !block.relations.is_empty() {
            self.blocks.push(block);
        }
        self.cost = self.cost.saturating_add(projection.items.len()).saturating_add(1);
        let is_aggregate = grouped && projection.items.iter().all(|item| !item.facts.rows);
        let columns = projection.items.iter().map(|item| output_column(item, &rows, &scope)).collect();
        let written = Select {
            select_token: AttachedToken::empty(),
            optimizer_hints: Vec::new(),
            distinct,
            select_modifiers: None,
            top: None,
            top_before_distinct: false,
            projection: projection.written(),
            exclude: None,
            into: None,
            from: items,
            lateral_views: Vec::new(),
            prewhere: None,
            selection,
            connect_by: Vec::new(),
            group_by,
            cluster_by: Vec::new(),
            distribute_by: Vec::new(),
            sort_by: Vec::new(),
            having,
            window_before_qualify: !named_window.is_empty(),
            named_window,
            qualify: None,
            value_table_mode: None,
            flavor: SelectFlavor::Standard,
        };
        let body = ResolvedBody { body: SetExpr::Select(Box::new(written)), columns, is_aggregate, influence: rows };
        Ok((body, order_by))
    }

    /// An expression that chooses rows.
    fn condition(&mut self, condition: &Expr, ctx: Ctx<'_>, influence: &mut Facts) -> Result<Expr, ResolveError> {
        let mut facts = Facts::default();
        let written = self.expr(condition, ctx, &mut facts)?;
        influence.absorb(facts);
        Ok(written)
    }

    fn named_windows(
        &mut self,
        definitions: &[NamedWindowDefinition],
        base: Ctx<'_>,
        windows: &mut BTreeMap<String, Lineage>,
        all: &mut Facts,
    ) -> Result<Vec<NamedWindowDefinition>, ResolveError> {
        let mut written = Vec::new();
        for definition in definitions {
            let NamedWindowDefinition(name, window) = definition;
            let name = fold(name);
            if windows.contains_key(&name) {
                return Err(ResolveFault::DuplicateAlias(name).into());
            }
            let known = std::mem::take(windows);
            let ctx = Ctx { windows: &known, no_windows: Some("window definitions"), ..base.at(Place::Window) };
            let mut facts = Facts::default();
            let window = match window {
                NamedWindowExpr::NamedWindow(other) => {
                    Err(refuse(format!("WINDOW {name} AS {other}"), format!("Write WINDOW {name} AS ({other})."))
                        .into())
                }
                NamedWindowExpr::WindowSpec(spec) => {
                    self.window_spec(spec, ctx, &mut facts).map(NamedWindowExpr::WindowSpec)
                }
            }?;
            *windows = known;
            windows.insert(name.clone(), facts.lineage.clone());
            all.absorb(facts);
            written.push(NamedWindowDefinition(ident(&name), window));
        }
        Ok(written)
    }

    fn distinct(
        &mut self,
        distinct: Option<&Distinct>,
        base: Ctx<'_>,
        target: &OrderTarget<'_>,
        influence: &mut Facts,
    ) -> Result<Option<Distinct>, ResolveError> {
        match distinct {
            None | Some(Distinct::All) => Ok(None),
            Some(Distinct::Distinct) => Ok(Some(Distinct::Distinct)),
            Some(Distinct::On(exprs)) => {
                let written = exprs
                    .iter()
                    .map(|expr| self.order_key(expr, base.at(Place::Order), target, false, influence))
                    .collect::<Result<_, _>>()?;
                Ok(Some(Distinct::On(written)))
            }
        }
    }

    fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        base: Ctx<'_>,
        projection: &Projection,
    ) -> Result<(GroupByExpr, Facts), ResolveError> {
        let exprs = match group_by {
            GroupByExpr::All(_) => {
                return Err(refuse("GROUP BY ALL", "Name the columns, or use their positions.").into());
            }
            GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
                return Err(refuse(
                    "WITH ROLLUP/CUBE/TOTALS",
                    "Write GROUP BY ROLLUP (...), CUBE (...) or GROUPING SETS (...).",
                )
                .into());
            }
            GroupByExpr::Expressions(exprs, _) => exprs,
        };
        let ctx = Ctx { no_aggregates: Some("GROUP BY"), no_windows: Some("GROUP BY"), ..base.at(Place::Group) };
        let mut facts = Facts::default();
        let written =
            exprs.iter().map(|expr| self.group_item(expr, ctx, projection, &mut facts)).collect::<Result<_, _>>()?;
        Ok((GroupByExpr::Expressions(written, Vec::new()), facts))
    }

    fn group_item(
        &mut self,
        expr: &Expr,
        ctx: Ctx<'_>,
        projection: &Projection,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        match expr {
            Expr::GroupingSets(sets) => Ok(Expr::GroupingSets(self.group_sets(sets, ctx, projection, facts)?)),
            Expr::Cube(sets) => Ok(Expr::Cube(self.group_sets(sets, ctx, projection, facts)?)),
            Expr::Rollup(sets) => Ok(Expr::Rollup(self.group_sets(sets, ctx, projection, facts)?)),
            Expr::Tuple(exprs) => {
                let exprs = exprs.iter().map(|expr| self.group_key(expr, ctx, projection, false, facts));
                exprs.collect::<Result<_, _>>().map(Expr::Tuple)
            }
            key => self.group_key(key, ctx, projection, true, facts),
        }
    }

    fn group_sets(
        &mut self,
        sets: &[Vec<Expr>],
        ctx: Ctx<'_>,
        projection: &Projection,
        facts: &mut Facts,
    ) -> Result<Vec<Vec<Expr>>, ResolveError> {
        sets.iter()
            .map(|set| {
                let keys = set.iter().map(|expr| self.group_key(expr, ctx, projection, false, facts));
                let keys = keys.collect::<Result<Vec<_>, ResolveError>>()?;
                // A set of one is written without parentheses, and those that it begins with would be read as the set's.
                match keys.as_slice() {
                    [only] if only.to_string().starts_with('(') => {
                        let what = "an expression that begins with parentheses in ROLLUP, CUBE or GROUPING SETS";
                        Err(refuse(what, "Compute it in a subquery in FROM, and group by its name.").into())
                    }
                    _plain => Ok(keys),
                }
            })
            .collect()
    }

    /// One grouping key: a column of FROM, else the name or place of an output, else an expression.
    fn group_key(
        &mut self,
        expr: &Expr,
        ctx: Ctx<'_>,
        projection: &Projection,
        ordinals: bool,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        if let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span: _ }) = expr {
            let item = projection.at_ordinal(digits, "GROUP BY")?;
            return grouping_output(item, projection, ordinals, facts);
        }
        if let Expr::Identifier(name) = expr
            && ctx.scope.own_column(&fold(name))?.is_none()
            && let Some(item) = projection.named(&fold(name), "GROUP BY")?
        {
            return grouping_output(item, projection, ordinals, facts);
        }
        self.expr(expr, ctx, facts)
    }
}

/// A grouping key that is an output: its expression; a constant by its position.
fn grouping_output(
    item: &ProjectionItem,
    projection: &Projection,
    ordinals: bool,
    facts: &mut Facts,
) -> Result<Expr, ResolveError> {
    if !item.facts.aggregates.is_empty() {
        return Err(ResolveFault::Grouping("aggregate functions are not allowed in GROUP BY".into()).into());
    }
    if item.facts.windows {
        return Err(ResolveFault::Grouping("window functions are not allowed in GROUP BY".into()).into());
    }
    // In a set of keys, two outputs of one expression are two keys: one that is left out of a set is NULL, the other not.
    if !ordinals && projection.items.iter().filter(|other| other.expr == item.expr).count() > 1 {
        let what = "grouping in sets by one of two outputs that are the same expression";
        return Err(refuse(what, "Select it once, or compute it in a subquery in FROM.").into());
    }
    facts.lineage.absorb(&item.facts.lineage);
    let is_constant = matches!(&item.expr, Expr::Value(_));
    match projection.ordinal_of(item) {
        Some(ordinal) if is_constant && ordinals => Ok(Expr::Value(Value::Number(ordinal.to_string(), false).into())),
        _by_expression => Ok(item.expr.clone()),
    }
}

fn output_column(item: &ProjectionItem, rows: &Lineage, scope: &Scope<'_>) -> QueryColumn {
    let mut lineage = item.facts.lineage.clone();
    lineage.absorb(rows);
    let sql_type = type_of(&item.expr, scope);
    QueryColumn { name: item.name.clone(), engine: item.engine.clone(), lineage, sql_type }
}

fn has_group_by(group_by: &GroupByExpr) -> bool {
    match group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(exprs, modifiers) => !exprs.is_empty() || !modifiers.is_empty(),
    }
}

fn is_distinct(distinct: Option<&Distinct>) -> bool {
    match distinct {
        None | Some(Distinct::All) => false,
        Some(Distinct::Distinct | Distinct::On(_)) => true,
    }
}

fn refuse_foreign_clauses(select: &Select) -> Result<(), ResolveError> {
    let Select {
        select_token: _,
        optimizer_hints: _, // comments
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    let order = "Use ORDER BY.";
    let found = [
        (select_modifiers.is_some(), "a modifier after SELECT", "Leave it out."),
        (top.is_some(), "TOP", "Use LIMIT."),
        (exclude.is_some(), "EXCLUDE", "Name the columns."),
        (into.is_some(), "SELECT INTO", "The gateway only reads: leave INTO out."),
        (!lateral_views.is_empty(), "LATERAL VIEW", "Use CROSS JOIN LATERAL or unnest."),
        (prewhere.is_some(), "PREWHERE", "Use WHERE."),
        (!connect_by.is_empty(), "CONNECT BY", "Use WITH RECURSIVE."),
        (!cluster_by.is_empty(), "CLUSTER BY", order),
        (!distribute_by.is_empty(), "DISTRIBUTE BY", order),
        (!sort_by.is_empty(), "SORT BY", order),
        (qualify.is_some(), "QUALIFY", "Use the window function in a subquery and WHERE around it."),
        (value_table_mode.is_some(), "SELECT AS STRUCT/VALUE", "Name the columns."),
        (
            match flavor {
                SelectFlavor::Standard => false,
                SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => true,
            },
            "FROM before SELECT",
            "Write SELECT ... FROM ...",
        ),
    ];
    match found.into_iter().find(|(found, ..)| *found) {
        Some((_, what, hint)) => Err(refuse(what, hint).into()),
        None => Ok(()),
    }
}

/// `SELECT * FROM name`
pub(super) fn select_all_from(name: ObjectName) -> Select {
    let relation = TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    plain_select(vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())], relation, None)
}
