//! Names of columns and whole rows, casts, and the functions that have a syntax of their own.

use super::expr::{cast_kind, foreign};
use super::join::call;
use super::{Ctx, Facts, Resolver, data_type, known_type, literal, place_of};
use crate::govern::error::{ResolveError, ResolveFault, refuse};
use crate::govern::names::{column_expr, fold, ident, parts};
use crate::govern::resolved::{Place, RelationTarget};
use crate::govern::scope::{Namespace, Relation};
use sqlparser::ast::{CastKind, CeilFloorKind, DataType, DateTimeField, Expr, ExtractSyntax, Ident, ObjectName, Value};
use std::rc::Rc;

impl Resolver<'_> {
    /// A name without a qualifier: a column, a function without parentheses, a whole row.
    pub(super) fn identifier(&mut self, name: &Ident, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let folded = fold(name);
        let at = place_of(name);
        if let Some(column) = ctx.scope.column(&folded).map_err(|fault| fault.at(at))? {
            for (relation, at) in &column.parts {
                if let Some(column) = relation.columns.get(*at) {
                    facts.lineage.absorb(&column.lineage);
                }
            }
            self.mark(&column.parts, ctx.place, ctx.argument, true);
            self.not_captured(&column.parts, ctx).map_err(|fault| fault.at(at))?;
            return Ok(column.expr.clone());
        }
        if name.quote_style.is_none() && matches!(folded.as_str(), "current_schema" | "current_role") {
            self.allowed(&folded, at)?;
            // PostgreSQL's grammar takes current_role with no parentheses, and current_schema with them.
            return Ok(match folded.as_str() {
                "current_role" => Expr::Identifier(Ident::new(folded)),
                _with_parentheses => call(&folded, Vec::new()),
            });
        }
        if let Some((relation, namespace)) = ctx.scope.relation(None, &folded).map_err(|fault| fault.at(at))? {
            return self.whole_row(relation, namespace, ctx, facts).map_err(|fault| fault.at(at));
        }
        let suggestion = ctx.scope.near_column(&folded);
        Err(ResolveFault::UndefinedColumn { name: format!("\"{folded}\""), suggestion }.at(at))
    }

    /// `t.c`, `s.t.c`, `database.s.t.c`
    pub(super) fn compound(&mut self, names: &[Ident], ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let at = names.first().and_then(place_of);
        let folded: Vec<String> = names.iter().map(fold).collect();
        let (schema, table, column) = match folded.as_slice() {
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(schema.as_str()), table, column),
            [database, schema, table, column] if database == self.context.database => {
                (Some(schema.as_str()), table, column)
            }
            _other_database => return Err(ResolveFault::CrossDatabase(folded.join(".")).at(at)),
        };
        let found = ctx.scope.relation(schema, table).map_err(|fault| fault.at(at))?;
        let Some((relation, _)) = found else {
            return Err(ResolveFault::MissingFrom(table.clone()).at(at));
        };
        let mut found = relation.columns.iter().enumerate().filter(|(_, known)| known.name == *column);
        let (place, known) = match (found.next(), found.next()) {
            (Some(found), None) => found,
            (Some(_), Some(_)) => return Err(ResolveFault::AmbiguousColumn(column.clone()).at(at)),
            (None, _) => {
                if let Some(oid) = self.tableoid(relation, column) {
                    return Ok(oid);
                }
                let fault = relation.denied_column(column).unwrap_or_else(|| {
                    let columns = relation.columns.iter().map(|column| column.name.as_str());
                    ResolveFault::UndefinedColumn {
                        name: format!("{table}.{column}"),
                        suggestion: crate::govern::names::nearest(column, columns)
                            .map(|near| format!("{table}.{near}")),
                    }
                });
                return Err(fault.at(at));
            }
        };
        facts.lineage.absorb(&known.lineage);
        let part = [(Rc::clone(relation), place)];
        self.mark(&part, ctx.place, ctx.argument, true);
        self.not_captured(&part, ctx).map_err(|fault| fault.at(at))?;
        Ok(column_expr(&relation.alias, &known.engine))
    }

    /// `t.tableoid` of a system relation: its rows say which relation they are in, and all say the same.
    fn tableoid(&self, relation: &Relation, column: &str) -> Option<Expr> {
        let RelationTarget::System(name) = &self.relations.get(relation.key?)?.target else { return None };
        let oid = self.context.system.oids.get(name).filter(|_| column == "tableoid")?;
        let expr = Box::new(Expr::Value(Value::Number(oid.to_string(), false).into()));
        // A bare number would be an ordinal in ORDER BY.
        Some(Expr::Cast { kind: CastKind::Cast, expr, data_type: DataType::BigInt(None), array: false, format: None })
    }

    /// A relation's name as a value: its row, as a struct of its visible columns.
    pub(super) fn whole_row(
        &mut self,
        relation: &Rc<Relation>,
        namespace: &Namespace,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Expr, ResolveFault> {
        if !ctx.row {
            return self.row_by_name(relation, ctx, facts);
        }
        if namespace.nullable.contains(&relation.alias) {
            return Err(refuse("a whole-row reference to a side of an outer join", "Name the columns."));
        }
        if relation.columns.is_empty() {
            return Err(refuse("a whole-row reference to a relation without columns", "Name an expression."));
        }
        // A function's one value is its row.
        if let ([column], true) = (relation.columns.as_slice(), relation.is_value) {
            facts.lineage.absorb(&column.lineage);
            return Ok(column_expr(&relation.alias, &column.engine));
        }
        let mut args = Vec::new();
        for (at, column) in relation.columns.iter().enumerate() {
            facts.lineage.absorb(&column.lineage);
            self.mark(&[(Rc::clone(relation), at)], ctx.place, ctx.argument, false);
            args.push(Expr::Value(Value::SingleQuotedString(column.name.replace('\'', "")).into()));
            args.push(column_expr(&relation.alias, &column.engine));
        }
        if let Some(used) = relation.key.and_then(|key| self.relations.get_mut(key)) {
            used.whole = true;
        }
        self.functions.insert("named_struct".to_owned());
        Ok(call("named_struct", args))
    }

    /// A relation's name as a value where an upstream makes the row, with the names of its columns: `row_to_json(t)`. In the
    /// tree it is the alias, which stands there for a derived table of the governed columns.
    ///
    /// INVARIANT: the name means the row wherever PostgreSQL reads it. A column of that name would come first, in any scope,
    /// and so would an output's name in ORDER BY and GROUP BY.
    fn row_by_name(&mut self, relation: &Rc<Relation>, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveFault> {
        let refused = || refuse("a whole-row reference here", "Name the columns.");
        if let ([column], true) = (relation.columns.as_slice(), relation.is_value) {
            facts.lineage.absorb(&column.lineage);
            return Ok(column_expr(&relation.alias, &column.engine));
        }
        let may_be_output = match ctx.place {
            Place::Order | Place::Group | Place::Window => !ctx.argument,
            Place::Output | Place::Predicate | Place::Join | Place::Argument => false,
        };
        let is_column = |name: &str| {
            let relations = ctx.scope.chain().flat_map(|scope| scope.namespace.relations.iter());
            relations.flat_map(|relation| &relation.columns).any(|column| column.engine == name)
        };
        // A table's row has the names of its own columns, whatever an alias calls them.
        let is_as_written = relation.columns.iter().all(|column| {
            column.name == column.engine && column.source.as_ref().is_none_or(|source| *source == column.name)
        });
        let is_denied = relation.denied.as_ref().is_some_and(|(_, columns)| !columns.is_empty());
        if self.policy.is_some()
            || may_be_output
            || relation.columns.is_empty()
            || is_column(&relation.alias)
            || !is_as_written
            || is_denied
        {
            return Err(refused());
        }
        let hint = "Name the columns; it works over one PostgreSQL source.";
        self.upstream_only.get_or_insert_with(|| refuse("a whole-row reference here over files", hint).into());
        for (at, column) in relation.columns.iter().enumerate() {
            facts.lineage.absorb(&column.lineage);
            self.mark(&[(Rc::clone(relation), at)], ctx.place, true, false);
        }
        if let Some(used) = relation.key.and_then(|key| self.relations.get_mut(key)) {
            used.whole = true;
        }
        Ok(Expr::Identifier(ident(&relation.alias)))
    }

    /// Casts, and functions with keywords between their arguments.
    pub(super) fn special(&mut self, expr: &Expr, ctx: Ctx<'_>, facts: &mut Facts) -> Result<Expr, ResolveError> {
        let arg = Ctx { argument: true, ..ctx };
        match expr {
            Expr::Cast { kind, expr, data_type, array, format } => {
                if *array {
                    return Err(refuse("CAST(... AS type ARRAY)", "Write type[].").into());
                }
                if format.is_some() {
                    return Err(refuse("CAST ... FORMAT", "Use to_char or to_date.").into());
                }
                let kind = cast_kind(kind)?;
                let data_type = data_type::data_type(data_type)?;
                self.looked_up(&data_type)?;
                let expr = self.boxed(expr, ctx, facts)?;
                Ok(Expr::Cast { kind, expr, data_type, array: false, format: None })
            }
            Expr::AtTimeZone { timestamp, time_zone } => Ok(Expr::AtTimeZone {
                timestamp: self.boxed(timestamp, ctx, facts)?,
                time_zone: self.boxed(time_zone, ctx, facts)?,
            }),
            Expr::Collate { expr, collation } => {
                let collation = self.collation(collation)?;
                let expr = self.boxed(expr, ctx, facts)?;
                // A policy's expression means the same in both engines: texts compare by their bytes.
                Ok(if self.policy.is_some() { *expr } else { Expr::Collate { expr, collation } })
            }
            Expr::Extract { field, syntax, expr } => {
                match syntax {
                    ExtractSyntax::From => {}
                    ExtractSyntax::Comma => {
                        return Err(refuse("EXTRACT with a comma", "Write EXTRACT(field FROM x).").into());
                    }
                }
                self.allowed("extract", None)?;
                Ok(Expr::Extract {
                    field: literal::extract_field(field)?,
                    syntax: ExtractSyntax::From,
                    expr: self.boxed(expr, arg, facts)?,
                })
            }
            Expr::Ceil { expr, field } => {
                self.allowed("ceil", None)?;
                Ok(Expr::Ceil { expr: self.boxed(expr, arg, facts)?, field: plain_rounding(field)? })
            }
            Expr::Floor { expr, field } => {
                self.allowed("floor", None)?;
                Ok(Expr::Floor { expr: self.boxed(expr, arg, facts)?, field: plain_rounding(field)? })
            }
            Expr::Position { expr, r#in } => {
                self.allowed("position", None)?;
                Ok(Expr::Position { expr: self.boxed(expr, arg, facts)?, r#in: self.boxed(r#in, arg, facts)? })
            }
            Expr::Substring { expr, substring_from, substring_for, special, shorthand } => {
                self.allowed(if *shorthand { "substr" } else { "substring" }, None)?;
                Ok(Expr::Substring {
                    expr: self.boxed(expr, arg, facts)?,
                    substring_from: self.optional(substring_from.as_deref(), arg, facts)?,
                    substring_for: self.optional(substring_for.as_deref(), arg, facts)?,
                    special: *special,
                    shorthand: *shorthand,
                })
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.allowed("trim", None)?;
                Ok(Expr::Trim {
                    trim_where: *trim_where,
                    trim_what: self.optional(trim_what.as_deref(), arg, facts)?,
                    expr: self.boxed(expr, arg, facts)?,
                    trim_characters: match trim_characters {
                        Some(characters) => Some(self.all(characters, arg, facts)?),
                        None => None,
                    },
                })
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.allowed("overlay", None)?;
                Ok(Expr::Overlay {
                    expr: self.boxed(expr, arg, facts)?,
                    overlay_what: self.boxed(overlay_what, arg, facts)?,
                    overlay_from: self.boxed(overlay_from, arg, facts)?,
                    overlay_for: self.optional(overlay_for.as_deref(), arg, facts)?,
                })
            }
            other => Err(foreign(other)),
        }
    }

    /// Notes that a value of this type is looked up in the catalog, or that upstreams alone have such, if it is so.
    pub(super) fn looked_up(&mut self, data_type: &DataType) -> Result<(), ResolveError> {
        if data_type::is_upstreams(data_type) {
            self.upstream_only(format!("type {data_type} over files"), "It works over one PostgreSQL source.", None)?;
        }
        self.vectors |= known_type::is_cast_to_vector(data_type);
        match data_type::look_up(data_type) {
            Some(function) => self.allowed(function, None).map(|_scalar| ()),
            None => Ok(()),
        }
    }

    /// A collation: one that changes nothing over files, or any that PostgreSQL brings.
    fn collation(&mut self, collation: &ObjectName) -> Result<ObjectName, ResolveError> {
        let written = parts(collation).unwrap_or_default();
        let name = match written.as_slice() {
            [name] => name,
            [schema, name] if schema == "pg_catalog" => name,
            _qualified => return Err(ResolveFault::UndefinedObject(format!("collation \"{collation}\"")).into()),
        };
        if !matches!(name.as_str(), "default" | "C" | "POSIX" | "ucs_basic") {
            let hint = "Text of files compares by its bytes, as COLLATE \"C\".";
            self.upstream_only(format!("COLLATE {collation} over files"), hint, None)?;
        }
        Ok(ObjectName::from(vec![ident(name)]))
    }

    fn optional(
        &mut self,
        expr: Option<&Expr>,
        ctx: Ctx<'_>,
        facts: &mut Facts,
    ) -> Result<Option<Box<Expr>>, ResolveError> {
        expr.map(|expr| self.boxed(expr, ctx, facts)).transpose()
    }
}

/// `Place::Argument` stands beside the place of the call; a call's own arguments are never a place alone.
pub(super) fn in_arguments(ctx: Ctx<'_>) -> Ctx<'_> {
    let place = if ctx.place == Place::Argument { Place::Output } else { ctx.place };
    Ctx { place, argument: true, row: false, ..ctx }
}

fn plain_rounding(field: &CeilFloorKind) -> Result<CeilFloorKind, ResolveError> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Ok(field.clone()),
        CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_) => {
            Err(refuse("CEIL/FLOOR with a second argument", "Use date_trunc, or multiply and divide.").into())
        }
    }
}
