//! `has_…_privilege`: the principal may read what it sees, and do nothing else.

use super::super::oid;
use super::super::rows::Cell;
use super::call::{Call, Definition, Returns, refuse};
use super::definitions::is_relation;
use super::names;
use crate::error::SqlState;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::stable("has_table_privilege", (2, 3), Returns::Bool, |call| of(call, "__regclass", &["select"])),
    Definition::stable("has_any_column_privilege", (2, 3), Returns::Bool, |call| of(call, "__regclass", &["select"])),
    Definition::stable("has_column_privilege", (3, 4), Returns::Bool, column),
    Definition::stable("has_schema_privilege", (2, 3), Returns::Bool, |call| of(call, "__regnamespace", &["usage"])),
    Definition::stable("has_type_privilege", (2, 3), Returns::Bool, |call| of(call, "__regtype", &["usage"])),
    Definition::stable("has_function_privilege", (2, 3), Returns::Bool, |call| only(call, &["execute"])),
    Definition::stable("has_database_privilege", (2, 3), Returns::Bool, |call| only(call, &["connect"])),
    Definition::stable("has_language_privilege", (2, 3), Returns::Bool, |call| only(call, &["usage"])),
    Definition::stable("has_sequence_privilege", (2, 3), Returns::Bool, |call| only(call, &[])),
    Definition::stable("has_tablespace_privilege", (2, 3), Returns::Bool, |call| only(call, &[])),
    Definition::stable("has_server_privilege", (2, 3), Returns::Bool, |call| only(call, &[])),
    Definition::stable("has_foreign_data_wrapper_privilege", (2, 3), Returns::Bool, |call| only(call, &[])),
    Definition::stable("has_parameter_privilege", (2, 3), Returns::Bool, |call| only(call, &["set"])),
    Definition::stable("pg_has_role", (2, 3), Returns::Bool, |call| {
        let at = call.count().saturating_sub(2);
        Ok((is_self(call, at) && (call.count() == 2 || is_self(call, 0))).into())
    }),
    Definition::stable("row_security_active", (1, 1), Returns::Bool, |_| Ok(false.into())),
];

/// Whether an argument names the principal.
fn is_self(call: &Call<'_>, number: usize) -> bool {
    let user = call.snapshot.facts().user.as_str();
    call.text(number).is_some_and(|name| name == user) || call.oid(number) == Some(oid::role(user))
}

/// Whether one of the privileges that are asked for is among those that there are. Words that are none are an error.
fn asks_for(text: &str, granted: &[&str]) -> Result<bool> {
    const WORDS: &[&str] = &[
        "select",
        "insert",
        "update",
        "delete",
        "truncate",
        "references",
        "trigger",
        "rule",
        "usage",
        "create",
        "connect",
        "temporary",
        "temp",
        "execute",
        "set",
        "alter system",
        "maintain",
    ];
    let mut any = false;
    for word in text.split(',') {
        let word = word.trim().to_lowercase();
        let (word, with_grant) = word.strip_suffix(" with grant option").map_or((word.as_str(), false), |w| (w, true));
        if !WORDS.contains(&word) {
            return Err(refuse(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{word}\"")));
        }
        any |= granted.contains(&word) && !with_grant;
    }
    Ok(any)
}

/// The privilege's words, and whether the user that is asked about (if one is named) is the principal.
fn asked(call: &Call<'_>, granted: &[&str], without_user: usize) -> Result<bool> {
    let words = call.count().checked_sub(1).and_then(|last| call.text(last)).unwrap_or_default();
    let about_self = call.count() == without_user || is_self(call, 0);
    Ok(asks_for(words, granted)? && about_self)
}

fn only(call: &Call<'_>, granted: &[&str]) -> Result<Cell> {
    Ok(asked(call, granted, 2)?.into())
}

/// The same for something that must exist: an unknown name is an error, an unknown number NULL.
fn of(call: &Call<'_>, cast: &str, granted: &[&str]) -> Result<Cell> {
    let asked = asked(call, granted, 2)?;
    let Some(found) = found(call, call.count().saturating_sub(2), cast)? else { return Ok(Cell::Null) };
    if cast == "__regclass" && !is_relation(call.snapshot, found) {
        return Ok(Cell::Null);
    }
    Ok(asked.into())
}

/// The identifier that an argument names.
fn found(call: &Call<'_>, number: usize, cast: &str) -> Result<Option<u32>> {
    let Some(argument) = call.arguments.get(number) else { return Ok(None) };
    let one = [argument.clone()];
    let inner = Call { snapshot: call.snapshot, arguments: &one, types: call.types };
    let look_up = names::FUNCTIONS.iter().find(|definition| definition.name == cast);
    let cell = look_up.map_or(Ok(Cell::Null), |definition| (definition.run)(&inner))?;
    Ok(if let Cell::Int(oid) = cell { u32::try_from(oid).ok() } else { None })
}

fn column(call: &Call<'_>) -> Result<Cell> {
    let asked = asked(call, &["select"], 3)?;
    let Some(found) = found(call, call.count().saturating_sub(3), "__regclass")? else { return Ok(Cell::Null) };
    let at = call.count().saturating_sub(2);
    let Some(table) = call.snapshot.table_of(found) else {
        return Ok(is_relation(call.snapshot, found).then_some(asked).into());
    };
    let numbered = |number| table.columns.iter().any(|column| column.number == number);
    match call.arguments.get(at) {
        Some(name @ (ScalarValue::Utf8(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Utf8View(_))) => {
            let name = name.try_as_str().flatten().unwrap_or_default();
            let missing = || {
                refuse(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{name}\" of relation \"{}\" does not exist", table.name().name()),
                )
            };
            table.number(name).map(|_| asked.into()).ok_or_else(missing)
        }
        _ => Ok(call.int(at).filter(|number| numbered(*number)).map(|_| asked).into()),
    }
}
