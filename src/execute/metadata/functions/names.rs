//! Names of things to identifiers and back: `regclass`, `regtype`, `regproc`, `regnamespace`, `regrole`.

use super::super::fixed::{pg_functions, type_named, type_of};
use super::super::oid;
use super::super::relations::{relation, relations};
use super::super::rows::Cell;
use super::super::snapshot::MetadataSnapshot;
use super::call::{Call, Definition, Returns, refuse};
use super::definitions::format_type;
use crate::error::SqlState;
use crate::types::DatasetName;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::stable("to_regclass", (1, 1), Returns::Oid, |call| Ok(class_named(call).into())),
    Definition::stable("to_regtype", (1, 1), Returns::Oid, |call| Ok(typed(call).into())),
    Definition::stable("to_regproc", (1, 1), Returns::Oid, |call| Ok(function_named(call).into())),
    Definition::stable("to_regnamespace", (1, 1), Returns::Oid, |call| Ok(namespace_named(call).into())),
    Definition::stable("to_regrole", (1, 1), Returns::Oid, |call| Ok(role_named(call).into())),
    Definition::stable("__regclass", (1, 1), Returns::Oid, |call| {
        cast(call, class_named, SqlState::UNDEFINED_TABLE, "relation")
    }),
    Definition::stable("__regtype", (1, 1), Returns::Oid, |call| cast(call, typed, SqlState::UNDEFINED_OBJECT, "type")),
    Definition::stable("__regproc", (1, 1), Returns::Oid, |call| {
        cast(call, function_named, SqlState::UNDEFINED_FUNCTION, "function")
    }),
    Definition::stable("__regnamespace", (1, 1), Returns::Oid, |call| {
        cast(call, namespace_named, SqlState::INVALID_SCHEMA_NAME, "schema")
    }),
    Definition::stable("__regrole", (1, 1), Returns::Oid, |call| {
        cast(call, role_named, SqlState::UNDEFINED_OBJECT, "role")
    }),
    Definition::stable("__regclass_text", (1, 1), Returns::Text, |call| name(call, class_text)),
    Definition::stable("__regtype_text", (1, 1), Returns::Text, |call| {
        name(call, |_, oid| type_of(oid).map(|of| format_type(of.oid, None)))
    }),
    Definition::stable("__regproc_text", (1, 1), Returns::Text, |call| {
        name(call, |_, oid| pg_functions().iter().find(|f| f.oid == oid).map(|f| f.name.to_owned()))
    }),
    Definition::stable("__regnamespace_text", (1, 1), Returns::Text, |call| {
        name(call, |snapshot, oid| snapshot.schema_name(oid).map(|name| quote_ident(&name)))
    }),
    Definition::stable("__regrole_text", (1, 1), Returns::Text, |call| {
        name(call, |snapshot, oid| role_name(snapshot, oid).map(|name| quote_ident(&name)))
    }),
    Definition::pure("quote_ident", (1, 1), Returns::Text, |call| Ok(call.text(0).map(quote_ident).into())),
    Definition::pure("parse_ident", (1, 2), Returns::TextList, |call| {
        let parts = call
            .text(0)
            .and_then(parse_name)
            .ok_or_else(|| refuse(SqlState::INVALID_PARAMETER_VALUE, "string is not a valid identifier"))?;
        Ok(parts.into())
    }),
];

/// A cast to one of the `reg` types: a number is taken as it is, a name is looked up.
fn cast(call: &Call<'_>, look_up: fn(&Call<'_>) -> Option<u32>, sqlstate: SqlState, what: &str) -> Result<Cell> {
    if let Some(oid) = call.oid(0) {
        return Ok(oid.into());
    }
    match (look_up(call), call.text(0)) {
        (Some(oid), _) => Ok(oid.into()),
        (None, Some("-")) => Ok(Cell::Int(0)),
        (None, text) => {
            let name = text.unwrap_or_default();
            let quoted = if what == "function" { format!("{what} {name:?}") } else { format!("{what} \"{name}\"") };
            Err(refuse(sqlstate, format!("{quoted} does not exist")))
        }
    }
}

/// The printed form of a `reg` type: the name, the number if nothing visible has it, `-` for none.
fn name(call: &Call<'_>, look_up: impl Fn(&MetadataSnapshot, u32) -> Option<String>) -> Result<Cell> {
    Ok(match call.oid(0) {
        Some(0) => "-".into(),
        Some(oid) => look_up(call.snapshot, oid).unwrap_or_else(|| oid.to_string()).into(),
        None => call.text(0).into(),
    })
}

/// A name's parts, folded as PostgreSQL folds them: `Public."My Table"`. `None` if it is none.
pub(super) fn parse_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_part(quoted)?
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            let (part, after) = rest.split_at_checked(end)?;
            if part.is_empty() || part.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            (part.to_lowercase(), after)
        };
        parts.push(part);
        rest = after.trim_start();
        match rest.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// What stands before the closing quote, with doubled quotes made single, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((_, c)) = characters.next() {
        match c {
            '"' if characters.next_if(|(_, next)| *next == '"').is_some() => part.push('"'),
            '"' => {
                let rest = characters.peek().map_or("", |(at, _)| text.get(*at..).unwrap_or_default());
                return Some((part, rest)).filter(|(part, _)| !part.is_empty());
            }
            other => part.push(other),
        }
    }
    None
}

/// A name as it must be written in SQL.
pub(super) fn quote_ident(name: &str) -> String {
    const RESERVED: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "binary",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "overlaps",
        "placing",
        "primary",
        "references",
        "returning",
        "right",
        "select",
        "session_user",
        "similar",
        "some",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
    ];
    let plain =
        name.chars().enumerate().all(|(at, c)| c.is_ascii_lowercase() || c == '_' || (at > 0 && c.is_ascii_digit()));
    if plain && !name.is_empty() && !RESERVED.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The relation of a name, looked up along the search path.
fn class_named(call: &Call<'_>) -> Option<u32> {
    if let Some(oid) = call.oid(0) {
        return Some(oid);
    }
    let parts = parse_name(call.text(0)?)?;
    match parts.as_slice() {
        [name] => call.snapshot.search_path().iter().find_map(|schema| class(call.snapshot, schema, name)),
        [schema, name] => class(call.snapshot, schema, name),
        _ => None,
    }
}

fn class(snapshot: &MetadataSnapshot, schema: &str, name: &str) -> Option<u32> {
    if let Some(system) = relation(&DatasetName::new(schema, name)) {
        return Some(system.oid);
    }
    let mut tables = snapshot.tables().iter().filter(|table| table.name().schema() == schema);
    tables.find_map(|table| match &table.primary_key {
        _ if table.name().name() == name => Some(table.oid),
        Some(key) if key.name == name => Some(key.index),
        _ => None,
    })
}

/// Schema and name of a visible relation.
pub(super) fn class_name(snapshot: &MetadataSnapshot, oid: u32) -> Option<DatasetName> {
    if let Some(system) = relations().find(|system| system.oid == oid) {
        return Some(system.name.clone());
    }
    snapshot.tables().iter().find_map(|table| match &table.primary_key {
        _ if table.oid == oid => Some(table.name().clone()),
        Some(key) if key.index == oid => Some(DatasetName::new(table.name().schema(), &key.name)),
        _ => None,
    })
}

/// Whether a plain name finds this relation.
pub(super) fn class_is_visible(snapshot: &MetadataSnapshot, oid: u32) -> Option<bool> {
    let name = class_name(snapshot, oid)?;
    let found = snapshot.search_path().iter().find_map(|schema| class(snapshot, schema, name.name()));
    Some(found == Some(oid))
}

/// A relation's name, with its schema where a plain name would not find it.
pub(super) fn class_text(snapshot: &MetadataSnapshot, oid: u32) -> Option<String> {
    let name = class_name(snapshot, oid)?;
    let plain = quote_ident(name.name());
    let visible = class_is_visible(snapshot, oid).unwrap_or(false);
    Some(if visible { plain } else { format!("{}.{plain}", quote_ident(name.schema())) })
}

/// The type of a name or a number.
pub(super) fn typed(call: &Call<'_>) -> Option<u32> {
    if let Some(oid) = call.oid(0) {
        return Some(oid);
    }
    let text = call.text(0)?.trim().to_lowercase();
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(&text);
    // A modifier, as in numeric(10,2), does not change which type it is.
    let (name, rest) = bare.split_once('(').unwrap_or((bare, ""));
    let after = rest.split_once(')').map_or("", |(_, after)| after);
    type_named(&format!("{}{after}", name.trim_end())).map(|of| of.oid)
}

/// The only function of a name: with several, a plain name says too little.
fn function_named(call: &Call<'_>) -> Option<u32> {
    if let Some(oid) = call.oid(0) {
        return Some(oid);
    }
    let parts = parse_name(call.text(0)?)?;
    let name = match parts.as_slice() {
        [name] => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return None,
    };
    let mut named = pg_functions().iter().filter(|function| function.name == name);
    named.next().filter(|_| named.next().is_none()).map(|function| function.oid)
}

fn namespace_named(call: &Call<'_>) -> Option<u32> {
    call.oid(0).or_else(|| match parse_name(call.text(0)?)?.as_slice() {
        [name] => call.snapshot.schema_oid(name),
        _ => None,
    })
}

fn role_named(call: &Call<'_>) -> Option<u32> {
    let user = call.snapshot.facts().user.as_str();
    let known = |name: &str| match name {
        "querygate" => Some(oid::OWNER),
        name if name == user => Some(oid::role(user)),
        _ => None,
    };
    call.oid(0).or_else(|| known(call.text(0)?)).or_else(|| match parse_name(call.text(0)?)?.as_slice() {
        [name] => known(name),
        _ => None,
    })
}

/// The name of a role that the principal sees: the owner of everything, and themselves.
pub(super) fn role_name(snapshot: &MetadataSnapshot, of: u32) -> Option<String> {
    let user = snapshot.facts().user.as_str();
    match of {
        oid::OWNER => Some("querygate".to_owned()),
        of if of == oid::role(user) => Some(user.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_folded_as_postgresql_does() {
        let parts = |text: &str| parse_name(text);
        assert_eq!(parts("Public.Customers"), Some(vec!["public".into(), "customers".into()]));
        assert_eq!(parts("\"My \"\"T\"\"\""), Some(vec!["My \"T\"".into()]));
        assert_eq!(parts(" a . \"B\" "), Some(vec!["a".into(), "B".into()]));
        for wrong in ["", "1a", "a.", ".a", "a b", "\"a", "a;b", "\"\""] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_names_that_need_quotes_get_them() {
        assert_eq!(quote_ident("customers"), "customers");
        assert_eq!(quote_ident("Customers"), "\"Customers\"");
        assert_eq!(quote_ident("select"), "\"select\"");
        assert_eq!(quote_ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_ident("1a"), "\"1a\"");
    }
}
