//! A governed tree in PostgreSQL's own words: functions of `pg_catalog` by their full names, the gateway's answers in
//! place of functions that ask for the session, rows as `ROW(…)`, and derived tables for `rN` and `fN`.
//!
//! The second reading ([`super::verify`]) proves the outcome: what is missed here is refused there.

use super::functions::{Form, SearchName, form, is_own_search, search_name};
use super::leak::{Barriers, guard};
use super::mask::KeyParameters;
use super::relation::{governed_factor, raw_factor};
use super::{ForwardContext, ForwardError, ROW_ALIAS};
use crate::govern::names::{column_expr, ident, parts};
use crate::govern::resolve::{is_of_upstreams, text_value};
use crate::govern::statement::{GovernedDataset, GovernedStatement, GovernedTarget};
use crate::sql::functions::lookup;
use sqlparser::ast::{
    CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, SelectItem, SetExpr, TableFactor,
    TableFunctionArgs, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// The statement's tree over the upstream's relations.
pub(super) fn statement(
    governed: &GovernedStatement,
    fences: &Barriers,
    context: &ForwardContext<'_>,
    key: KeyParameters,
) -> Result<Query, ForwardError> {
    let mut query = governed.query().clone();
    guard::insert(&mut query, &fences.guards)?;
    rows_of_outputs(&mut query);
    let mut translator =
        Translator { relations: Relations::Statement { governed, fences, key }, context: Some(context) };
    match VisitMut::visit(&mut query, &mut translator) {
        ControlFlow::Continue(()) => Ok(query),
        ControlFlow::Break(error) => Err(error),
    }
}

/// A policy's expression over the rows of the upstream's relation, which is called [`ROW_ALIAS`].
pub(super) fn policy_expression(expr: &Expr, governed: &GovernedDataset) -> Result<Expr, ForwardError> {
    let mut expr = expr.clone();
    let mut translator = Translator { relations: Relations::Policy { governed }, context: None };
    match VisitMut::visit(&mut expr, &mut translator) {
        ControlFlow::Continue(()) => Ok(expr),
        ControlFlow::Break(error) => Err(error),
    }
}

enum Relations<'a> {
    Statement { governed: &'a GovernedStatement, fences: &'a Barriers, key: KeyParameters },
    Policy { governed: &'a GovernedDataset },
}

struct Translator<'a> {
    relations: Relations<'a>,
    context: Option<&'a ForwardContext<'a>>,
}

impl VisitorMut for Translator<'_> {
    type Break = ForwardError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<ForwardError> {
        match self.relations {
            // A plain name would be an output's here, and a column of the row elsewhere.
            Relations::Policy { .. } if query.order_by.is_some() || query.with.is_some() => refuse(
                "WITH or ORDER BY in a policy's expression on a PostgreSQL source",
                "Ask the owner of the policy to leave it out.",
            ),
            Relations::Policy { .. } | Relations::Statement { .. } => ControlFlow::Continue(()),
        }
    }

    // Before its arguments: `count` of a row counts rows.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ForwardError> {
        if let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr
            && matches!(parts(name).as_deref(), Some([name]) if name == "count")
        {
            for arg in &mut list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                    as_row(arg);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ForwardError> {
        match self.translated(expr) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(other)) => {
                *expr = other;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    // Afterwards, so that what is put in is not visited again.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<ForwardError> {
        match self.relation(factor) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(other)) => {
                *factor = other;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Translator<'_> {
    fn translated(&self, expr: &mut Expr) -> Result<Option<Expr>, ForwardError> {
        Ok(match expr {
            Expr::Function(function) => self.function(function)?,
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                Some(pg_call("ceil", vec![(**expr).clone()]))
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                Some(pg_call("floor", vec![(**expr).clone()]))
            }
            // The forms with commas are plain calls.
            Expr::Substring { expr, substring_from: Some(from), substring_for, special, shorthand }
                if *special || *shorthand =>
            {
                let mut args = vec![(**expr).clone(), (**from).clone()];
                args.extend(substring_for.as_ref().map(|count| (**count).clone()));
                Some(pg_call(if *shorthand { "substr" } else { "substring" }, args))
            }
            Expr::Identifier(name) => match (&self.relations, name.quote_style, name.value.as_str()) {
                (Relations::Statement { .. }, None, "current_role") => Some(self.session("current_role")?),
                (Relations::Statement { .. }, ..) => None,
                (Relations::Policy { .. }, ..) => Some(column_expr(ROW_ALIAS, &crate::govern::names::fold(name))),
            },
            Expr::Cast { data_type, .. } => castable(data_type)?,
            Expr::TypedString(typed) => castable(&typed.data_type)?,
            _as_it_is => None,
        })
    }

    fn function(&self, function: &mut Function) -> Result<Option<Expr>, ForwardError> {
        let written = parts(&function.name).unwrap_or_default();
        let [name] = written.as_slice() else { return Err(ForwardError::Broken("a function with a qualified name")) };
        let quoted =
            function.name.0.first().and_then(|part| part.as_ident()).is_some_and(|ident| ident.quote_style.is_some());
        if lookup(name).is_some_and(|function| function.system) {
            let no_args = match &function.args {
                FunctionArguments::None => true,
                FunctionArguments::List(list) => list.args.is_empty(),
                FunctionArguments::Subquery(_) => false,
            };
            return if no_args { self.session(name).map(Some) } else { Err(session_refused(name)) };
        }
        if name == "named_struct" {
            return Err(not_supported(
                "a whole row inside of a subquery on a PostgreSQL source",
                "Name the columns, or select the row in the outermost select list.",
            ));
        }
        match form(name) {
            Some(Form::Syntax) if !quoted => Ok(None),
            Some(Form::Function) => {
                if let FunctionArguments::List(list) = &function.args {
                    searches_by_own(name, &list.args)?;
                }
                function.name = pg_name(name);
                Ok(None)
            }
            Some(Form::Syntax) | None => Err(not_supported(
                &format!("function {name} on a PostgreSQL source"),
                "Functions of PostgreSQL 15 can be called there, if they are on the gateway's list.",
            )),
        }
    }

    /// What the gateway answers for its own session.
    fn session(&self, name: &str) -> Result<Expr, ForwardError> {
        let value = self.context.and_then(|context| context.session.get(name)).ok_or_else(|| session_refused(name))?;
        Ok(Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Value(text_value(value).into())),
            data_type: DataType::Custom(pg_name(if name == "version" { "text" } else { "name" }), Vec::new()),
            array: false,
            format: None,
        })
    }

    fn relation(&self, factor: &mut TableFactor) -> Result<Option<TableFactor>, ForwardError> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let written = parts(name).unwrap_or_default();
                let [schema, key] = written.as_slice() else { return Ok(None) };
                let alias = alias.as_ref().ok_or(ForwardError::Broken("a relation without an alias"))?;
                match &self.relations {
                    Relations::Statement { governed, fences, key: parameters }
                        if schema == GovernedStatement::RELATION_SCHEMA =>
                    {
                        let found = governed.relations().iter().find(|relation| relation.key == *key);
                        match (found.map(|relation| &relation.target), fences.get(key)) {
                            (Some(GovernedTarget::Dataset(dataset)), Some(fenced)) => {
                                governed_factor(dataset, alias, fenced, *parameters).map(Some)
                            }
                            _other => Err(ForwardError::Mixed),
                        }
                    }
                    Relations::Policy { governed } if schema == GovernedStatement::RAW_SCHEMA => {
                        let raw = governed.raw_relations.get(key);
                        let raw = raw.ok_or(ForwardError::Broken("an unknown relation in a policy's expression"))?;
                        if raw.source == governed.dataset.source {
                            raw_factor(raw, alias).map(Some)
                        } else {
                            Err(ForwardError::Mixed)
                        }
                    }
                    Relations::Statement { .. } | Relations::Policy { .. } => {
                        Err(ForwardError::Broken("a relation that is not governed"))
                    }
                }
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                match parts(name).as_deref() {
                    Some([function]) if form(function) == Some(Form::Function) => *name = pg_name(function),
                    _other => {
                        return Err(not_supported(
                            &format!("function {name} in FROM on a PostgreSQL source"),
                            "Use a function that gives a set, such as generate_series or unnest.",
                        ));
                    }
                }
                Ok(None)
            }
            // Of several arrays it is syntax of PostgreSQL's grammar, of one a function.
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => match array_exprs.as_slice() {
                [array] => {
                    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(array.clone()))];
                    Ok(Some(TableFactor::Table {
                        name: pg_name("unnest"),
                        alias: alias.clone(),
                        args: Some(TableFunctionArgs { args, settings: None }),
                        with_hints: Vec::new(),
                        version: None,
                        with_ordinality: *with_ordinality,
                        partitions: Vec::new(),
                        json_path: None,
                        sample: None,
                        index_hints: Vec::new(),
                    }))
                }
                _several => Ok(None),
            },
            _derived_or_joined => Ok(None),
        }
    }
}

/// Refuses a text search by a configuration or dictionary that is not PostgreSQL's own.
fn searches_by_own(name: &str, args: &[FunctionArg]) -> Result<(), ForwardError> {
    let Some(which) = search_name(name, args.len()) else { return Ok(()) };
    let mut first = match args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr),
        _named => None,
    };
    while let Some(Expr::Nested(inner)) = first {
        first = Some(inner);
    }
    let is_own = match (first, which) {
        (Some(Expr::Value(value)), _) => value.value.clone().into_string().is_some_and(|text| is_own_search(&text)),
        (Some(Expr::Collate { .. }) | None, _) | (Some(_), SearchName::First) => false,
        (Some(_), SearchName::FirstIfUntyped) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(not_supported(
        &format!("function {name} with another configuration than PostgreSQL's own"),
        "Name one as a constant, such as 'english' or 'simple'; cast a document to text.",
    ))
}

/// Whole rows that are outputs of the statement itself.
fn rows_of_outputs(query: &mut Query) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                as_row(expr);
            }
        }
    }
}

/// `named_struct('a', x, 'b', y)` as `ROW(x, y)`: the text of a row is the same, its fields have no names.
fn as_row(expr: &mut Expr) {
    if let Expr::Function(function) = expr
        && matches!(parts(&function.name).as_deref(), Some([name]) if name == "named_struct")
        && let FunctionArguments::List(list) = &mut function.args
    {
        let args = std::mem::take(&mut list.args);
        list.args = args.into_iter().skip(1).step_by(2).collect();
        function.name = ObjectName::from(vec![Ident::new("ROW")]);
    }
}

/// Types whose values are looked up in a catalog would be looked up in the upstream's.
fn castable(data_type: &DataType) -> Result<Option<Expr>, ForwardError> {
    match data_type {
        DataType::Custom(name, modifiers) if modifiers.is_empty() && is_value_type(name) => Ok(None),
        DataType::Regclass | DataType::Custom(..) => Err(not_supported(
            &format!("type {data_type} on a PostgreSQL source"),
            "Use types of values, such as text, bigint or timestamptz.",
        )),
        DataType::Array(sqlparser::ast::ArrayElemTypeDef::SquareBracket(inner, _)) => castable(inner),
        _of_a_value => Ok(None),
    }
}

/// Whether the values of a type are nothing but what their text says.
fn is_value_type(name: &ObjectName) -> bool {
    match parts(name).as_deref() {
        Some([schema, name]) if schema == "pg_catalog" => is_of_upstreams(name),
        Some([name]) => matches!(name.as_str(), "char" | "name" | "oid"),
        _of_the_gateway => false,
    }
}

pub(super) fn pg_name(name: &str) -> ObjectName {
    ObjectName::from(vec![Ident::new("pg_catalog"), ident(name)])
}

fn pg_call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: pg_name(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn not_supported(what: &str, hint: &str) -> ForwardError {
    ForwardError::NotSupported { what: what.to_owned(), hint: hint.to_owned() }
}

fn refuse(what: &str, hint: &str) -> ControlFlow<ForwardError> {
    ControlFlow::Break(not_supported(what, hint))
}

fn session_refused(name: &str) -> ForwardError {
    not_supported(
        &format!("function {name} beside data of a PostgreSQL source"),
        "Ask for it in a statement of its own, and give its value as a parameter.",
    )
}
