//! What a thing of the catalog is, in words: types, keys, comments, visibility.

use super::super::fixed::{pg_functions, type_of};
use super::super::oid;
use super::super::rows::Cell;
use super::super::snapshot::{MetadataSnapshot, PrimaryKey, Table};
use super::call::{Call, Definition, Returns};
use super::names::{class_is_visible, class_name, class_text, quote_ident, role_name};
use datafusion::error::Result;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition::stable("format_type", (2, 2), Returns::Text, |call| {
        Ok(call.oid(0).map(|oid| format_type(oid, call.int(1))).into())
    })
    .lenient(),
    Definition::stable("pg_get_userbyid", (1, 1), Returns::Text, |call| {
        let unknown = |oid| format!("unknown (OID={oid})");
        Ok(call.oid(0).map(|oid| role_name(call.snapshot, oid).unwrap_or_else(|| unknown(oid))).into())
    }),
    Definition::stable("pg_table_is_visible", (1, 1), Returns::Bool, |call| {
        Ok(call.oid(0).and_then(|oid| class_is_visible(call.snapshot, oid)).into())
    }),
    Definition::stable("pg_type_is_visible", (1, 1), Returns::Bool, |call| {
        Ok(call.oid(0).and_then(type_of).map(|_| true).into())
    }),
    Definition::stable("pg_function_is_visible", (1, 1), Returns::Bool, |call| {
        Ok(call.oid(0).and_then(|oid| pg_functions().iter().find(|f| f.oid == oid)).map(|_| true).into())
    }),
    built_in("pg_operator_is_visible"),
    built_in("pg_collation_is_visible"),
    built_in("pg_conversion_is_visible"),
    built_in("pg_opclass_is_visible"),
    built_in("pg_opfamily_is_visible"),
    built_in("pg_statistics_obj_is_visible"),
    built_in("pg_ts_config_is_visible"),
    built_in("pg_ts_dict_is_visible"),
    built_in("pg_ts_parser_is_visible"),
    built_in("pg_ts_template_is_visible"),
    Definition::stable("obj_description", (1, 2), Returns::Text, |call| {
        let of_class = call.count() == 1 || call.text(1) == Some("pg_class");
        let table = call.oid(0).and_then(|oid| call.snapshot.table_of(oid)).filter(|_| of_class);
        Ok(table.and_then(|table| table.visible.dataset.description.clone()).into())
    }),
    Definition::stable("col_description", (2, 2), Returns::Text, |call| {
        let table = call.oid(0).and_then(|oid| call.snapshot.table_of(oid));
        let column = table.and_then(|table| table.columns.iter().find(|c| Some(c.number) == call.int(1)));
        Ok(column.and_then(|column| column.column.description.clone()).into())
    }),
    nothing("shobj_description", (2, 2)),
    Definition::stable("pg_get_constraintdef", (1, 2), Returns::Text, |call| {
        Ok(call.oid(0).and_then(|oid| constraint_definition(call.snapshot, oid)).into())
    }),
    Definition::stable("pg_get_indexdef", (1, 3), Returns::Text, index),
    // There are no views, rules, triggers, sequences, defaults, partitions or stored functions to define.
    nothing("pg_get_expr", (2, 3)),
    nothing("pg_get_viewdef", (1, 2)),
    nothing("pg_get_ruledef", (1, 2)),
    nothing("pg_get_triggerdef", (1, 2)),
    nothing("pg_get_functiondef", (1, 1)),
    nothing("pg_get_function_sqlbody", (1, 1)),
    nothing("pg_get_partkeydef", (1, 1)),
    nothing("pg_get_partition_constraintdef", (1, 1)),
    nothing("pg_get_serial_sequence", (2, 2)),
    nothing("pg_get_statisticsobjdef", (1, 1)),
    nothing("pg_get_statisticsobjdef_columns", (1, 1)),
    Definition::stable("pg_get_function_result", (1, 1), Returns::Text, |call| {
        let function = call.oid(0).and_then(|oid| pg_functions().iter().find(|f| f.oid == oid));
        let set = |set: bool| if set { "SETOF " } else { "" };
        Ok(function.map(|f| format!("{}{}", set(f.returns_set), format_type(f.result, None))).into())
    }),
    Definition::stable("pg_get_function_arguments", (1, 1), Returns::Text, function_arguments),
    Definition::stable("pg_get_function_identity_arguments", (1, 1), Returns::Text, function_arguments),
    Definition::stable("pg_relation_is_publishable", (1, 1), Returns::Bool, |_| Ok(false.into())),
    Definition::stable("pg_partition_ancestors", (1, 1), Returns::OidList, |_| Ok(Cell::List(Vec::new()))),
    Definition::stable("pg_partition_root", (1, 1), Returns::Oid, |_| Ok(Cell::Null)),
    Definition::stable("pg_tablespace_location", (1, 1), Returns::Text, |_| Ok("".into())),
    // Sizes tell of hidden rows: they are unknown to everyone.
    unknown_size("pg_table_size"),
    unknown_size("pg_relation_size"),
    unknown_size("pg_total_relation_size"),
    unknown_size("pg_indexes_size"),
    unknown_size("pg_database_size"),
    unknown_size("pg_tablespace_size"),
];

const fn built_in(name: &'static str) -> Definition {
    Definition::stable(name, (1, 1), Returns::Bool, |_| Ok(true.into()))
}

const fn nothing(name: &'static str, arity: (usize, usize)) -> Definition {
    Definition::stable(name, arity, Returns::Text, |_| Ok(Cell::Null))
}

const fn unknown_size(name: &'static str) -> Definition {
    Definition::stable(name, (1, 2), Returns::Int8, |_| Ok(Cell::Null))
}

/// A type as SQL writes it: `integer`, `numeric(10,2)`, `text[]`; `???` for one that nobody knows.
pub(in super::super) fn format_type(oid: u32, modifier: Option<i64>) -> String {
    let Some(of) = type_of(oid) else {
        return if oid == 0 { "-".to_owned() } else { "???".to_owned() };
    };
    if of.category == "A" && of.element != 0 && of.storage != "p" {
        return format!("{}[]", format_type(of.element, modifier));
    }
    let modifier = modifier.filter(|modifier| *modifier >= 0);
    let length = |name: &str| modifier.map_or(name.to_owned(), |m| format!("{name}({})", m - 4));
    let digits = |name: &str, zone: &str| match modifier {
        Some(m) => format!("{name}({m}) {zone} time zone"),
        None => format!("{name} {zone} time zone"),
    };
    match of.name {
        "bool" => "boolean".to_owned(),
        "int2" => "smallint".to_owned(),
        "int4" => "integer".to_owned(),
        "int8" => "bigint".to_owned(),
        "float4" => "real".to_owned(),
        "float8" => "double precision".to_owned(),
        "char" => "\"char\"".to_owned(),
        "bpchar" => length("character"),
        "varchar" => length("character varying"),
        "numeric" => modifier.map_or("numeric".to_owned(), |m| {
            let bits = m - 4;
            format!("numeric({},{})", (bits >> 16) & 0xffff, ((bits & 0x7ff) ^ 1024) - 1024)
        }),
        "time" => digits("time", "without"),
        "timetz" => digits("time", "with"),
        "timestamp" => digits("timestamp", "without"),
        "timestamptz" => digits("timestamp", "with"),
        "bit" => modifier.map_or("bit".to_owned(), |m| format!("bit({m})")),
        "varbit" => modifier.map_or("bit varying".to_owned(), |m| format!("bit varying({m})")),
        other => other.to_owned(),
    }
}

fn columns(table: &Table, numbers: &[i64]) -> String {
    let names: Vec<String> = numbers.iter().filter_map(|number| table.column_name(*number)).map(quote_ident).collect();
    names.join(", ")
}

fn constraint_definition(snapshot: &MetadataSnapshot, oid: u32) -> Option<String> {
    snapshot.tables().iter().find_map(|table| {
        if let Some(key) = table.primary_key.as_ref().filter(|key| key.oid == oid) {
            return Some(format!("PRIMARY KEY ({})", columns(table, &key.columns)));
        }
        let key = table.foreign_keys.iter().find(|key| key.oid == oid)?;
        let target = snapshot.table_of(key.table)?;
        Some(format!(
            "FOREIGN KEY ({}) REFERENCES {}({})",
            columns(table, &key.columns),
            class_text(snapshot, key.table)?,
            columns(target, &key.referenced)
        ))
    })
}

/// The statement that would make a primary key's index.
pub(in super::super) fn index_definition(table: &Table, key: &PrimaryKey) -> String {
    format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quote_ident(&key.name),
        quote_ident(table.name().schema()),
        quote_ident(table.name().name()),
        columns(table, &key.columns)
    )
}

/// The whole statement, or one column of the index.
fn index(call: &Call<'_>) -> Result<Cell> {
    let keyed = |table: &'_ Table| table.primary_key.as_ref().map(|key| key.index) == call.oid(0);
    let Some(table) = call.snapshot.tables().iter().find(|table| keyed(table)) else { return Ok(Cell::Null) };
    let Some(key) = &table.primary_key else { return Ok(Cell::Null) };
    Ok(match call.int(1).filter(|column| *column > 0) {
        None => index_definition(table, key).into(),
        Some(column) => {
            let number = usize::try_from(column - 1).ok().and_then(|at| key.columns.get(at));
            number.and_then(|number| table.column_name(*number)).map_or(String::new(), quote_ident).into()
        }
    })
}

fn function_arguments(call: &Call<'_>) -> Result<Cell> {
    let function = call.oid(0).and_then(|oid| pg_functions().iter().find(|f| f.oid == oid));
    let listed = |arguments: &[u32]| arguments.iter().map(|of| format_type(*of, None)).collect::<Vec<_>>().join(", ");
    Ok(function.map(|f| listed(&f.arguments)).into())
}

/// Whether an identifier is one of a relation that the principal sees.
pub(super) fn is_relation(snapshot: &MetadataSnapshot, of: u32) -> bool {
    of != oid::OWNER && class_name(snapshot, of).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_postgresql_writes_them() {
        let numeric = |precision: i64, scale: i64| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(format_type(23, None), "integer");
        assert_eq!(format_type(1700, Some(numeric(10, 2))), "numeric(10,2)");
        assert_eq!(format_type(1700, Some(numeric(5, -2))), "numeric(5,-2)");
        assert_eq!(format_type(1231, Some(numeric(10, 2))), "numeric(10,2)[]");
        assert_eq!(format_type(1043, Some(24)), "character varying(20)");
        assert_eq!(format_type(1009, Some(-1)), "text[]");
        assert_eq!(format_type(1184, None), "timestamp with time zone");
        assert_eq!(format_type(18, None), "\"char\"");
        assert_eq!(format_type(22, None), "int2vector");
        assert_eq!(format_type(0, None), "-");
        assert_eq!(format_type(4_000_000, None), "???");
    }
}
