//! Rows that are the same for everyone: built-in types, casts, operators, functions, and the system relations themselves.
//!
//! `data/*.tsv` were taken from a PostgreSQL 15 server with COPY in text format; columns that are not in a file are NULL
//! or zero.

use super::oid;
use super::relations::{Kind, Relation, relations};
use super::rows::{Cell, Rows};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The file of a relation, if it has one.
fn file(name: &str) -> Option<&'static str> {
    match name {
        "pg_am" => Some(include_str!("data/pg_am.tsv")),
        "pg_cast" => Some(include_str!("data/pg_cast.tsv")),
        "pg_collation" => Some(include_str!("data/pg_collation.tsv")),
        "pg_language" => Some(include_str!("data/pg_language.tsv")),
        "pg_operator" => Some(include_str!("data/pg_operator.tsv")),
        "pg_proc" => Some(include_str!("data/pg_proc.tsv")),
        "pg_range" => Some(include_str!("data/pg_range.tsv")),
        "pg_tablespace" => Some(include_str!("data/pg_tablespace.tsv")),
        "pg_type" => Some(include_str!("data/pg_type.tsv")),
        _ => None,
    }
}

/// Adds the rows of a relation's file.
pub(super) fn fill(relation: &Relation, rows: &mut Rows) {
    let Some(text) = file(relation.name.name()) else { return };
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let kinds: Vec<Option<&Kind>> = header.iter().map(|name| kind(relation, name)).collect();
    for line in lines {
        let cells = header.iter().zip(&kinds).zip(line.split('\t'));
        rows.push_all(cells.map(|((name, kind), value)| (*name, cell(*kind, value))).collect());
    }
}

fn kind<'a>(relation: &'a Relation, name: &str) -> Option<&'a Kind> {
    relation.columns.iter().find(|column| column.name == name).map(|column| &column.kind)
}

fn cell(kind: Option<&Kind>, value: &str) -> Cell {
    match (kind, value) {
        (None, _) | (_, "\\N") => Cell::Null,
        (Some(kind), value) => Cell::parse(kind, value).unwrap_or_default(),
    }
}

/// Adds each system relation to `pg_class`.
pub(super) fn fill_classes(rows: &mut Rows) {
    for relation in relations() {
        rows.push([
            ("oid", relation.oid.into()),
            ("relname", relation.name.name().into()),
            ("relnamespace", schema(relation).into()),
            ("relowner", oid::OWNER.into()),
            ("relam", if relation.kind == "r" { oid::HEAP.into() } else { Cell::Int(0) }),
            ("reltuples", Cell::Float(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", relation.kind.into()),
            ("relnatts", Cell::Int(i64::try_from(relation.columns.len()).unwrap_or_default())),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
        ]);
    }
}

/// Adds the columns of each system relation to `pg_attribute`.
pub(super) fn fill_attributes(rows: &mut Rows) {
    for relation in relations() {
        for (number, column) in (1_i64..).zip(&relation.columns) {
            let of = type_named(column.pg_type).or_else(|| type_named("text"));
            let mut cells = vec![
                ("attrelid", relation.oid.into()),
                ("attname", column.name.into()),
                ("attnum", Cell::Int(number)),
                ("attnotnull", column.not_null.into()),
            ];
            cells.extend(of.map(attribute_of).into_iter().flatten());
            rows.push_all(cells);
        }
    }
}

/// What a column's type says about the column in `pg_attribute`.
pub(super) fn attribute_of(of: &PgType) -> Vec<(&'static str, Cell)> {
    vec![
        ("atttypid", of.oid.into()),
        ("attlen", Cell::Int(of.length)),
        ("attbyval", of.by_value.into()),
        ("attalign", of.align.into()),
        ("attstorage", of.storage.into()),
        ("attcollation", of.collation.into()),
        ("attndims", Cell::Int(i64::from(of.category == "A"))),
        ("attstattarget", Cell::Int(-1)),
        ("attcacheoff", Cell::Int(-1)),
        ("atttypmod", Cell::Int(-1)),
        ("attislocal", true.into()),
    ]
}

fn schema(relation: &Relation) -> Option<u32> {
    match relation.name.schema() {
        "pg_catalog" => Some(oid::PG_CATALOG),
        "information_schema" => Some(oid::INFORMATION_SCHEMA),
        "querygate" => Some(oid::QUERYGATE),
        _ => None,
    }
}

/// A built-in type.
#[derive(Debug)]
pub(super) struct PgType {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) length: i64,
    pub(super) by_value: bool,
    pub(super) align: &'static str,
    pub(super) storage: &'static str,
    pub(super) category: &'static str,
    pub(super) element: u32,
    pub(super) array: u32,
    pub(super) collation: u32,
}

// Parsed once for the process: constants of PostgreSQL.
static TYPES: LazyLock<Vec<PgType>> = LazyLock::new(|| {
    let mut lines = include_str!("data/pg_type.tsv").lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    lines.filter_map(|line| pg_type(&header.iter().copied().zip(line.split('\t')).collect())).collect()
});

fn pg_type(fields: &HashMap<&str, &'static str>) -> Option<PgType> {
    let number = |name: &str| fields.get(name)?.parse::<u32>().ok();
    Some(PgType {
        oid: number("oid")?,
        name: fields.get("typname")?,
        length: fields.get("typlen")?.parse().ok()?,
        by_value: *fields.get("typbyval")? == "t",
        align: fields.get("typalign")?,
        storage: fields.get("typstorage")?,
        category: fields.get("typcategory")?,
        element: number("typelem")?,
        array: number("typarray")?,
        collation: number("typcollation")?,
    })
}

/// The built-in type of an identifier.
pub(super) fn type_of(oid: u32) -> Option<&'static PgType> {
    TYPES.iter().find(|of| of.oid == oid)
}

/// The built-in type of a name, as SQL or as the catalog writes it: `integer`, `int4`, `text[]`, `_text`.
pub(super) fn type_named(name: &str) -> Option<&'static PgType> {
    if let Some(element) = name.strip_suffix("[]") {
        return type_named(element).and_then(|of| type_of(of.array));
    }
    let name = match name {
        "boolean" => "bool",
        "smallint" => "int2",
        "integer" | "int" | "cardinal_number" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "decimal" => "numeric",
        "character varying" => "varchar",
        "character" => "bpchar",
        "\"char\"" => "char",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" | "time_stamp" => "timestamptz",
        "sql_identifier" => "name",
        "character_data" | "yes_or_no" => "varchar",
        other => other,
    };
    TYPES.iter().find(|of| of.name == name)
}

/// A built-in function.
#[derive(Debug)]
pub(super) struct PgFunction {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) returns_set: bool,
    pub(super) result: u32,
    pub(super) arguments: Vec<u32>,
}

static FUNCTIONS: LazyLock<Vec<PgFunction>> = LazyLock::new(|| {
    let mut lines = include_str!("data/pg_proc.tsv").lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    lines.filter_map(|line| pg_function(&header.iter().copied().zip(line.split('\t')).collect())).collect()
});

fn pg_function(fields: &HashMap<&str, &'static str>) -> Option<PgFunction> {
    Some(PgFunction {
        oid: fields.get("oid")?.parse().ok()?,
        name: fields.get("proname")?,
        returns_set: *fields.get("proretset")? == "t",
        result: fields.get("prorettype")?.parse().ok()?,
        arguments: fields.get("proargtypes")?.split(' ').filter_map(|oid| oid.parse().ok()).collect(),
    })
}

/// The built-in functions that `pg_proc` names.
pub(super) fn pg_functions() -> &'static [PgFunction] {
    &FUNCTIONS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DatasetName;

    #[test]
    fn every_file_has_only_columns_of_its_relation_and_every_value_reads() {
        let mut files = 0;
        for relation in relations() {
            let Some(text) = file(relation.name.name()) else { continue };
            files += 1;
            let mut lines = text.lines();
            let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
            for line in lines {
                let values: Vec<&str> = line.split('\t').collect();
                assert_eq!(values.len(), header.len(), "{}: {line}", relation.name);
                for (name, value) in header.iter().zip(values) {
                    let kind = kind(relation, name).unwrap_or_else(|| panic!("{} has no {name}", relation.name));
                    assert!(value == "\\N" || Cell::parse(kind, value).is_some(), "{}.{name} {value}", relation.name);
                }
            }
        }
        assert_eq!(files, 9);
    }

    #[test]
    fn types_have_postgresqls_identifiers() {
        let of = |name| type_named(name).map(|of| of.oid);
        assert_eq!(of("integer"), Some(23));
        assert_eq!(of("text[]"), Some(1009));
        assert_eq!(of("timestamp with time zone"), Some(1184));
        assert_eq!(of("no_such_type"), None);
        assert_eq!(TYPES.len(), include_str!("data/pg_type.tsv").lines().count() - 1);
    }

    #[test]
    fn every_column_of_a_system_relation_has_a_type_or_is_shown_as_text() {
        let class = super::super::relations::relation(&DatasetName::new("pg_catalog", "pg_attribute")).unwrap();
        let mut rows = Rows::of(class);
        fill_attributes(&mut rows);
        let batch = rows.batch().unwrap();
        let columns: usize = relations().map(|relation| relation.columns.len()).sum();
        assert_eq!(batch.num_rows(), columns);
    }
}
