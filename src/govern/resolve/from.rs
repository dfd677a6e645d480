//! FROM: tables, derived tables, table functions.

use super::known_type::{is_vector, type_of};
use super::query::{QueryColumn, ResolvedQuery};
use super::relation::{Brought, WrittenAlias, table_factor};
use super::{Ctx, Facts, Place, Resolver, data_type, place_of};
use crate::govern::error::{Location, ResolveError, ResolveFault, refuse};
use crate::govern::lineage::Lineage;
use crate::govern::names::{first_ident, fold, ident, parts};
use crate::govern::resolved::BlockFacts;
use crate::govern::scope::{Ctes, Namespace, Scope};
use crate::sql::functions::{self, FunctionKind, lookup};
use crate::types::SqlType;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectName, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
    TableWithJoins,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is gathered while one block's FROM clause is read.
pub(super) struct FromState<'s> {
    /// The enclosing scope.
    pub(super) outer: &'s Scope<'s>,
    pub(super) ctes: &'s Ctes<'s>,
    /// Aliases that the tree can not use again.
    pub(super) taken: BTreeSet<String>,
    /// What chose the rows.
    pub(super) influence: Lineage,
    pub(super) block: BlockFacts,
    /// Relations of any kind.
    pub(super) items: usize,
}

/// A FROM clause, resolved.
pub(super) struct ResolvedFrom {
    pub(super) items: Vec<TableWithJoins>,
    pub(super) namespace: Namespace,
    pub(super) influence: Lineage,
    pub(super) block: BlockFacts,
}

impl Resolver<'_> {
    pub(super) fn from(
        &mut self,
        from: &[TableWithJoins],
        outer: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Result<ResolvedFrom, ResolveError> {
        let taken = outer
            .chain()
            .flat_map(|scope| scope.namespace.relations.iter())
            .map(|relation| relation.alias.clone())
            .collect();
        let mut state =
            FromState { outer, ctes, taken, influence: Lineage::default(), block: BlockFacts::default(), items: 0 };
        let mut namespace = Namespace::default();
        let mut items = Vec::new();
        for item in from {
            let (written, added) = self.table_with_joins(item, &namespace, &mut state)?;
            namespace.join(added)?;
            items.push(written);
        }
        state.block.others = state.items.saturating_sub(state.block.relations.len());
        Ok(ResolvedFrom { items, namespace, influence: state.influence, block: state.block })
    }

    /// One item of FROM. `lateral`: what LATERAL items and table functions in it can see.
    pub(super) fn factor(
        &mut self,
        factor: &TableFactor,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        self.nested(|this| this.factor_here(factor, lateral, state))
    }

    fn factor_here(
        &mut self,
        factor: &TableFactor,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        let subquery = "Use a subquery.";
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let at = first_ident(name).and_then(place_of);
                let refused = [
                    (!with_hints.is_empty(), "WITH (...) after a table", "Leave the hint out."),
                    (version.is_some(), "a table version", "Leave FOR SYSTEM_TIME or VERSION out."),
                    (!partitions.is_empty(), "PARTITION (...)", "Filter by the partition's column in WHERE."),
                    (json_path.is_some(), "a path into a table", subquery),
                    (sample.is_some(), "TABLESAMPLE", "Use ORDER BY random() LIMIT n."),
                    (!index_hints.is_empty(), "an index hint", "Leave the hint out."),
                    (is_only(name, alias.as_ref()), "ONLY", "There is no inheritance between tables: leave ONLY out."),
                ];
                for (found, what, hint) in refused {
                    if found {
                        return Err(refuse(what, hint).at(at));
                    }
                }
                if *with_ordinality && !is_partition_ancestors(name) {
                    self.with_ordinality()?;
                }
                state.items = state.items.saturating_add(1);
                match args {
                    None => self.named_relation(name, alias.as_ref(), state),
                    Some(TableFunctionArgs { args, settings }) => {
                        if settings.is_some() {
                            return Err(refuse("SETTINGS of a table function", "Leave it out.").at(at));
                        }
                        self.table_function(name, args, *with_ordinality, alias.as_ref(), lateral, state)
                    }
                }
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                if *with_ordinality {
                    self.with_ordinality()?;
                }
                state.items = state.items.saturating_add(1);
                self.table_function(name, args, *with_ordinality, alias.as_ref(), lateral, state)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                if *with_offset || with_offset_alias.is_some() {
                    return Err(refuse("WITH OFFSET", "Use row_number() OVER ().").into());
                }
                if *with_ordinality {
                    self.with_ordinality()?;
                }
                state.items = state.items.saturating_add(1);
                self.unnest(array_exprs, *with_ordinality, alias.as_ref(), lateral, state)
            }
            TableFactor::Derived { lateral: is_lateral, subquery, alias, sample } => {
                if sample.is_some() {
                    return Err(refuse("TABLESAMPLE", "Use ORDER BY random() LIMIT n.").into());
                }
                state.items = state.items.saturating_add(1);
                let scope = Scope { namespace: lateral, outer: Some(state.outer) };
                let outer = if *is_lateral { &scope } else { state.outer };
                let ResolvedQuery { query, columns, is_aggregate: _, influence } =
                    self.query(subquery, outer, state.ctes)?;
                let brought = Brought { name: String::new(), columns, influence, is_value: false };
                let (alias, namespace) = self.bring(brought, &WrittenAlias::read(alias.as_ref())?, state)?;
                let factor = TableFactor::Derived {
                    lateral: *is_lateral,
                    subquery: Box::new(query),
                    alias: Some(alias),
                    sample: None,
                };
                Ok((factor, namespace))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                if alias.is_some() {
                    return Err(refuse(
                        "an alias on a join in parentheses",
                        "Write (SELECT ... FROM a JOIN b ...) AS name.",
                    )
                    .into());
                }
                let (written, namespace) = self.table_with_joins(table_with_joins, lateral, state)?;
                Ok((TableFactor::NestedJoin { table_with_joins: Box::new(written), alias: None }, namespace))
            }
            TableFactor::TableFunction { .. } => Err(refuse("TABLE(...)", "Name the function in FROM.").into()),
            TableFactor::JsonTable { .. } => Err(refuse("JSON_TABLE", subquery).into()),
            TableFactor::OpenJsonTable { .. } => Err(refuse("OPENJSON", subquery).into()),
            TableFactor::Pivot { .. } => Err(refuse("PIVOT", "Use aggregates with FILTER (WHERE ...).").into()),
            TableFactor::Unpivot { .. } => Err(refuse("UNPIVOT", "Use UNION ALL.").into()),
            TableFactor::MatchRecognize { .. } => Err(refuse("MATCH_RECOGNIZE", "Use window functions.").into()),
            TableFactor::XmlTable { .. } => Err(refuse("XMLTABLE", subquery).into()),
            TableFactor::SemanticView { .. } => Err(refuse("SEMANTIC_VIEW", subquery).into()),
        }
    }

    fn table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        let at = first_ident(name).and_then(place_of);
        if parts(name).is_some_and(|parts| parts.last().is_some_and(|name| functions::is_record(name))) {
            return self.record_function(name, args, ordinality, alias, lateral, state);
        }
        let function = match parts(name).as_deref() {
            Some([function]) => function.clone(),
            Some([schema, function]) if schema == "pg_catalog" => function.clone(),
            _qualified => {
                return Err(ResolveFault::UndefinedFunction { name: name.to_string(), suggestion: None }.at(at));
            }
        };
        match lookup(&function) {
            Some(known) if known.kind == FunctionKind::Table && function != "_pg_expandarray" => {}
            // Its one value is a row. How large that may be is bounded in expressions.
            Some(known)
                if known.kind == FunctionKind::Scalar
                    && !known.system
                    && known.count_argument.is_none()
                    && function != "ts_rewrite" =>
            {
                let hint = "Call it in a select list; in FROM it works over one PostgreSQL source.";
                self.upstream_only(format!("function {function} in FROM over files"), hint, at)?;
            }
            Some(_) | None => {
                let what = format!("function {function} in FROM");
                return Err(refuse(what, "Table functions that work here: generate_series, unnest.").at(at));
            }
        }
        let exprs = plain_values(args, at)?;
        if function == "unnest" {
            return self.unnest(&exprs, ordinality, alias, lateral, state);
        }
        let (args, lineage) = self.table_function_args(&exprs, lateral, state)?;
        self.allowed(&function, at)?;
        let mut alias = WrittenAlias::read(alias)?;
        let column =
            QueryColumn { name: String::new(), engine: String::new(), lineage: lineage.clone(), sql_type: None };
        // The one column of a function has the name of the relation, unless the function gives it one.
        let mut own: Vec<String> = functions::columns(&function).iter().map(|&name| name.to_owned()).collect();
        if own.is_empty() {
            own.push(alias.name.clone().unwrap_or_else(|| function.clone()));
        }
        if ordinality {
            own.push("ordinality".to_owned());
        }
        let columns = vec![column; own.len()];
        let named = alias.columns.len();
        alias.columns.extend(own.into_iter().skip(named));
        let is_value = columns.len() == 1;
        let brought = Brought { name: function.clone(), columns, influence: lineage, is_value };
        let (alias, namespace) = self.bring(brought, &alias, state)?;
        let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
        let mut factor = table_factor(ObjectName::from(vec![ident(&function)]), alias);
        if let TableFactor::Table { args: slot, with_ordinality, .. } = &mut factor {
            *slot = Some(TableFunctionArgs { args, settings: None });
            *with_ordinality = ordinality;
        }
        Ok((factor, namespace))
    }

    /// Notes the positions of a function's rows: the embedded engine has none.
    fn with_ordinality(&mut self) -> Result<(), ResolveError> {
        self.upstream_only("WITH ORDINALITY over files", "Use row_number() OVER ().", None)
    }

    /// A function whose columns are listed with their types: `json_to_record(x) AS t (a int, b text)`.
    fn record_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        let at = first_ident(name).and_then(place_of);
        let function = match parts(name).as_deref() {
            Some([function]) => function.clone(),
            Some([schema, function]) if schema == "pg_catalog" => function.clone(),
            _qualified => {
                return Err(ResolveFault::UndefinedFunction { name: name.to_string(), suggestion: None }.at(at));
            }
        };
        let hint = "Write function(...) AS name (column type, ...).";
        let listed = alias.filter(|alias| !alias.columns.is_empty() && !ordinality);
        let Some(TableAlias { explicit, name: alias_name, columns: definitions, at: index }) = listed else {
            return Err(refuse(format!("function {function} in FROM without a list of columns"), hint).at(at));
        };
        let mut types = Vec::new();
        for TableAliasColumnDef { name: _, data_type } in definitions {
            let Some(data_type) = data_type else {
                return Err(refuse(format!("a column of {function} without a type"), hint).at(at));
            };
            let data_type = data_type::data_type(data_type)?;
            self.looked_up(&data_type)?;
            types.push(data_type);
        }
        let untyped =
            definitions.iter().map(|column| TableAliasColumnDef { name: column.name.clone(), data_type: None });
        let written = WrittenAlias::read(Some(&TableAlias {
            explicit: *explicit,
            name: alias_name.clone(),
            columns: untyped.collect(),
            at: index.clone(),
        }))?;
        let exprs = plain_values(args, at)?;
        let (args, lineage) = self.table_function_args(&exprs, lateral, state)?;
        self.allowed(&function, at)?;
        let column =
            QueryColumn { name: String::new(), engine: String::new(), lineage: lineage.clone(), sql_type: None };
        let columns = vec![column; types.len()];
        let brought = Brought { name: function.clone(), columns, influence: lineage, is_value: false };
        let (mut alias, namespace) = self.bring(brought, &written, state)?;
        for ((column, data_type), name) in alias.columns.iter_mut().zip(types).zip(&written.columns) {
            // The values are looked up by the names.
            if fold(&column.name) != *name {
                return Err(refuse(format!("a column of {function} with this name"), "Give it a plain name.").at(at));
            }
            column.data_type = Some(data_type);
        }
        let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
        let mut factor = table_factor(ObjectName::from(vec![ident(&function)]), alias);
        if let TableFactor::Table { args: slot, .. } = &mut factor {
            *slot = Some(TableFunctionArgs { args, settings: None });
        }
        Ok((factor, namespace))
    }

    fn unnest(
        &mut self,
        arrays: &[Expr],
        ordinality: bool,
        alias: Option<&TableAlias>,
        lateral: &Namespace,
        state: &mut FromState<'_>,
    ) -> Result<(TableFactor, Namespace), ResolveError> {
        let (array_exprs, lineage) = self.table_function_args(arrays, lateral, state)?;
        self.functions.insert("unnest".to_owned());
        let scope = Scope { namespace: lateral, outer: Some(state.outer) };
        let own = self.unnested(&array_exprs, &scope)?;
        let mut alias = WrittenAlias::read(alias)?;
        let column =
            QueryColumn { name: "unnest".to_owned(), engine: String::new(), lineage: lineage.clone(), sql_type: None };
        if own.len() == 1 && own.len() == array_exprs.len() && alias.columns.is_empty() {
            alias.columns.extend(alias.name.clone());
        }
        let mut columns = vec![column; own.len()];
        let mut names = own.into_iter().skip(alias.columns.len());
        // Those behind the names that were written have the function's own, if any is needed in a list.
        if alias.columns.is_empty() || ordinality || columns.len() != array_exprs.len() {
            alias.columns.extend(names.by_ref());
        }
        if ordinality {
            if alias.columns.len() == columns.len() {
                alias.columns.push("ordinality".to_owned());
            }
            columns.extend(columns.first().cloned());
        }
        let is_value = columns.len() == 1;
        let brought = Brought { name: "unnest".to_owned(), columns, influence: lineage, is_value };
        let (alias, namespace) = self.bring(brought, &alias, state)?;
        let factor = TableFactor::UNNEST {
            alias: Some(alias),
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: ordinality,
        };
        Ok((factor, namespace))
    }

    /// The names of the columns that `unnest` gives: one for each array, three of a `tsvector`. What of the two a value is
    /// must be seen, wherever a statement has both.
    fn unnested(&self, arrays: &[Expr], scope: &Scope<'_>) -> Result<Vec<String>, ResolveError> {
        let types: Vec<_> = arrays.iter().map(|array| type_of(array, scope)).collect();
        let is_vector = |sql_type: &Option<SqlType>| sql_type.as_ref().is_some_and(is_vector);
        let is_array = |sql_type: &Option<SqlType>| matches!(sql_type, Some(SqlType::Array(_)));
        if let [only] = types.as_slice()
            && is_vector(only)
        {
            return Ok(["lexeme", "positions", "weights"].map(str::to_owned).into());
        }
        if types.iter().any(is_vector) || (self.vectors && !types.iter().all(is_array)) {
            let hint = "Cast it in the call: unnest(x::tsvector) or unnest(x::text[]).";
            return Err(refuse("unnest of what may be a tsvector", hint).into());
        }
        Ok(vec!["unnest".to_owned(); arrays.len()])
    }

    fn table_function_args(
        &mut self,
        args: &[Expr],
        lateral: &Namespace,
        state: &FromState<'_>,
    ) -> Result<(Vec<Expr>, Lineage), ResolveError> {
        let scope = Scope { namespace: lateral, outer: Some(state.outer) };
        let windows = BTreeMap::new();
        let ctx = Ctx {
            scope: &scope,
            ctes: state.ctes,
            place: Place::Argument,
            argument: true,
            no_aggregates: Some("functions in FROM"),
            no_windows: Some("functions in FROM"),
            row: false,
            windows: &windows,
        };
        let mut facts = Facts::default();
        let args = args.iter().map(|arg| self.expr(arg, ctx, &mut facts)).collect::<Result<_, _>>()?;
        Ok((args, facts.lineage))
    }
}

/// The arguments of a function in FROM.
fn plain_values(args: &[FunctionArg], at: Option<Location>) -> Result<Vec<Expr>, ResolveError> {
    args.iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            FunctionArg::Unnamed(
                FunctionArgExpr::Wildcard
                | FunctionArgExpr::QualifiedWildcard(_)
                | FunctionArgExpr::WildcardWithOptions(_),
            )
            | FunctionArg::Named { .. }
            | FunctionArg::ExprNamed { .. } => {
                Err(refuse("this argument of a table function", "Give plain values.").at(at))
            }
        })
        .collect()
}

/// psql asks for the ancestors of a trigger's table with their positions. No other function may have them.
fn is_partition_ancestors(name: &ObjectName) -> bool {
    match parts(name).as_deref() {
        Some([function]) => function == "pg_partition_ancestors",
        Some([schema, function]) => schema == "pg_catalog" && function == "pg_partition_ancestors",
        _other => false,
    }
}

/// `ONLY t` comes out of the parser as a table `only` with the alias `t`.
fn is_only(name: &ObjectName, alias: Option<&TableAlias>) -> bool {
    let [sqlparser::ast::ObjectNamePart::Identifier(word)] = name.0.as_slice() else { return false };
    word.quote_style.is_none() && fold(word) == "only" && alias.is_some_and(|alias| !alias.explicit)
}
