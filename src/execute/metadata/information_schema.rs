//! Rows of `information_schema` (PostgreSQL manual, chapter 37), from the same visible tables as `pg_catalog`.

use super::content::type_and_modifier;
use super::fixed::{PgType, type_named, type_of};
use super::relations::{Relation, relations};
use super::rows::{Cell, Rows};
use super::snapshot::{MetadataSnapshot, Table};
use crate::types::{DatasetName, SqlType};

/// Who granted what there is to grant.
const OWNER: &str = "querygate";

/// Adds the rows of a relation of `information_schema`.
pub(super) fn fill(snapshot: &MetadataSnapshot, relation: &Relation, rows: &mut Rows) {
    let facts = snapshot.facts();
    let database = facts.database.as_str();
    let tables = snapshot.tables();
    match relation.name.name() {
        "information_schema_catalog_name" => rows.push([("catalog_name", database.into())]),
        "enabled_roles" => rows.push([("role_name", facts.user.as_str().into())]),
        "schemata" => snapshot.schemas().keys().for_each(|schema| schemata(database, schema, rows)),
        "character_sets" => rows.push([
            ("character_set_name", "UTF8".into()),
            ("character_repertoire", "UCS".into()),
            ("form_of_use", "UTF8".into()),
            ("default_collate_catalog", database.into()),
        ]),
        "tables" => {
            relations().for_each(|system| table(database, &system.name, system.kind, rows));
            tables.iter().for_each(|visible| table(database, visible.name(), "r", rows));
        }
        "columns" => {
            relations().for_each(|system| system_columns(database, system, rows));
            tables.iter().for_each(|visible| columns(database, visible, rows));
        }
        "table_constraints" => tables.iter().for_each(|visible| table_constraints(database, visible, rows)),
        "key_column_usage" => tables.iter().for_each(|visible| key_columns(database, visible, rows)),
        "referential_constraints" => tables.iter().for_each(|visible| references(snapshot, visible, rows)),
        "constraint_column_usage" | "constraint_table_usage" => {
            let by_column = relation.name.name() == "constraint_column_usage";
            tables.iter().for_each(|visible| constraint_usage(database, visible, by_column, rows));
        }
        "table_privileges" | "role_table_grants" => tables.iter().for_each(|visible| {
            let mut cells = privilege(&facts.user, database, visible.name());
            cells.push(("with_hierarchy", "YES".into()));
            rows.push_all(cells);
        }),
        "column_privileges" | "role_column_grants" => tables.iter().for_each(|visible| {
            for column in &visible.columns {
                let mut cells = privilege(&facts.user, database, visible.name());
                cells.push(("column_name", column.column.name.as_str().into()));
                rows.push_all(cells);
            }
        }),
        _ => {}
    }
}

fn schemata(database: &str, schema: &str, rows: &mut Rows) {
    rows.push([("catalog_name", database.into()), ("schema_name", schema.into()), ("schema_owner", OWNER.into())]);
}

fn named(database: &str, name: &DatasetName) -> Vec<(&'static str, Cell)> {
    vec![("table_catalog", database.into()), ("table_schema", name.schema().into()), ("table_name", name.name().into())]
}

fn constraint(database: &str, schema: &str, name: &str) -> Vec<(&'static str, Cell)> {
    vec![
        ("constraint_catalog", database.into()),
        ("constraint_schema", schema.into()),
        ("constraint_name", name.into()),
    ]
}

fn table(database: &str, name: &DatasetName, kind: &str, rows: &mut Rows) {
    let mut cells = named(database, name);
    cells.extend([
        ("table_type", if kind == "v" { "VIEW".into() } else { "BASE TABLE".into() }),
        ("is_insertable_into", "NO".into()),
        ("is_typed", "NO".into()),
    ]);
    rows.push_all(cells);
}

fn columns(database: &str, table: &Table, rows: &mut Rows) {
    for column in &table.columns {
        let mut cells = named(database, table.name());
        let nullable = column.column.nullable || column.mask.is_some();
        let (oid, _) = type_and_modifier(&column.column.sql_type);
        cells.extend(column_cells(database, &column.column.name, column.number, nullable, type_of(oid)));
        if let SqlType::Numeric { precision, scale } = column.column.sql_type {
            cells.extend([
                ("numeric_precision", Cell::Int(i64::from(precision))),
                ("numeric_precision_radix", Cell::Int(10)),
                ("numeric_scale", Cell::Int(i64::from(scale))),
            ]);
        }
        rows.push_all(cells);
    }
}

fn system_columns(database: &str, relation: &Relation, rows: &mut Rows) {
    for (number, column) in (1..).zip(&relation.columns) {
        let mut cells = named(database, &relation.name);
        cells.extend(column_cells(database, column.name, number, !column.not_null, type_named(column.pg_type)));
        rows.push_all(cells);
    }
}

fn column_cells(
    database: &str,
    name: &str,
    number: i64,
    nullable: bool,
    of: Option<&PgType>,
) -> Vec<(&'static str, Cell)> {
    let yes_or_no = |yes: bool| if yes { Cell::from("YES") } else { Cell::from("NO") };
    let type_name = of.map_or("text", |of| of.name);
    let data_type = match of {
        Some(of) if of.category == "A" => "ARRAY".to_owned(),
        Some(of) => super::functions::format_type(of.oid, None),
        None => "text".to_owned(),
    };
    let mut cells = vec![
        ("column_name", name.into()),
        ("ordinal_position", Cell::Int(number)),
        ("is_nullable", yes_or_no(nullable)),
        ("data_type", data_type.into()),
        ("udt_catalog", database.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", type_name.into()),
        ("dtd_identifier", number.to_string().into()),
        ("is_self_referencing", yes_or_no(false)),
        ("is_identity", yes_or_no(false)),
        ("identity_cycle", yes_or_no(false)),
        ("is_generated", "NEVER".into()),
        ("is_updatable", yes_or_no(false)),
    ];
    let binary = |bits: i64, scale: Option<i64>| {
        vec![
            ("numeric_precision", Cell::Int(bits)),
            ("numeric_precision_radix", Cell::Int(2)),
            ("numeric_scale", scale.into()),
        ]
    };
    cells.extend(match type_name {
        "int2" => binary(16, Some(0)),
        "int4" => binary(32, Some(0)),
        "int8" => binary(64, Some(0)),
        "float4" => binary(24, None),
        "float8" => binary(53, None),
        "text" | "varchar" => vec![("character_octet_length", Cell::Int(1 << 30))],
        "date" => vec![("datetime_precision", Cell::Int(0))],
        "time" | "timestamp" | "timestamptz" | "interval" => vec![("datetime_precision", Cell::Int(6))],
        _ => Vec::new(),
    });
    cells
}

fn table_constraints(database: &str, table: &Table, rows: &mut Rows) {
    let primary = table.primary_key.iter().map(|key| (key.name.as_str(), "PRIMARY KEY"));
    let foreign = table.foreign_keys.iter().map(|key| (key.name.as_str(), "FOREIGN KEY"));
    for (name, kind) in primary.chain(foreign) {
        let mut cells = constraint(database, table.name().schema(), name);
        cells.extend(named(database, table.name()));
        cells.extend([
            ("constraint_type", kind.into()),
            ("is_deferrable", "NO".into()),
            ("initially_deferred", "NO".into()),
            ("enforced", "YES".into()),
        ]);
        rows.push_all(cells);
    }
}

fn key_columns(database: &str, table: &Table, rows: &mut Rows) {
    let mut usage = |name: &str, columns: &[i64], foreign: bool| {
        for (position, number) in (1..).zip(columns) {
            let mut cells = constraint(database, table.name().schema(), name);
            cells.extend(named(database, table.name()));
            cells.extend([
                ("column_name", table.column_name(*number).into()),
                ("ordinal_position", Cell::Int(position)),
                ("position_in_unique_constraint", foreign.then_some(position).into()),
            ]);
            rows.push_all(cells);
        }
    };
    if let Some(key) = &table.primary_key {
        usage(&key.name, &key.columns, false);
    }
    for key in &table.foreign_keys {
        usage(&key.name, &key.columns, true);
    }
}

fn references(snapshot: &MetadataSnapshot, table: &Table, rows: &mut Rows) {
    let database = snapshot.facts().database.as_str();
    for key in &table.foreign_keys {
        let target = snapshot.table_of(key.table).and_then(|target| target.primary_key.as_ref());
        let unique = target.filter(|primary| primary.index == key.index).map(|primary| primary.name.as_str());
        let mut cells = constraint(database, table.name().schema(), &key.name);
        cells.extend([
            ("unique_constraint_catalog", unique.map(|_| database).into()),
            ("unique_constraint_schema", unique.map(|_| key.table_name.schema()).into()),
            ("unique_constraint_name", unique.into()),
            ("match_option", "NONE".into()),
            ("update_rule", "NO ACTION".into()),
            ("delete_rule", "NO ACTION".into()),
        ]);
        rows.push_all(cells);
    }
}

/// A primary key uses its own columns, a foreign key those that it leads to.
fn constraint_usage(database: &str, table: &Table, by_column: bool, rows: &mut Rows) {
    let mut usage = |name: &str, used: &DatasetName, columns: Vec<&str>| {
        let columns = if by_column { columns.into_iter().map(Some).collect() } else { vec![None] };
        for column in columns {
            let mut cells = constraint(database, table.name().schema(), name);
            cells.extend(named(database, used));
            cells.extend(column.map(|column| ("column_name", column.into())));
            rows.push_all(cells);
        }
    };
    if let Some(key) = &table.primary_key {
        usage(&key.name, table.name(), key.columns.iter().filter_map(|number| table.column_name(*number)).collect());
    }
    for key in &table.foreign_keys {
        usage(&key.name, &key.table_name, key.referenced_names.iter().map(String::as_str).collect());
    }
}

fn privilege(user: &str, database: &str, name: &DatasetName) -> Vec<(&'static str, Cell)> {
    let mut cells = named(database, name);
    cells.extend([
        ("grantor", OWNER.into()),
        ("grantee", user.into()),
        ("privilege_type", "SELECT".into()),
        ("is_grantable", "NO".into()),
    ]);
    cells
}
