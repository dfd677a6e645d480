//! Function calls: the allow-list, aggregates, windows.

use super::expr::{EXPANDED, known_window, part};
use super::projection::plain_wildcard;
use super::special::in_arguments;
use super::{Ctx, Facts, Resolver, known_type, place_of};
use crate::govern::error::{Location, ResolveError, ResolveFault, refuse};
use crate::govern::names::{column_expr, first_ident, fold, is_simple, parts};
use crate::govern::resolved::{AggregateFacts, Place};
use crate::sql::VARIADIC;
use crate::sql::functions::{self, FunctionKind, SETS};
use sqlparser::ast::{
    AccessExpr, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Value, WindowType,
    visit_expressions,
};
use std::ops::ControlFlow;
use std::rc::Rc;

/// A call, taken apart.
struct Call<'a> {
    name: String,
    quoted: bool,
    kind: FunctionKind,
    at: Option<Location>,
    function: &'a Function,
}

impl Resolver<'_> {
    /// The kind of an allow-listed function; it is noted as used.
    pub(super) fn allowed(&mut self, name: &str, at: Option<Location>) -> Result<FunctionKind, ResolveError> {
        let Some(function) = functions::lookup(name) else {
            let suggestion = functions::suggest(name).map(str::to_owned);
            return Err(ResolveFault::UndefinedFunction { name: name.to_owned(), suggestion }.at(at));
        };
        if function.system && self.policy.is_some() {
            let what = format!("function {name} in a policy's expression");
            return Err(refuse(what, "Give the value as a parameter.").at(at));
        }
        if function.upstream {
            self.upstream_only(format!("function {name} over files"), "It works over one PostgreSQL source.", at)?;
        }
        self.vectors |= known_type::gives_vector(name);
        self.functions.insert(name.to_owned());
        Ok(function.kind)
    }

    pub(super) fn function(
        &mut self,
        function: &Function,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args: _,
            filter: _,
            null_treatment: _,
            over: _,
            within_group: _,
        } = function;
        let at = first_ident(name).and_then(place_of);
        if *uses_odbc_syntax {
            return Err(refuse("ODBC escape syntax", "Call the function plainly.").at(at));
        }
        match parameters {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) | FunctionArguments::List(_) => {
                return Err(refuse("a call with two argument lists", "Give one list of arguments.").at(at));
            }
        }
        let written = parts(name).unwrap_or_default();
        let plain_name = match written.as_slice() {
            [plain] => plain.clone(),
            [schema, plain] if schema == "pg_catalog" => plain.clone(),
            _qualified => {
                return Err(ResolveFault::UndefinedFunction { name: written.join("."), suggestion: None }.at(at));
            }
        };
        if plain_name == "row" {
            return self.row(function, ctx, facts);
        }
        // A name behind a schema is never syntax either.
        let quoted = written.len() > 1 || first_ident(name).is_some_and(|first| first.quote_style.is_some());
        let is_array_query = plain_name == "array" && matches!(&function.args, FunctionArguments::Subquery(_));
        let kind = if is_array_query && !quoted {
            // `ARRAY(SELECT …)` is syntax.
            FunctionKind::Scalar
        } else {
            self.allowed(&plain_name, at)?
        };
        if plain_name == "ts_rewrite" && argument_count(function) != 3 {
            return Err(
                refuse("this form of ts_rewrite", "Give it three arguments: none of them is run as SQL.").at(at)
            );
        }
        let normal_form = normal_form(&plain_name, quoted, function);
        let function = normal_form.as_ref().unwrap_or(function);
        let quoted = quoted || normal_form.is_some();
        let call = Call { name: plain_name, quoted, kind, at, function };
        match (&function.over, call.kind) {
            (_, FunctionKind::Table) => self.inner_set(&call, ctx, facts),
            (Some(over), FunctionKind::Window | FunctionKind::Aggregate) => self.window(&call, over, ctx, facts),
            (Some(_), FunctionKind::Scalar) => Err(ResolveFault::Syntax(format!(
                "OVER specified, but {} is not a window function nor an aggregate function",
                call.name
            ))
            .at(at)),
            // What place a value would have among those of a group.
            (None, FunctionKind::Window) if !function.within_group.is_empty() => {
                let what = format!("{} WITHIN GROUP over files", call.name);
                self.upstream_only(what, "Count the rows that come before.", at)?;
                self.aggregate(&call, ctx, facts)
            }
            (None, FunctionKind::Window) => {
                Err(ResolveFault::Syntax(format!("window function {} requires an OVER clause", call.name)).at(at))
            }
            (None, FunctionKind::Aggregate) => self.aggregate(&call, ctx, facts),
            (None, FunctionKind::Scalar) => self.scalar(&call, ctx, facts),
        }
    }

    /// A function that gives a set as a whole output, such as `unnest(indkey)` or `(_pg_expandarray(indkey)).n`. `None`:
    /// it is something else. Along columns of datasets in files such functions stand in FROM alone.
    pub(super) fn set(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Option<Expr>, ResolveError> {
        let (function, field) = match expr {
            Expr::Function(function) => (function, None),
            Expr::CompoundFieldAccess { root, access_chain } => match (root.as_ref(), access_chain.as_slice()) {
                (Expr::Nested(inner), [AccessExpr::Dot(Expr::Identifier(field))]) => match inner.as_ref() {
                    Expr::Function(function) => (function, Some(fold(field))),
                    _value => return Ok(None),
                },
                _chain => return Ok(None),
            },
            _value => return Ok(None),
        };
        let name = match parts(&function.name).as_deref() {
            Some([name]) if name != "_pg_expandarray" => name.clone(),
            Some([schema, name]) if (name == "_pg_expandarray") == (schema == "information_schema") => name.clone(),
            _other => return Ok(None),
        };
        let is_expanded = name == "_pg_expandarray";
        let fields = if is_expanded { &EXPANDED[..] } else { functions::parts_of(&name) };
        let of_upstreams =
            functions::lookup(&name).is_some_and(|known| known.upstream && known.kind == FunctionKind::Table);
        if !(of_upstreams || SETS.contains(&name.as_str()))
            || field.as_ref().is_some_and(|field| !fields.contains(&field.as_str()))
            || functions::is_record(&name)
        {
            return Ok(None);
        }
        let at = first_ident(&function.name).and_then(place_of);
        let Function {
            name: _,
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(list),
            filter: None,
            null_treatment: None,
            over: None,
            within_group,
        } = function
        else {
            return Ok(None);
        };
        if !within_group.is_empty() || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Ok(None);
        }
        let kind = self.allowed(&name, at)?;
        let call = Call { name, quoted: false, kind, at, function };
        let inside = Ctx {
            no_aggregates: Some("arguments of a function that gives a set"),
            no_windows: Some("arguments of a function that gives a set"),
            ..in_arguments(ctx)
        };
        let mut own = Facts::default();
        let args = self.arguments(&call, list, inside, &mut own)?;
        if !own.lineage.sources().is_empty() || (call.name == "generate_series" && !is_along_array(&args)) {
            if !is_expanded {
                let what = format!("function {} outside of FROM over files", call.name);
                self.upstream_only(what, "Call it in FROM.", at)?;
            } else {
                let what = format!("function {} outside of FROM", call.name);
                return Err(refuse(what, "Call it in FROM.").at(at));
            }
        }
        facts.absorb(own);
        facts.sets = true;
        let written = call.written(FunctionArguments::List(args));
        Ok(Some(match field {
            Some(field) => part(written, &field),
            None => written,
        }))
    }

    /// A function that gives a set inside of an expression: PostgreSQL alone takes it there, or says why not.
    fn inner_set(&mut self, call: &Call<'_>, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let what = format!("function {} outside of FROM", call.name);
        if matches!(call.name.as_str(), "_pg_expandarray" | "pg_partition_ancestors")
            || functions::is_record(&call.name)
            || call.function.over.is_some()
        {
            return Err(refuse(what, "Call it in FROM.").at(call.at));
        }
        self.upstream_only(format!("{what} over files"), "Call it in FROM.", call.at)?;
        facts.sets = true;
        self.scalar(call, ctx, facts)
    }

    /// `ROW(a, b)` is `(a, b)`, and `ROW(t.*)` names the columns.
    fn row(&mut self, function: &Function, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let plain = function.filter.is_none()
            && function.over.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty();
        let mut exprs = Vec::new();
        if let (FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses }), true) =
            (&function.args, plain)
            && clauses.is_empty()
        {
            let mut is_read = true;
            for arg in args {
                match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                        exprs.push(self.expr(expr, ctx.plain(), facts)?);
                    }
                    FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
                        let relation = self.qualifier(name, ctx)?;
                        for (at, column) in relation.columns.iter().enumerate() {
                            facts.lineage.absorb(&column.lineage);
                            self.mark(&[(Rc::clone(&relation), at)], ctx.place, ctx.argument, false);
                            exprs.push(column_expr(&relation.alias, &column.engine));
                        }
                    }
                    FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_))
                    | FunctionArg::Named { .. }
                    | FunctionArg::ExprNamed { .. } => is_read = false,
                }
            }
            if is_read {
                if exprs.len() > 1 {
                    return Ok(Expr::Tuple(exprs));
                }
                let hint = "Give it two or more values; fewer work over one PostgreSQL source.";
                self.upstream_only("this form of ROW(...) over files", hint, None)?;
                return Ok(super::join::call("ROW", exprs));
            }
        }
        Err(refuse("this form of ROW(...)", "Give it two or more plain values.").into())
    }

    fn scalar(&mut self, call: &Call<'_>, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let function = call.function;
        if function.filter.is_some() {
            return Err(ResolveFault::Syntax(format!(
                "FILTER specified, but {} is not an aggregate function",
                call.name
            ))
            .at(call.at));
        }
        if !function.within_group.is_empty() || function.null_treatment.is_some() {
            return Err(refuse(format!("WITHIN GROUP or IGNORE NULLS of {}", call.name), "Leave it out.").at(call.at));
        }
        let args = match &function.args {
            FunctionArguments::None => FunctionArguments::None,
            FunctionArguments::Subquery(query) if call.name == "array" => {
                FunctionArguments::Subquery(Box::new(self.one_column(query, in_arguments(ctx), facts)?))
            }
            FunctionArguments::Subquery(_) => {
                return Err(refuse(
                    format!("a subquery as the arguments of {}", call.name),
                    "Put it into parentheses.",
                )
                .at(call.at));
            }
            FunctionArguments::List(list) => {
                let FunctionArgumentList { duplicate_treatment, args: _, clauses } = list;
                if duplicate_treatment.is_some() || !clauses.is_empty() {
                    let text =
                        format!("DISTINCT or ORDER BY specified, but {} is not an aggregate function", call.name);
                    return Err(ResolveFault::Syntax(text).at(call.at));
                }
                self.arguments(call, list, in_arguments(ctx), facts).map(FunctionArguments::List)?
            }
        };
        Ok(call.written(args))
    }

    fn aggregate(&mut self, call: &Call<'_>, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        if let Some(place) = ctx.no_aggregates {
            return Err(ResolveFault::Grouping(format!("aggregate functions are not allowed in {place}")).at(call.at));
        }
        let function = call.function;
        if function.null_treatment.is_some() {
            return Err(refuse("IGNORE NULLS of an aggregate", "Use FILTER (WHERE x IS NOT NULL).").at(call.at));
        }
        let inside = Ctx {
            no_aggregates: Some("arguments of an aggregate function"),
            no_windows: Some("arguments of an aggregate function"),
            ..in_arguments(ctx)
        };
        let mut own = Facts::default();
        let written = self.aggregate_parts(call, inside, &mut own)?;
        if is_of_outer_query(&written, ctx) {
            // It tells which columns of the enclosing block are in its set of keys, and aggregates nothing.
            if call.name == "grouping" {
                let hint = "Group in the query block that the columns belong to; over one PostgreSQL source it works.";
                self.upstream_only("grouping over columns of an outer query over files", hint, call.at)?;
                facts.absorb(own);
                return Ok(Expr::Function(written));
            }
            let what = format!("{} over columns of an outer query alone", call.name);
            return Err(refuse(what, "Aggregate in the query block that the columns belong to.").at(call.at));
        }
        facts.lineage.absorb_aggregated(&own.lineage);
        facts.aggregates.push(aggregate_facts(&call.name, &written));
        Ok(Expr::Function(written))
    }

    /// Arguments, FILTER and WITHIN GROUP of an aggregate.
    fn aggregate_parts(&mut self, call: &Call<'_>, inside: Ctx<'_>, own: &mut Facts) -> Result<Function, ResolveError> {
        let function = call.function;
        let FunctionArguments::List(list) = &function.args else {
            return Err(ResolveFault::UndefinedFunction { name: call.name.clone(), suggestion: None }.at(call.at));
        };
        let args = self.arguments(call, list, inside, own)?;
        let filter = match &function.filter {
            Some(condition) => {
                let ctx = Ctx { argument: false, ..inside.at(Place::Predicate) };
                Some(self.boxed(condition, ctx, own)?)
            }
            None => None,
        };
        let within_group = self.sort_keys(&function.within_group, inside, own)?;
        Ok(Function {
            name: call.name(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(args),
            filter,
            null_treatment: None,
            over: None,
            within_group,
        })
    }

    fn window(
        &mut self,
        call: &Call<'_>,
        over: &WindowType,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveError> {
        if let Some(place) = ctx.no_windows {
            return Err(ResolveFault::Grouping(format!("window functions are not allowed in {place}")).at(call.at));
        }
        facts.windows = true;
        // Arguments may hold aggregates of the block, not window functions.
        let inside = Ctx { no_windows: Some("arguments of a window function"), ..in_arguments(ctx) };
        let mut written = self.aggregate_parts(call, inside, facts)?;
        written.null_treatment = call.function.null_treatment;
        written.over = Some(match over {
            WindowType::WindowSpec(spec) => WindowType::WindowSpec(self.window_spec(spec, ctx, facts)?),
            WindowType::NamedWindow(name) => WindowType::NamedWindow(known_window(name, ctx, facts)?),
        });
        Ok(Expr::Function(written))
    }

    fn arguments(
        &mut self,
        call: &Call<'_>,
        list: &FunctionArgumentList,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<FunctionArgumentList, ResolveError> {
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        let is_count = call.name == "count";
        let arg_ctx = Ctx { row: is_count, ..ctx };
        let mut written = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let arg = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Prefixed { prefix, value }))
                    if prefix.value == VARIADIC
                        && at.saturating_add(1) == args.len()
                        && call.kind == FunctionKind::Scalar =>
                {
                    let hint = "Give the values one by one; over one PostgreSQL source it works.";
                    self.upstream_only("VARIADIC over files", hint, call.at)?;
                    let value = self.boxed(value, ctx, facts)?;
                    let prefix = Ident::new(VARIADIC);
                    written.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Prefixed { prefix, value })));
                    continue;
                }
                FunctionArg::Unnamed(arg) => arg,
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(value),
                    operator: operator @ (FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment),
                } => {
                    let hint = "Give the arguments in their order.";
                    self.upstream_only("an argument by name over files", hint, call.at)?;
                    written.push(FunctionArg::Named {
                        name: crate::govern::names::ident(&fold(name)),
                        arg: FunctionArgExpr::Expr(self.expr(value, arg_ctx, facts)?),
                        operator: operator.clone(),
                    });
                    continue;
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return Err(refuse("an argument by name", "Give the arguments in their order.").at(call.at));
                }
            };
            let arg = match arg {
                FunctionArgExpr::Expr(expr) => FunctionArgExpr::Expr(self.expr(expr, arg_ctx, facts)?),
                FunctionArgExpr::Wildcard if is_count => FunctionArgExpr::Wildcard,
                FunctionArgExpr::WildcardWithOptions(options) if is_count => {
                    plain_wildcard(options)?;
                    FunctionArgExpr::Wildcard
                }
                FunctionArgExpr::QualifiedWildcard(name) => {
                    let relation = self.qualifier(name, ctx)?;
                    let namespace = ctx.scope.relation(None, &relation.name)?.map(|(_, namespace)| namespace);
                    let namespace = namespace.unwrap_or(ctx.scope.namespace);
                    let row =
                        self.whole_row(&relation, namespace, arg_ctx, facts).map_err(|fault| fault.at(call.at))?;
                    FunctionArgExpr::Expr(row)
                }
                FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                    return Err(refuse(format!("* as an argument of {}", call.name), "Name the columns.").at(call.at));
                }
            };
            written.push(FunctionArg::Unnamed(arg));
        }
        let clauses = clauses
            .iter()
            .map(|clause| match clause {
                FunctionArgumentClause::OrderBy(keys) => {
                    self.sort_keys(keys, ctx, facts).map(FunctionArgumentClause::OrderBy)
                }
                FunctionArgumentClause::IgnoreOrRespectNulls(_)
                | FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::Separator(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    Err(refuse(format!("a clause in the arguments of {}", call.name), "Leave it out.").at(call.at))
                }
            })
            .collect::<Result<_, _>>()?;
        let duplicate_treatment = match duplicate_treatment {
            Some(DuplicateTreatment::Distinct) => Some(DuplicateTreatment::Distinct),
            Some(DuplicateTreatment::All) | None => None,
        };
        Ok(FunctionArgumentList { duplicate_treatment, args: written, clauses })
    }
}

impl Call<'_> {
    /// The name for the tree. Quotes are kept where the plain word would be read as syntax.
    fn name(&self) -> ObjectName {
        let is_syntax = self.quoted && SYNTAX.contains(&self.name.as_str());
        let name = if is_simple(&self.name) && !is_syntax {
            Ident::new(&self.name)
        } else {
            Ident::with_quote('"', &self.name)
        };
        ObjectName::from(vec![name])
    }

    fn written(&self, args: FunctionArguments) -> Expr {
        Expr::Function(Function {
            name: self.name(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args,
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        })
    }
}

/// Functions whose plain name the parser reads as syntax of its own.
const SYNTAX: &[&str] = &[
    "array",
    "cast",
    "ceil",
    "convert",
    "current_catalog",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "exists",
    "extract",
    "floor",
    "interval",
    "localtime",
    "localtimestamp",
    "normalize",
    "overlay",
    "position",
    "session_user",
    "substr",
    "substring",
    "trim",
    "user",
];

fn argument_count(function: &Function) -> usize {
    match &function.args {
        FunctionArguments::List(list) => list.args.len(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => 0,
    }
}

/// `normalize(text, NFC)` as a plain call with a text: the word is syntax.
fn normal_form(name: &str, quoted: bool, function: &Function) -> Option<Function> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let [text, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(form)))] = list.args.as_slice() else {
        return None;
    };
    let word = form.value.to_ascii_uppercase();
    let is_form = matches!(word.as_str(), "NFC" | "NFD" | "NFKC" | "NFKD");
    if name != "normalize" || quoted || form.quote_style.is_some() || !is_form {
        return None;
    }
    let form = Expr::Value(Value::SingleQuotedString(word).into());
    let args = vec![text.clone(), FunctionArg::Unnamed(FunctionArgExpr::Expr(form))];
    let args = FunctionArguments::List(FunctionArgumentList { args, ..list.clone() });
    Some(Function { args, ..function.clone() })
}

/// Whether a series runs along an array: `generate_series(array_lower(a, 1), array_upper(a, 1))`.
fn is_along_array(list: &FunctionArgumentList) -> bool {
    let is_bound = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(Function { name, .. }))) => {
            matches!(parts(name).as_deref(), Some([name]) if name == "array_lower" || name == "array_upper")
        }
        _other => false,
    };
    list.args.len() == 2 && list.args.iter().all(is_bound)
}

/// Whether an aggregate names columns of enclosing blocks and none of its own: by the standard it then belongs to the
/// enclosing block, and engines differ in that.
fn is_of_outer_query(function: &Function, ctx: Ctx<'_>) -> bool {
    let mut own = false;
    let mut outer = false;
    let named = |alias: &Ident| {
        ctx.scope
            .chain()
            .position(|scope| scope.namespace.relations.iter().any(|relation| relation.alias == alias.value))
    };
    let _ = visit_expressions(function, |expr| -> ControlFlow<()> {
        let first = match expr {
            Expr::CompoundIdentifier(names) => names.first(),
            // A whole row.
            Expr::Identifier(name) => Some(name),
            _other => None,
        };
        if let Some(at) = first.and_then(named) {
            own |= at == 0;
            outer |= at > 0;
        }
        ControlFlow::Continue(())
    });
    outer && !own
}

/// What is to be known of an aggregate call. It is plain if it is over plain columns and constants alone, without FILTER
/// or an order.
fn aggregate_facts(name: &str, function: &Function) -> AggregateFacts {
    let mut facts = AggregateFacts { name: name.to_owned(), plain: false, distinct: false, columns: Vec::new() };
    let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = &function.args else {
        return facts;
    };
    facts.distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
    facts.plain = clauses.is_empty() && function.filter.is_none() && function.within_group.is_empty();
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => match expr {
                Expr::CompoundIdentifier(_) => facts.columns.push(expr.clone()),
                Expr::Value(_) => {}
                _computed => facts.plain = false,
            },
            FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_))
            | FunctionArg::Named { .. }
            | FunctionArg::ExprNamed { .. } => facts.plain = false,
        }
    }
    facts
}
