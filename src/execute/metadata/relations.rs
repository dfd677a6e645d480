//! Which system relations there are, and their columns, as PostgreSQL 15 has them.
//!
//! `data/relations.csv` was taken from a PostgreSQL 15 server: schema, name, oid, kind, and `column:type` with `!` for
//! one that is never NULL. Relations that hold secrets or statistics (`pg_authid`, `pg_stats` …) are left out.

use crate::catalog::{SystemColumn, SystemRelations};
use crate::types::{DatasetName, SqlType};
use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The key of a field's metadata that names its PostgreSQL type, for those who encode results.
pub(super) const TYPE_KEY: &str = "pg.type";

/// One system relation.
#[derive(Debug)]
pub(super) struct Relation {
    /// Schema and name.
    pub(super) name: DatasetName,
    /// Its row in `pg_class`.
    pub(super) oid: u32,
    /// `r` or `v`.
    pub(super) kind: &'static str,
    /// Its columns, in order.
    pub(super) columns: Vec<RelationColumn>,
    /// The same for Arrow; every column may hold NULL there.
    pub(super) schema: SchemaRef,
}

/// A column of a system relation.
#[derive(Debug)]
pub(super) struct RelationColumn {
    /// Its name.
    pub(super) name: &'static str,
    /// PostgreSQL's name for its type, such as `oid` or `text[]`.
    pub(super) pg_type: &'static str,
    /// What it is to the engine.
    pub(super) kind: Kind,
    /// A value that nobody gives is the type's zero, not NULL.
    pub(super) not_null: bool,
}

/// The types that columns of system relations, and results of system functions, have in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    /// `oid`, `regproc`, `xid`: 32 bits without a sign. No dataset's column has this Arrow type.
    Oid,
    Float4,
    Float8,
    Text,
    TimestampTz,
    Timestamp,
    Date,
    Interval,
    Bytea,
    Numeric,
    Array(Box<Kind>),
}

impl RelationColumn {
    /// The column to Arrow. Drivers read a vector by its own form, which is not that of an array.
    fn field(&self) -> Field {
        let field = Field::new(self.name, self.kind.data_type(), true);
        match self.pg_type {
            "int2vector" | "oidvector" => field.with_metadata([(TYPE_KEY.to_owned(), self.pg_type.to_owned())].into()),
            _ => field,
        }
    }
}

impl Kind {
    /// What a type of PostgreSQL's catalogs is to the engine. Text stands in for the types that only ever print.
    pub(super) fn of(pg_type: &str) -> Self {
        if let Some(element) = pg_type.strip_suffix("[]") {
            return Self::Array(Box::new(Self::of(element)));
        }
        match pg_type {
            "boolean" => Self::Bool,
            "smallint" => Self::Int2,
            "integer" | "cardinal_number" => Self::Int4,
            "bigint" => Self::Int8,
            "oid" | "regproc" | "regtype" | "regclass" | "xid" => Self::Oid,
            "real" => Self::Float4,
            "double precision" => Self::Float8,
            "timestamp with time zone" | "time_stamp" => Self::TimestampTz,
            "interval" => Self::Interval,
            "bytea" => Self::Bytea,
            "numeric" => Self::Numeric,
            "int2vector" => Self::Array(Box::new(Self::Int2)),
            "oidvector" => Self::Array(Box::new(Self::Oid)),
            _ => Self::Text,
        }
    }

    /// The Arrow type.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Date => DataType::Date32,
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Bytea => DataType::Binary,
            Self::Numeric => DataType::Decimal128(38, 0),
            Self::Array(element) => DataType::new_list(element.data_type(), true),
        }
    }

    fn sql_type(&self) -> SqlType {
        match self {
            Self::Bool => SqlType::Boolean,
            Self::Int2 => SqlType::SmallInt,
            Self::Int4 => SqlType::Integer,
            Self::Int8 => SqlType::BigInt,
            Self::Oid => SqlType::Other("oid".to_owned()),
            Self::Float4 => SqlType::Real,
            Self::Float8 => SqlType::Double,
            Self::Text => SqlType::Text,
            Self::TimestampTz => SqlType::TimestampTz,
            Self::Timestamp => SqlType::Timestamp,
            Self::Date => SqlType::Date,
            Self::Interval => SqlType::Interval,
            Self::Bytea => SqlType::Bytea,
            Self::Numeric => SqlType::Numeric { precision: 38, scale: 0 },
            Self::Array(element) => SqlType::Array(Box::new(element.sql_type())),
        }
    }
}

/// The relations of the schema `querygate`, in the same form.
const OWN: &str = "\
querygate,my_datasets,15901,v,name:text!;description:text;tier:text!;classification:text;tags:text[]!;domain:text;\
owner:text;steward:text;access:text!;row_filter:boolean!
querygate,my_columns,15902,v,dataset:text!;column:text!;type:text!;classification:text!;tags:text[]!;mask:text;\
description:text
querygate,last_result_columns,15903,v,ordinal_position:integer!;name:text!;type:text!;classification:text!;\
tags:text[]!;mask:text
";

// Parsed once for the process: it is a constant, only too large to write as one.
static RELATIONS: LazyLock<BTreeMap<DatasetName, Relation>> = LazyLock::new(|| {
    include_str!("data/relations.csv")
        .lines()
        .chain(OWN.lines())
        .filter_map(parse)
        .map(|relation| (relation.name.clone(), relation))
        .collect()
});

fn parse(line: &'static str) -> Option<Relation> {
    let mut fields = line.splitn(5, ',');
    let (schema, name) = (fields.next()?, fields.next()?);
    let oid = fields.next()?.parse().ok()?;
    let kind = fields.next()?;
    let columns: Vec<RelationColumn> = fields.next()?.split(';').filter_map(parse_column).collect();
    let fields: Vec<Field> = columns.iter().map(RelationColumn::field).collect();
    Some(Relation { name: DatasetName::new(schema, name), oid, kind, columns, schema: Arc::new(Schema::new(fields)) })
}

fn parse_column(text: &'static str) -> Option<RelationColumn> {
    let (name, pg_type) = text.split_once(':')?;
    let (pg_type, not_null) = pg_type.strip_suffix('!').map_or((pg_type, false), |bare| (bare, true));
    Some(RelationColumn { name, pg_type, kind: Kind::of(pg_type), not_null })
}

/// The system relation of a folded name.
pub(super) fn relation(name: &DatasetName) -> Option<&'static Relation> {
    RELATIONS.get(name)
}

/// All system relations, by name.
pub(super) fn relations() -> impl Iterator<Item = &'static Relation> {
    RELATIONS.values()
}

/// Names and columns of every system relation: what the resolver needs. It is the same for everyone.
pub fn system_relations() -> SystemRelations {
    let columns = |relation: &Relation| {
        let column = |c: &RelationColumn| SystemColumn { name: c.name.to_owned(), sql_type: c.kind.sql_type() };
        relation.columns.iter().map(column).collect()
    };
    SystemRelations {
        relations: relations().map(|relation| (relation.name.clone(), columns(relation))).collect(),
        oids: relations().map(|relation| (relation.name.clone(), relation.oid)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_a_relation_with_all_its_columns() {
        let lines = include_str!("data/relations.csv").lines().count() + OWN.lines().count();
        assert_eq!(relations().count(), lines);
        let columns = |line: &str| line.matches(':').count();
        let written: usize = include_str!("data/relations.csv").lines().chain(OWN.lines()).map(columns).sum();
        assert_eq!(relations().map(|relation| relation.columns.len()).sum::<usize>(), written);
    }

    #[test]
    fn secrets_and_statistics_have_no_relation() {
        for name in ["pg_authid", "pg_shadow", "pg_statistic", "pg_stats", "pg_hba_file_rules", "pg_largeobject"] {
            assert!(relation(&DatasetName::new("pg_catalog", name)).is_none(), "{name}");
        }
    }

    #[test]
    fn types_are_the_engines() {
        let class = relation(&DatasetName::new("pg_catalog", "pg_class")).unwrap();
        let of = |name: &str| class.columns.iter().find(|column| column.name == name).unwrap().kind.clone();
        assert_eq!(of("oid"), Kind::Oid);
        assert_eq!(of("relname"), Kind::Text);
        assert_eq!(of("reltuples"), Kind::Float4);
        assert_eq!(of("relacl"), Kind::Array(Box::new(Kind::Text)));
    }
}
