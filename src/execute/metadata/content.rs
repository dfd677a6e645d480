//! Rows of `pg_catalog`.
//!
//! INVARIANT: whatever names a dataset or a column comes from [`MetadataSnapshot::tables`], which holds only what the
//! principal may see. Relations that are not filled here are empty.

use super::fixed::{self, attribute_of, type_named, type_of};
use super::oid;
use super::relations::Relation;
use super::rows::{Cell, Rows};
use super::snapshot::{MetadataSnapshot, Table};
use crate::types::SqlType;

/// Adds the rows of a relation of `pg_catalog`.
pub(super) fn fill(snapshot: &MetadataSnapshot, relation: &Relation, rows: &mut Rows) {
    fixed::fill(relation, rows);
    match relation.name.name() {
        "pg_class" => {
            fixed::fill_classes(rows);
            snapshot.tables().iter().for_each(|table| classes(snapshot, table, rows));
        }
        "pg_attribute" => {
            fixed::fill_attributes(rows);
            snapshot.tables().iter().for_each(|table| attributes(table, rows));
        }
        "pg_namespace" => namespaces(snapshot, rows),
        "pg_index" => snapshot.tables().iter().for_each(|table| index(table, rows)),
        "pg_constraint" => snapshot.tables().iter().for_each(|table| constraints(table, rows)),
        "pg_description" => snapshot.tables().iter().for_each(|table| descriptions(table, rows)),
        "pg_depend" => snapshot.tables().iter().for_each(|table| depends(table, rows)),
        "pg_tables" => snapshot.tables().iter().for_each(|table| pg_tables(table, rows)),
        "pg_indexes" => snapshot.tables().iter().for_each(|table| pg_indexes(table, rows)),
        "pg_database" => databases(snapshot, rows),
        "pg_roles" => roles(snapshot, rows),
        "pg_user" => user(snapshot, rows),
        "pg_settings" => settings(snapshot, rows),
        _ => {}
    }
}

/// The relations that [`fill`] leaves empty for everyone: a join with one has no rows.
pub(super) fn always_empty(name: &str) -> bool {
    matches!(
        name,
        "pg_attrdef"
            | "pg_auth_members"
            | "pg_db_role_setting"
            | "pg_default_acl"
            | "pg_enum"
            | "pg_event_trigger"
            | "pg_extension"
            | "pg_foreign_data_wrapper"
            | "pg_foreign_server"
            | "pg_foreign_table"
            | "pg_inherits"
            | "pg_matviews"
            | "pg_partitioned_table"
            | "pg_policies"
            | "pg_policy"
            | "pg_publication"
            | "pg_publication_namespace"
            | "pg_publication_rel"
            | "pg_publication_tables"
            | "pg_rewrite"
            | "pg_rules"
            | "pg_seclabel"
            | "pg_seclabels"
            | "pg_sequence"
            | "pg_sequences"
            | "pg_shdescription"
            | "pg_statistic_ext"
            | "pg_trigger"
            | "pg_views"
    )
}

fn classes(snapshot: &MetadataSnapshot, table: &Table, rows: &mut Rows) {
    let is_referenced =
        snapshot.tables().iter().any(|other| other.foreign_keys.iter().any(|key| key.table == table.oid));
    let is_related = is_referenced || !table.foreign_keys.is_empty();
    let common = |oid: u32, name: &str, kind: &str, columns: usize| {
        vec![
            ("oid", oid.into()),
            ("relname", name.into()),
            ("relnamespace", table.schema.into()),
            ("relowner", oid::OWNER.into()),
            ("relpersistence", "p".into()),
            ("relkind", kind.into()),
            ("relnatts", count(columns)),
            ("relispopulated", true.into()),
        ]
    };
    let mut cells = common(table.oid, table.name().name(), "r", table.columns.len());
    cells.extend([
        ("relam", oid::HEAP.into()),
        // How many rows there are is hidden data: -1 is "never counted".
        ("reltuples", Cell::Float(-1.0)),
        ("relhasindex", table.primary_key.is_some().into()),
        // PostgreSQL checks foreign keys by triggers: psql looks for keys where there are any.
        ("relhastriggers", is_related.into()),
        ("relreplident", "d".into()),
    ]);
    rows.push_all(cells);
    if let Some(key) = &table.primary_key {
        let mut cells = common(key.index, &key.name, "i", key.columns.len());
        cells.extend([("relam", oid::BTREE.into()), ("reltuples", Cell::Float(-1.0)), ("relreplident", "n".into())]);
        rows.push_all(cells);
    }
}

fn attributes(table: &Table, rows: &mut Rows) {
    for column in &table.columns {
        let mut cells = attribute(&column.column.sql_type);
        cells.extend([
            ("attrelid", table.oid.into()),
            ("attname", column.column.name.as_str().into()),
            ("attnum", Cell::Int(column.number)),
            // A mask may give NULL where the column has none.
            ("attnotnull", (!column.column.nullable && column.mask.is_none()).into()),
        ]);
        rows.push_all(cells);
    }
    let Some(key) = &table.primary_key else { return };
    for (position, number) in (1..).zip(&key.columns) {
        let Some(column) = table.columns.iter().find(|column| column.number == *number) else { continue };
        let mut cells = attribute(&column.column.sql_type);
        cells.extend([
            ("attrelid", key.index.into()),
            ("attname", column.column.name.as_str().into()),
            ("attnum", Cell::Int(position)),
        ]);
        rows.push_all(cells);
    }
}

fn attribute(sql_type: &SqlType) -> Vec<(&'static str, Cell)> {
    let (oid, modifier) = type_and_modifier(sql_type);
    let mut cells: Vec<_> = type_of(oid).map(attribute_of).into_iter().flatten().collect();
    cells.retain(|(name, _)| *name != "atttypmod");
    cells.push(("atttypmod", Cell::Int(modifier)));
    cells
}

/// The identifier and the modifier of a column's type.
pub(super) fn type_and_modifier(sql_type: &SqlType) -> (u32, i64) {
    const TEXT: u32 = 25;
    match sql_type {
        SqlType::Numeric { precision, scale } => {
            (1700, ((i64::from(*precision) << 16) | (i64::from(*scale) & 0x7ff)) + 4)
        }
        SqlType::Array(element) => {
            let (element, modifier) = type_and_modifier(element);
            (type_of(element).map_or(TEXT, |of| of.array), modifier)
        }
        other => (type_named(&other.to_string()).map_or(TEXT, |of| of.oid), -1),
    }
}

fn namespaces(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    for (name, oid) in snapshot.schemas() {
        rows.push([("oid", oid.into()), ("nspname", name.into()), ("nspowner", oid::OWNER.into())]);
    }
}

fn index(table: &Table, rows: &mut Rows) {
    let Some(key) = &table.primary_key else { return };
    let each = |value: u32| key.columns.iter().map(|_| value).collect::<Vec<_>>();
    rows.push([
        ("indexrelid", key.index.into()),
        ("indrelid", table.oid.into()),
        ("indnatts", count(key.columns.len())),
        ("indnkeyatts", count(key.columns.len())),
        ("indisunique", true.into()),
        ("indisprimary", true.into()),
        ("indimmediate", true.into()),
        ("indisvalid", true.into()),
        ("indisready", true.into()),
        ("indislive", true.into()),
        ("indkey", key.columns.clone().into()),
        ("indcollation", each(0).into()),
        ("indclass", each(0).into()),
        ("indoption", each(0).into()),
    ]);
}

fn constraints(table: &Table, rows: &mut Rows) {
    let common = |oid: u32, name: &str, kind: &str, columns: &[i64]| {
        vec![
            ("oid", oid.into()),
            ("conname", name.into()),
            ("connamespace", table.schema.into()),
            ("contype", kind.into()),
            ("convalidated", true.into()),
            ("conrelid", table.oid.into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", columns.to_vec().into()),
        ]
    };
    if let Some(key) = &table.primary_key {
        let mut cells = common(key.oid, &key.name, "p", &key.columns);
        let none = [("confupdtype", " "), ("confdeltype", " "), ("confmatchtype", " ")];
        cells.extend(none.map(|(name, value)| (name, Cell::from(value))));
        cells.push(("conindid", key.index.into()));
        rows.push_all(cells);
    }
    for key in &table.foreign_keys {
        let mut cells = common(key.oid, &key.name, "f", &key.columns);
        cells.extend([
            ("confupdtype", "a".into()),
            ("confdeltype", "a".into()),
            ("confmatchtype", "s".into()),
            ("conindid", key.index.into()),
            ("confrelid", key.table.into()),
            ("confkey", key.referenced.clone().into()),
        ]);
        rows.push_all(cells);
    }
}

fn descriptions(table: &Table, rows: &mut Rows) {
    let mut describe = |number: i64, description: Option<&String>| {
        if let Some(description) = description {
            rows.push([
                ("objoid", table.oid.into()),
                ("classoid", oid::CLASS_RELATION.into()),
                ("objsubid", Cell::Int(number)),
                ("description", description.as_str().into()),
            ]);
        }
    };
    describe(0, table.visible.dataset.description.as_ref());
    for column in &table.columns {
        describe(column.number, column.column.description.as_ref());
    }
}

/// A foreign key depends on the index of the key that it leads to: older drivers find the index that way.
fn depends(table: &Table, rows: &mut Rows) {
    for key in table.foreign_keys.iter().filter(|key| key.index != 0) {
        rows.push([
            ("classid", oid::CONSTRAINT_RELATION.into()),
            ("objid", key.oid.into()),
            ("refclassid", oid::CLASS_RELATION.into()),
            ("refobjid", key.index.into()),
            ("deptype", "n".into()),
        ]);
    }
}

fn pg_tables(table: &Table, rows: &mut Rows) {
    rows.push([
        ("schemaname", table.name().schema().into()),
        ("tablename", table.name().name().into()),
        ("tableowner", "querygate".into()),
        ("hasindexes", table.primary_key.is_some().into()),
        ("hasrules", false.into()),
        ("hastriggers", false.into()),
        ("rowsecurity", false.into()),
    ]);
}

fn pg_indexes(table: &Table, rows: &mut Rows) {
    let Some(key) = &table.primary_key else { return };
    rows.push([
        ("schemaname", table.name().schema().into()),
        ("tablename", table.name().name().into()),
        ("indexname", key.name.as_str().into()),
        ("indexdef", super::functions::index_definition(table, key).into()),
    ]);
}

fn databases(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    let facts = snapshot.facts();
    let mut names: Vec<&str> = facts.databases.iter().map(String::as_str).collect();
    names.push(&facts.database);
    names.sort_unstable();
    names.dedup();
    for name in names {
        rows.push([
            ("oid", oid::database(name).into()),
            ("datname", name.into()),
            ("datdba", oid::OWNER.into()),
            ("encoding", Cell::Int(6)),
            ("datlocprovider", "c".into()),
            ("datallowconn", true.into()),
            ("datconnlimit", Cell::Int(-1)),
            ("dattablespace", oid::DEFAULT_TABLESPACE.into()),
            ("datcollate", "C".into()),
            ("datctype", "C.UTF-8".into()),
        ]);
    }
}

fn roles(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    let user = snapshot.facts().user.as_str();
    for (name, oid, login) in [("querygate", oid::OWNER, false), (user, oid::role(user), true)] {
        rows.push([
            ("oid", oid.into()),
            ("rolname", name.into()),
            ("rolsuper", false.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", false.into()),
            ("rolcreatedb", false.into()),
            ("rolcanlogin", login.into()),
            ("rolreplication", false.into()),
            ("rolconnlimit", Cell::Int(-1)),
            ("rolpassword", "********".into()),
            ("rolbypassrls", false.into()),
        ]);
    }
}

fn user(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    let user = snapshot.facts().user.as_str();
    rows.push([
        ("usename", user.into()),
        ("usesysid", oid::role(user).into()),
        ("usecreatedb", false.into()),
        ("usesuper", false.into()),
        ("userepl", false.into()),
        ("usebypassrls", false.into()),
        ("passwd", "********".into()),
    ]);
}

fn settings(snapshot: &MetadataSnapshot, rows: &mut Rows) {
    for (name, value) in snapshot.facts().settings.in_order() {
        rows.push([
            ("name", name.into()),
            ("setting", value.into()),
            ("category", "Session".into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", "session".into()),
            ("boot_val", value.into()),
            ("reset_val", value.into()),
            ("pending_restart", false.into()),
        ]);
    }
}

fn count(of: usize) -> Cell {
    Cell::Int(i64::try_from(of).unwrap_or(i64::MAX))
}
