//! INSERT, UPDATE and DELETE, taken apart: what they read is a query, so that it is resolved, decided and governed as one.
//!
//! The query is `SELECT 1, values…, RETURNING…, columns… FROM target, others WHERE …`. An INSERT's source stands in it as
//! `WHERE EXISTS (source)`. Whoever forwards the statement puts the parts back in their places.
//!
//! INVARIANT: every field of a statement is named. What is not understood is refused, as everything was before.

use super::command::Refused;
use super::refusal::{self, NOT_WRITTEN};
use super::tree::{plain_query, plain_select};
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, ObjectNamePart, Query,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind, Value, WildcardAdditionalOptions,
};

/// What a statement does to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

impl WriteKind {
    /// The command tag's word: what policies and audit call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// The command tag.
    pub fn tag(self, rows: u64) -> String {
        match self {
            Self::Insert => format!("INSERT 0 {rows}"),
            Self::Update | Self::Delete => format!("{} {rows}", self.word()),
        }
    }
}

/// An INSERT, UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which.
    pub kind: WriteKind,
    /// What it reads. Its first relation is the target.
    pub query: Query,
    /// The columns that are written, in the order of their values. `None`: an INSERT without a list of columns.
    pub columns: Option<Vec<Ident>>,
    /// Whether it gives rows: RETURNING.
    pub returning: bool,
}

impl WriteKind {
    /// What is said of it where nothing may be written: 0A000.
    pub fn refused(self) -> crate::error::ErrorReport {
        refusal::nothing_written(self).report()
    }
}

fn refused(what: &str, hint: &'static str) -> Refused {
    refusal::refuse(what, hint)
}

/// Takes a statement apart.
///
/// # Errors
/// [`Refused`] for a form that is not written through the gateway.
pub(super) fn read(statement: Statement) -> Result<Write, Refused> {
    match statement {
        Statement::Insert(insert) => read_insert(insert),
        Statement::Update(update) => read_update(update),
        Statement::Delete(delete) => read_delete(delete),
        _other => Err(refused("a statement that changes data or definitions", NOT_WRITTEN)),
    }
}

fn read_insert(insert: Insert) -> Result<Write, Refused> {
    let Insert {
        insert_token: _,
        optimizer_hints,
        or,
        ignore,
        into,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    if on.is_some() {
        return Err(refused(
            "INSERT … ON CONFLICT",
            "Whether a row conflicts tells of rows that are hidden. Insert, and handle the error for a key that exists.",
        ));
    }
    let foreign = !optimizer_hints.is_empty()
        || or.is_some()
        || ignore
        || !into
        || overwrite
        || !assignments.is_empty()
        || partitioned.is_some()
        || !after_columns.is_empty()
        || has_table_keyword
        || output.is_some()
        || replace_into
        || priority.is_some()
        || insert_alias.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || multi_table_insert_type.is_some()
        || !multi_table_into_clauses.is_empty()
        || !multi_table_when_clauses.is_empty()
        || multi_table_else_clause.is_some();
    let (TableObject::TableName(name), false) = (table, foreign) else {
        return Err(refused("this form of INSERT", NOT_WRITTEN));
    };
    let Some(source) = source else {
        return Err(refused("INSERT … DEFAULT VALUES", "Name a column and give it a value."));
    };
    if let SetExpr::Values(values) = source.body.as_ref()
        && values.rows.iter().any(|row| row.content.iter().any(is_default))
    {
        return Err(refused("DEFAULT as a value", "Leave the column out: it gets its default."));
    }
    let named = columns.iter().map(one_name).collect::<Result<Vec<_>, _>>()?;
    let alias = table_alias.map(|alias| alias.alias);
    let shown = shown_name(&name, alias.as_ref())?;
    let columns = if named.is_empty() { None } else { Some(named) };
    let exists = Expr::Exists { subquery: source, negated: false };
    let returns = returning.is_some();
    let projection = projection(Vec::new(), returning, &shown, columns.as_deref());
    let query = query(projection, target(name, alias), Vec::new(), Some(exists));
    Ok(Write { kind: WriteKind::Insert, query, columns, returning: returns })
}

fn read_update(update: Update) -> Result<Write, Refused> {
    let Update {
        update_token: _,
        optimizer_hints,
        table,
        assignments,
        from,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = update;
    let foreign =
        !optimizer_hints.is_empty() || output.is_some() || or.is_some() || !order_by.is_empty() || limit.is_some();
    let (TableWithJoins { relation, joins }, false) = (table, foreign) else {
        return Err(refused("this form of UPDATE", NOT_WRITTEN));
    };
    if !joins.is_empty() {
        return Err(refused("UPDATE of a join", "Write the other tables after FROM."));
    }
    let others = match from {
        None => Vec::new(),
        Some(UpdateTableFromKind::AfterSet(from)) => from,
        Some(UpdateTableFromKind::BeforeSet(_)) => return Err(refused("this form of UPDATE", NOT_WRITTEN)),
    };
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for Assignment { target, value } in assignments {
        let AssignmentTarget::ColumnName(name) = target else {
            return Err(refused("SET of several columns at once", "Set each column by itself: SET a = 1, b = 2."));
        };
        if is_default(&value) {
            return Err(refused("SET … = DEFAULT", "Give the value."));
        }
        columns.push(one_name(&name)?);
        values.push(value);
    }
    let (name, alias) = plain_target(relation)?;
    let shown = shown_name(&name, alias.as_ref())?;
    let returns = returning.is_some();
    let projection = projection(values, returning, &shown, Some(&columns));
    let query = query(projection, target(name, alias), others, selection);
    Ok(Write { kind: WriteKind::Update, query, columns: Some(columns), returning: returns })
}

fn read_delete(delete: Delete) -> Result<Write, Refused> {
    let Delete { delete_token: _, optimizer_hints, tables, from, using, selection, returning, output, order_by, limit } =
        delete;
    let foreign = !optimizer_hints.is_empty()
        || !tables.is_empty()
        || output.is_some()
        || !order_by.is_empty()
        || limit.is_some();
    let (FromTable::WithFromKeyword(mut from), false) = (from, foreign) else {
        return Err(refused("this form of DELETE", NOT_WRITTEN));
    };
    let (Some(TableWithJoins { relation, joins }), true) = (from.pop(), from.is_empty()) else {
        return Err(refused("DELETE from several tables", "Write the other tables after USING."));
    };
    if !joins.is_empty() {
        return Err(refused("DELETE from a join", "Write the other tables after USING."));
    }
    let (name, alias) = plain_target(relation)?;
    let shown = shown_name(&name, alias.as_ref())?;
    let returns = returning.is_some();
    let projection = projection(Vec::new(), returning, &shown, Some(&[]));
    let query = query(projection, target(name, alias), using.unwrap_or_default(), selection);
    Ok(Write { kind: WriteKind::Delete, query, columns: Some(Vec::new()), returning: returns })
}

/// The word DEFAULT where a value belongs.
fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn one_name(name: &ObjectName) -> Result<Ident, Refused> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Ok(name.clone()),
        _part => Err(refused("a part of a column as a target", "Name the column alone.")),
    }
}

/// A table by name, perhaps with an alias, and nothing else.
fn plain_target(factor: TableFactor) -> Result<(ObjectName, Option<Ident>), Refused> {
    let unknown = || refused("this form of a target", NOT_WRITTEN);
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = factor
    else {
        return Err(unknown());
    };
    let plain = with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty();
    match alias {
        None if plain => Ok((name, None)),
        Some(TableAlias { explicit: _, name: alias, columns, at: None }) if plain && columns.is_empty() => {
            Ok((name, Some(alias)))
        }
        _other => Err(unknown()),
    }
}

/// What columns of the target are qualified with. `ONLY t` reads as a table of the name ONLY.
fn shown_name(name: &ObjectName, alias: Option<&Ident>) -> Result<Ident, Refused> {
    if let [ObjectNamePart::Identifier(only)] = name.0.as_slice()
        && only.quote_style.is_none()
        && only.value.eq_ignore_ascii_case("only")
    {
        return Err(refused("ONLY", "Leave it out: a table stands for its partitions too."));
    }
    match (alias, name.0.last()) {
        (Some(alias), _) => Ok(alias.clone()),
        (None, Some(ObjectNamePart::Identifier(name))) => Ok(name.clone()),
        (None, _) => Err(refused("this form of a target", NOT_WRITTEN)),
    }
}

fn target(name: ObjectName, alias: Option<Ident>) -> TableFactor {
    TableFactor::Table {
        name,
        alias: alias.map(|name| TableAlias { explicit: true, name, columns: Vec::new(), at: None }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn projection(
    values: Vec<Expr>,
    returning: Option<Vec<SelectItem>>,
    target: &Ident,
    columns: Option<&[Ident]>,
) -> Vec<SelectItem> {
    let mut items = vec![SelectItem::UnnamedExpr(Expr::Value(Value::Number("1".to_owned(), false).into()))];
    items.extend(values.into_iter().map(SelectItem::UnnamedExpr));
    items.extend(returning.into_iter().flatten());
    match columns {
        Some(columns) => items.extend(
            columns
                .iter()
                .map(|column| SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![target.clone(), column.clone()]))),
        ),
        None => items.push(SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![target.clone()])),
            WildcardAdditionalOptions::default(),
        )),
    }
    items
}

fn query(
    projection: Vec<SelectItem>,
    target: TableFactor,
    others: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Query {
    let mut select = plain_select(projection, target, selection);
    select.from.extend(others);
    plain_query(SetExpr::Select(Box::new(select)))
}
