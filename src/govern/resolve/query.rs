//! Queries: WITH, set operations, VALUES, TABLE, LIMIT.

use super::order::OrderTarget;
use super::{Ctx, Facts, Place, Resolver, place_of};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::{fold, ident, object_name};
use crate::govern::resolved::ResolvedOutput;
use crate::govern::scope::{Ctes, Namespace, RelationColumn, Scope};
use crate::types::SqlType;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Expr, Fetch, LimitClause, Offset, OffsetRows, Parens, Query, Select, SetExpr, SetOperator, SetQuantifier, Table,
    TableAliasColumnDef, Value, Values,
};
use std::collections::{BTreeMap, BTreeSet};

/// A query that has been resolved.
pub(super) struct ResolvedQuery {
    pub(super) query: Query,
    pub(super) columns: Vec<QueryColumn>,
    /// Whether every output is an aggregate or a grouping key.
    pub(super) is_aggregate: bool,
    /// What chose its rows.
    pub(super) influence: Lineage,
}

/// An output column of a query.
#[derive(Debug, Clone)]
pub(super) struct QueryColumn {
    /// As PostgreSQL names it.
    pub(super) name: String,
    /// As the tree names it: unique in its query.
    pub(super) engine: String,
    /// What it was computed from, and what chose its rows.
    pub(super) lineage: Lineage,
    /// Its type, as far as it can be told without an engine.
    pub(super) sql_type: Option<SqlType>,
}

impl QueryColumn {
    pub(super) fn into_output(self) -> ResolvedOutput {
        ResolvedOutput { name: self.name, lineage: self.lineage }
    }

    pub(super) fn relation_column(&self) -> RelationColumn {
        RelationColumn {
            name: self.name.clone(),
            engine: self.engine.clone(),
            lineage: self.lineage.clone(),
            source: None,
            sql_type: self.sql_type.clone(),
        }
    }
}

/// The body of a query, resolved.
pub(super) struct ResolvedBody {
    pub(super) body: SetExpr,
    pub(super) columns: Vec<QueryColumn>,
    pub(super) is_aggregate: bool,
    pub(super) influence: Lineage,
}

impl Resolver<'_> {
    /// A query inside of `outer`, where these WITH queries are known.
    pub(super) fn query(
        &mut self,
        query: &Query,
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Result<ResolvedQuery, ResolveError> {
        self.deeper(super::QUERY_DEPTH, |this| this.query_here(query, outer, ctes))
    }

    fn query_here(&mut self, query: &Query, outer: &Scope<'_>, ctes: &Ctes<'_>) -> Result<ResolvedQuery, ResolveError> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let read_only = "The gateway reads; leave the clause out.";
        let foreign = "The clause is not PostgreSQL's; leave it out.";
        if !locks.is_empty() {
            return Err(refuse("FOR UPDATE/SHARE", read_only).into());
        }
        if for_clause.is_some() {
            return Err(refuse("FOR XML/JSON", foreign).into());
        }
        if settings.is_some() {
            return Err(refuse("SETTINGS", foreign).into());
        }
        if format_clause.is_some() {
            return Err(refuse("FORMAT", foreign).into());
        }
        if !pipe_operators.is_empty() {
            return Err(refuse("pipe syntax (|>)", "Use subqueries or WITH.").into());
        }
        let mut entries = Vec::new();
        let with = match with {
            Some(with) => Some(self.with(with, outer, ctes, &mut entries)?),
            None => None,
        };
        let ctes = Ctes { entries: &entries, outer: Some(ctes) };
        let (body, order_by) = match body.as_ref() {
            SetExpr::Select(select) => self.select(select, order_by.as_ref(), outer, &ctes)?,
            other => {
                let mut body = self.body(other, outer, &ctes)?;
                let target = OrderTarget::outputs(&body.columns);
                let order_by = match order_by {
                    Some(order_by) => Some(self.order_by_outputs(order_by, &target)?),
                    None => None,
                };
                if order_by.is_some() {
                    let all = body.columns.clone();
                    for column in &mut body.columns {
                        all.iter().for_each(|other| column.lineage.absorb_influence(&other.lineage, false));
                    }
                }
                (body, order_by)
            }
        };
        let limit_clause = self.limit(limit_clause.as_ref(), fetch.as_ref())?;
        let ResolvedBody { body, columns, is_aggregate, influence } = body;
        let query = Query {
            with,
            body: Box::new(body),
            order_by,
            limit_clause,
            fetch: None,
            locks: Vec::new(),
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators: Vec::new(),
        };
        Ok(ResolvedQuery { query, columns, is_aggregate, influence })
    }

    /// A query body without ORDER BY or LIMIT.
    pub(super) fn body(
        &mut self,
        body: &SetExpr,
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Result<ResolvedBody, ResolveError> {
        // Chains of set operations lean to the left and may be long.
        let mut chain = Vec::new();
        let mut leftmost = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = leftmost {
            let quantifier = check_quantifier(*op, *set_quantifier)?;
            if quantifier == SetQuantifier::All && *op != SetOperator::Union {
                // The embedded engine keeps a row as often as it is on the left, whatever is on the right.
                let hint = "Leave ALL out, or use EXISTS; over one PostgreSQL source it works.";
                self.upstream_only(format!("{op} ALL over files"), hint, None)?;
            }
            chain.push((*op, quantifier, right));
            leftmost = left;
        }
        let mut result = self.nested(|this| this.body_here(leftmost, outer, ctes))?;
        for (op, quantifier, right) in chain.into_iter().rev() {
            let right = self.nested(|this| this.body(right, outer, ctes))?;
            result = combine(result, op, quantifier, right)?;
        }
        Ok(result)
    }

    fn body_here(&mut self, body: &SetExpr, outer: &Scope<'_>, ctes: &Ctes<'_>) -> Result<ResolvedBody, ResolveError> {
        let read_only = "The gateway only reads: use SELECT.";
        match body {
            SetExpr::Select(select) => self.select(select, None, outer, ctes).map(|(body, _)| body),
            SetExpr::Query(query) => {
                let ResolvedQuery { query, columns, is_aggregate, influence } = self.query(query, outer, ctes)?;
                Ok(ResolvedBody { body: SetExpr::Query(Box::new(query)), columns, is_aggregate, influence })
            }
            SetExpr::SetOperation { .. } => self.body(body, outer, ctes),
            SetExpr::Values(values) => self.values(values, outer, ctes),
            SetExpr::Table(table) => {
                let select = table_select(table)?;
                self.select(&select, None, outer, ctes).map(|(body, _)| body)
            }
            SetExpr::Insert(_) => Err(refuse("INSERT in a query", read_only).into()),
            SetExpr::Update(_) => Err(refuse("UPDATE in a query", read_only).into()),
            SetExpr::Delete(_) => Err(refuse("DELETE in a query", read_only).into()),
            SetExpr::Merge(_) => Err(refuse("MERGE in a query", read_only).into()),
        }
    }

    fn values(&mut self, values: &Values, outer: &Scope<'_>, ctes: &Ctes<'_>) -> Result<ResolvedBody, ResolveError> {
        let Values { explicit_row, value_keyword, rows } = values;
        if *explicit_row || *value_keyword {
            return Err(refuse("VALUES ROW(...)", "Write VALUES (...), (...).").into());
        }
        let windows = BTreeMap::new();
        let empty = Namespace::default();
        let scope = Scope { namespace: &empty, outer: Some(outer) };
        let ctx = Ctx {
            scope: &scope,
            ctes,
            place: Place::Output,
            argument: false,
            no_aggregates: Some("VALUES"),
            no_windows: Some("VALUES"),
            row: false,
            windows: &windows,
        };
        let mut width = None;
        let mut lineages: Vec<Lineage> = Vec::new();
        let mut written = Vec::new();
        for row in rows {
            let Parens { opening_token: _, content, closing_token: _ } = row;
            if *width.get_or_insert(content.len()) != content.len() {
                return Err(ResolveFault::Syntax("VALUES lists must all be the same length".into()).into());
            }
            lineages.resize(content.len(), Lineage::default());
            let mut exprs = Vec::new();
            for (expr, lineage) in content.iter().zip(&mut lineages) {
                let mut facts = Facts::default();
                let expr = self.expr(expr, ctx, &mut facts)?;
                self.no_table_row(&expr)?;
                exprs.push(expr);
                lineage.absorb(&facts.lineage);
            }
            written.push(Parens {
                opening_token: AttachedToken::empty(),
                content: exprs,
                closing_token: AttachedToken::empty(),
            });
        }
        let columns = (1_usize..)
            .zip(lineages)
            .map(|(n, lineage)| QueryColumn {
                name: format!("column{n}"),
                engine: format!("column{n}"),
                lineage,
                sql_type: None,
            })
            .collect();
        let body = SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: written });
        Ok(ResolvedBody { body, columns, is_aggregate: false, influence: Lineage::default() })
    }

    fn limit(
        &mut self,
        limit: Option<&LimitClause>,
        fetch: Option<&Fetch>,
    ) -> Result<Option<LimitClause>, ResolveError> {
        let (mut count, offset) = match limit {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(refuse("LIMIT BY", "Use row_number() in a subquery.").into());
                }
                (limit.as_ref(), offset.as_ref())
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(refuse("LIMIT offset, count", "Write LIMIT count OFFSET offset.").into());
            }
        };
        let one = Expr::Value(Value::Number("1".into(), false).into());
        if let Some(Fetch { with_ties, percent, quantity }) = fetch {
            if *with_ties {
                return Err(refuse("FETCH ... WITH TIES", "Use rank() in a subquery.").into());
            }
            if *percent {
                return Err(refuse("FETCH ... PERCENT", "Give a number of rows.").into());
            }
            if count.is_some() {
                return Err(ResolveFault::Syntax("multiple LIMIT clauses not allowed".into()).into());
            }
            count = Some(quantity.as_ref().unwrap_or(&one));
        }
        let limit = match count {
            Some(count) => Some(self.row_count(count)?),
            None => None,
        };
        let offset = match offset {
            Some(Offset { value, rows: _ }) => Some(Offset { value: self.row_count(value)?, rows: OffsetRows::None }),
            None => None,
        };
        if limit.is_none() && offset.is_none() {
            return Ok(None);
        }
        Ok(Some(LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() }))
    }

    /// An expression of LIMIT or OFFSET: it sees no column.
    fn row_count(&mut self, expr: &Expr) -> Result<Expr, ResolveError> {
        let (windows, namespace) = (BTreeMap::new(), Namespace::default());
        let scope = Scope { namespace: &namespace, outer: None };
        let ctx = Ctx {
            scope: &scope,
            ctes: &Ctes::NONE,
            place: Place::Predicate,
            argument: false,
            no_aggregates: Some("LIMIT"),
            no_windows: Some("LIMIT"),
            row: false,
            windows: &windows,
        };
        self.expr(expr, ctx, &mut Facts::default())
    }
}

/// `TABLE name` as the SELECT that it stands for. The parser does not keep the name's quotes.
fn table_select(table: &Table) -> Result<Select, ResolveError> {
    let Table { table_name, schema_name } = table;
    let parts: Vec<&String> = schema_name.iter().chain(table_name.iter()).collect();
    let is_folded = parts.iter().all(|part| part.chars().all(|c| !c.is_ascii_uppercase()));
    let name = match (parts.as_slice(), is_folded) {
        ([name], true) => sqlparser::ast::ObjectName::from(vec![ident(name)]),
        ([schema, name], true) => object_name(schema, name),
        _unclear => return Err(refuse("TABLE with this name", "Write SELECT * FROM the table.").into()),
    };
    Ok(super::select::select_all_from(name))
}

pub(super) fn check_quantifier(op: SetOperator, quantifier: SetQuantifier) -> Result<SetQuantifier, ResolveError> {
    match op {
        SetOperator::Union | SetOperator::Except | SetOperator::Intersect => {}
        SetOperator::Minus => return Err(refuse("MINUS", "Use EXCEPT.").into()),
    }
    match quantifier {
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => Ok(quantifier),
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
            Err(refuse("BY NAME in a set operation", "Give both sides the same columns in the same order.").into())
        }
    }
}

/// Puts two bodies together.
pub(super) fn combine(
    left: ResolvedBody,
    op: SetOperator,
    quantifier: SetQuantifier,
    right: ResolvedBody,
) -> Result<ResolvedBody, ResolveError> {
    if left.columns.len() != right.columns.len() {
        return Err(ResolveFault::Syntax(format!("each {op} query must have the same number of columns")).into());
    }
    let mut influence = left.influence;
    influence.absorb(&right.influence);
    let mut columns = left.columns;
    for (column, other) in columns.iter_mut().zip(&right.columns) {
        if column.sql_type != other.sql_type {
            column.sql_type = None;
        }
        match op {
            SetOperator::Union | SetOperator::Intersect => column.lineage.absorb(&other.lineage),
            SetOperator::Except | SetOperator::Minus => column.lineage.absorb_influence(&other.lineage, false),
        }
    }
    // Which rows are left depends on all columns, unless every row is kept.
    if op != SetOperator::Union {
        let all = columns.clone();
        for column in &mut columns {
            all.iter().for_each(|other| column.lineage.absorb_influence(&other.lineage, false));
        }
        for column in &all {
            influence.absorb_influence(&column.lineage, false);
        }
    }
    let body = SetExpr::SetOperation {
        left: Box::new(left.body),
        op,
        set_quantifier: quantifier,
        right: Box::new(right.body),
    };
    Ok(ResolvedBody { body, columns, is_aggregate: left.is_aggregate && right.is_aggregate, influence })
}

/// The names of a column alias list.
pub(super) fn column_aliases(columns: &[TableAliasColumnDef]) -> Result<Vec<String>, ResolveError> {
    let mut seen = BTreeSet::new();
    columns
        .iter()
        .map(|column| {
            let TableAliasColumnDef { name, data_type } = column;
            if data_type.is_some() {
                return Err(refuse("a type in a column alias list", "Leave the type out.").at(place_of(name)));
            }
            let folded = fold(name);
            if !seen.insert(folded.clone()) {
                return Err(ResolveFault::AmbiguousColumn(folded).at(place_of(name)));
            }
            Ok(folded)
        })
        .collect()
}

/// Gives the first columns the names of an alias list.
pub(super) fn rename(columns: &mut [QueryColumn], aliases: &[String], relation: &str) -> Result<(), ResolveError> {
    if aliases.is_empty() {
        return Ok(());
    }
    if aliases.len() > columns.len() {
        return Err(ResolveFault::InvalidReference(format!(
            "table \"{relation}\" has {} columns available but {} columns specified",
            columns.len(),
            aliases.len()
        ))
        .into());
    }
    let mut names = super::projection::UniqueNames::default();
    let mut aliases = aliases.iter();
    for column in columns {
        if let Some(alias) = aliases.next() {
            column.name.clone_from(alias);
        }
        column.engine = names.add(&column.name);
    }
    Ok(())
}

/// The column list of an alias in the tree: all columns, if the statement renamed some.
pub(super) fn alias_columns(aliases: &[String], columns: &[QueryColumn]) -> Vec<TableAliasColumnDef> {
    if aliases.is_empty() {
        return Vec::new();
    }
    columns.iter().map(|column| TableAliasColumnDef { name: ident(&column.engine), data_type: None }).collect()
}
