//! The select list: outputs, `*`, names as PostgreSQL gives them.

use super::known_type::is_table_row;
use super::{Ctx, Facts, Place, Resolver, place_of};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::{fold, ident, parts};
use crate::govern::scope::{NamespaceColumn, Relation};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, ObjectName, Query, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, TrimWhereField, WildcardAdditionalOptions,
};
use std::collections::BTreeSet;
use std::rc::Rc;

/// A select list, resolved.
pub(super) struct Projection {
    pub(super) items: Vec<ProjectionItem>,
}

/// One output.
pub(super) struct ProjectionItem {
    /// As PostgreSQL names it.
    pub(super) name: String,
    /// As the tree names it.
    pub(super) engine: String,
    pub(super) expr: Expr,
    pub(super) facts: Facts,
}

/// Gives names that are unique in one query.
#[derive(Default)]
pub(super) struct UniqueNames(BTreeSet<String>);

impl UniqueNames {
    /// The name, or one like it if it has been given. It has no quote or backslash in it, so that all readers agree.
    pub(super) fn add(&mut self, name: &str) -> String {
        let name = &name.replace(['"', '\\', '\''], "_");
        let name = if name.is_empty() { "_" } else { name };
        let unique = if self.0.contains(name) {
            (2_usize..).map(|n| format!("{name}_{n}")).find(|name| !self.0.contains(name)).unwrap_or_default()
        } else {
            name.to_owned()
        };
        self.0.insert(unique.clone());
        unique
    }
}

impl Projection {
    /// The output at a position that was written, from 1.
    pub(super) fn at_ordinal(&self, digits: &str, clause: &str) -> Result<&ProjectionItem, ResolveError> {
        let Ok(position) = digits.parse::<usize>() else {
            return Err(ResolveFault::Syntax(format!("non-integer constant in {clause}")).into());
        };
        position.checked_sub(1).and_then(|at| self.items.get(at)).ok_or_else(|| {
            ResolveFault::InvalidReference(format!("{clause} position {digits} is not in select list")).into()
        })
    }

    /// The output of a name, if there is one.
    pub(super) fn named(&self, name: &str, clause: &str) -> Result<Option<&ProjectionItem>, ResolveError> {
        let mut found = self.items.iter().filter(|item| item.name == name);
        let Some(first) = found.next() else { return Ok(None) };
        if found.any(|other| other.expr != first.expr) {
            return Err(ResolveFault::AmbiguousColumn(format!("{name}\" in {clause} \"{name}")).into());
        }
        Ok(Some(first))
    }

    /// The position of an output, from 1.
    pub(super) fn ordinal_of(&self, item: &ProjectionItem) -> Option<usize> {
        self.items.iter().position(|other| std::ptr::eq(other, item)).and_then(|at| at.checked_add(1))
    }

    /// The select list of the tree.
    pub(super) fn written(&self) -> Vec<SelectItem> {
        self.items
            .iter()
            .map(|item| {
                let own_name = match &item.expr {
                    Expr::CompoundIdentifier(parts) => parts.last().map(|last| last.value.as_str()),
                    _expression => None,
                };
                if own_name == Some(item.engine.as_str()) {
                    SelectItem::UnnamedExpr(item.expr.clone())
                } else {
                    SelectItem::ExprWithAlias { expr: item.expr.clone(), alias: ident(&item.engine) }
                }
            })
            .collect()
    }
}

impl Resolver<'_> {
    pub(super) fn projection(&mut self, items: &[SelectItem], base: Ctx<'_>) -> Result<Projection, ResolveError> {
        if items.is_empty() {
            self.upstream_only("an empty select list over files", "Write SELECT 1.", None)?;
        }
        let ctx = Ctx { row: true, ..base };
        let mut written = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => written.push(self.output(expr, output_name(expr), ctx)?),
                SelectItem::ExprWithAlias { expr, alias } => written.push(self.output(expr, fold(alias), ctx)?),
                SelectItem::ExprWithAliases { .. } => {
                    return Err(refuse("several aliases for one output", "Give one alias.").into());
                }
                SelectItem::Wildcard(options) => {
                    plain_wildcard(options)?;
                    self.star(base, &mut written)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    plain_wildcard(options)?;
                    let relation = self.qualifier(name, base)?;
                    self.qualified_star(&relation, &mut written)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                    return Err(refuse("(expression).*", "Name the fields.").into());
                }
            }
        }
        let mut names = UniqueNames::default();
        for item in &mut written {
            item.engine = names.add(&item.name);
        }
        Ok(Projection { items: written })
    }

    fn output(&mut self, expr: &Expr, name: String, ctx: Ctx<'_>) -> Result<ProjectionItem, ResolveError> {
        let mut facts = Facts::default();
        let expr = match self.set(expr, ctx, &mut facts)? {
            Some(set) => set,
            None => self.expr(expr, ctx, &mut facts)?,
        };
        self.no_table_row(&expr)?;
        Ok(ProjectionItem { name, engine: String::new(), expr, facts })
    }

    /// Refuses a row of a table as a value that is to be seen.
    pub(super) fn no_table_row(&self, expr: &Expr) -> Result<(), ResolveError> {
        let is_table = |name: &str| self.relations.iter().any(|relation| relation.alias == name);
        if is_table_row(expr, &is_table) {
            let hint = "Name the columns, or make the row text or json: t::text, to_jsonb(t).";
            return Err(refuse("a table's whole row in this place", hint).into());
        }
        Ok(())
    }

    /// `*`
    fn star(&mut self, base: Ctx<'_>, written: &mut Vec<ProjectionItem>) -> Result<(), ResolveError> {
        let namespace = base.scope.namespace;
        if namespace.relations.is_empty() {
            return Err(ResolveFault::Syntax("SELECT * with no tables specified is not valid".into()).into());
        }
        for NamespaceColumn { name, expr, parts } in &namespace.columns {
            let mut facts = Facts::default();
            for (relation, at) in parts {
                if let Some(column) = relation.columns.get(*at) {
                    facts.lineage.absorb(&column.lineage);
                }
            }
            self.mark(parts, Place::Output, false, false);
            written.push(ProjectionItem { name: name.clone(), engine: String::new(), expr: expr.clone(), facts });
        }
        nothing_left(namespace.columns.is_empty(), &namespace.relations)
    }

    /// `t.*`
    fn qualified_star(
        &mut self,
        relation: &Rc<Relation>,
        written: &mut Vec<ProjectionItem>,
    ) -> Result<(), ResolveError> {
        for (at, column) in relation.columns.iter().enumerate() {
            self.mark(&[(Rc::clone(relation), at)], Place::Output, false, false);
            let facts = Facts { lineage: column.lineage.clone(), ..Facts::default() };
            let expr = crate::govern::names::column_expr(&relation.alias, &column.engine);
            written.push(ProjectionItem { name: column.name.clone(), engine: String::new(), expr, facts });
        }
        nothing_left(relation.columns.is_empty(), std::slice::from_ref(relation))
    }

    /// The relation that `t` in `t.*` means.
    pub(super) fn qualifier(&mut self, name: &ObjectName, ctx: Ctx<'_>) -> Result<Rc<Relation>, ResolveError> {
        let at = crate::govern::names::first_ident(name).and_then(place_of);
        let written = parts(name).unwrap_or_default();
        let (schema, table) = match written.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema.as_str()), table),
            [database, schema, table] if database == self.context.database => (Some(schema.as_str()), table),
            _other_database => return Err(ResolveFault::CrossDatabase(name.to_string()).at(at)),
        };
        match ctx.scope.relation(schema, table).map_err(|fault| fault.at(at))? {
            Some((relation, _)) => Ok(Rc::clone(relation)),
            None => Err(ResolveFault::MissingFrom(table.clone()).at(at)),
        }
    }

    /// Notes the use of columns of `rN`.
    pub(super) fn mark(&mut self, parts: &[(Rc<Relation>, usize)], place: Place, argument: bool, explicit: bool) {
        for (relation, at) in parts {
            let source = relation.columns.get(*at).and_then(|column| column.source.as_ref());
            let used = relation.key.and_then(|key| self.relations.get_mut(key));
            if let (Some(source), Some(used)) = (source, used) {
                let column = used.columns.entry(source.clone()).or_default();
                column.places.insert(place);
                if argument {
                    column.places.insert(Place::Argument);
                }
                column.explicit |= explicit;
            }
        }
    }
}

/// A `*` that gives no column because all are denied is an error, as naming one is.
fn nothing_left(is_empty: bool, relations: &[Rc<Relation>]) -> Result<(), ResolveError> {
    if !is_empty {
        return Ok(());
    }
    for relation in relations {
        if let Some((dataset, columns)) = &relation.denied
            && let Some(column) = columns.iter().next()
        {
            return Err(ResolveFault::DeniedColumn { dataset: dataset.clone(), column: column.clone() }.into());
        }
    }
    Err(refuse("* of a relation without columns", "Name an expression.").into())
}

/// Nothing but the star.
pub(super) fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<(), ResolveError> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let extended = opt_ilike.is_some()
        || opt_exclude.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some();
    if extended {
        return Err(refuse("* with EXCEPT, EXCLUDE, REPLACE, RENAME, ILIKE or an alias", "Name the columns.").into());
    }
    Ok(())
}

/// The name that PostgreSQL gives to an output without an alias (`FigureColname` in its parser).
pub(super) fn output_name(expr: &Expr) -> String {
    figure(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// How much a name weighs against one that is found around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Of a cast or CASE: a cast around it has its own.
    Light,
    Heavy,
}

fn figure(expr: &Expr) -> Option<(String, Weight)> {
    let heavy = |name: &str| Some((name.to_owned(), Weight::Heavy));
    let light = |name: &str| Some((name.to_owned(), Weight::Light));
    match expr {
        Expr::Identifier(name) => heavy(&fold(name)),
        Expr::CompoundIdentifier(names) => heavy(&names.last().map(fold)?),
        Expr::Nested(inner) => figure(inner),
        Expr::Collate { expr, .. } => figure(expr),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some(fold(field)),
                AccessExpr::Dot(_) | AccessExpr::Subscript(_) => None,
            });
            field.map_or_else(|| figure(root), |field| heavy(&field))
        }
        Expr::Function(Function { name, .. }) => heavy(&parts(name).and_then(|parts| parts.last().cloned())?),
        Expr::Cast { expr, data_type, .. } => match (figure(expr), super::data_type::type_name(data_type)) {
            (Some((name, Weight::Heavy)), _) => heavy(&name),
            (_, Some(name)) => light(&name),
            (found, None) => found,
        },
        Expr::TypedString(typed) => light(&super::data_type::type_name(&typed.data_type)?),
        Expr::Interval(_) => light("interval"),
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => heavy("overlaps"),
        Expr::Case { else_result, .. } => match else_result.as_ref().and_then(|result| figure(result)) {
            Some((name, Weight::Heavy)) => heavy(&name),
            Some((_, Weight::Light)) | None => light("case"),
        },
        // What is negated has no name.
        Expr::Exists { negated: true, .. } | Expr::IsNormalized { negated: true, .. } => None,
        Expr::Exists { negated: false, .. } => heavy("exists"),
        Expr::IsNormalized { negated: false, .. } => heavy("is_normalized"),
        Expr::Subquery(query) => subquery_name(query),
        Expr::Array(_) => heavy("array"),
        Expr::Tuple(_) => heavy("row"),
        Expr::Extract { .. } => heavy("extract"),
        Expr::Ceil { .. } => heavy("ceil"),
        Expr::Floor { .. } => heavy("floor"),
        Expr::Position { .. } => heavy("position"),
        Expr::Substring { shorthand: true, .. } => heavy("substr"),
        Expr::Substring { .. } => heavy("substring"),
        Expr::Overlay { .. } => heavy("overlay"),
        Expr::AtTimeZone { .. } => heavy("timezone"),
        Expr::Trim { trim_where, .. } => heavy(match trim_where {
            None | Some(TrimWhereField::Both) => "btrim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        }),
        _unnamed => None,
    }
}

fn subquery_name(query: &Query) -> Option<(String, Weight)> {
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::Select(select) => {
                return match select.projection.first()? {
                    SelectItem::UnnamedExpr(expr) => figure(expr),
                    SelectItem::ExprWithAlias { alias, .. } => Some((fold(alias), Weight::Heavy)),
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_) => None,
                };
            }
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::Values(_) => return Some(("column1".to_owned(), Weight::Heavy)),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) | SetExpr::Table(_) => {
                return None;
            }
        }
    }
}
