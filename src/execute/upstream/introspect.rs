//! What an upstream's own catalogs say of a relation.

use super::error::{ProtocolError, UpstreamError};
use super::lease::Lease;
use super::message::Format;
use super::query::Event;
use super::request::{Parameter, Request};
use bytes::{Buf, Bytes};
use postgres_protocol::message::backend::DATA_ROW_TAG;
use postgres_types::Type;
use tokio::time::Instant;

/// Tag, length and the number of values.
const ROW_HEADER: usize = 7;

/// One relation for each column it has; one row without a column if it has none. With the search path that is pinned,
/// `format_type` names every type that is not PostgreSQL's own with its schema. A table with a virtual generated column shows
/// what an expression makes of a row, as a view does: it counts as one. A type that has one like regclass anywhere in it (a
/// domain over it, an array, a field of a row) is told as that one: texts of it are names that are looked up.
const QUESTION: &str = "WITH RECURSIVE parts (whole, part) AS (\
        SELECT DISTINCT a.atttypid, a.atttypid FROM pg_catalog.pg_attribute AS a \
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text AND a.attnum > 0 AND NOT a.attisdropped \
    UNION SELECT p.whole, inner_type.oid FROM parts AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.part \
        JOIN pg_catalog.pg_type AS inner_type ON inner_type.oid IN (t.typbasetype, t.typelem) \
            OR inner_type.oid IN (SELECT f.atttypid FROM pg_catalog.pg_attribute AS f \
                WHERE t.typrelid <> 0 AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped) \
            OR inner_type.oid IN (SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid))) \
    SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS g \
        WHERE g.attrelid = c.oid AND g.attgenerated = 'v') THEN 'v' ELSE c.relkind::pg_catalog.text END, a.attname::pg_catalog.text, \
    coalesce((SELECT min(t.typname::pg_catalog.text) FROM parts AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.part \
        WHERE p.whole = a.atttypid AND t.typnamespace = 11 AND starts_with(t.typname::pg_catalog.text, 'reg')), \
        pg_catalog.format_type(a.atttypid, a.atttypmod)), a.attnotnull::pg_catalog.text \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text ORDER BY a.attnum";

/// A relation of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// What it is.
    pub kind: RelationKind,
    /// Its columns, in order.
    pub columns: Vec<RelationColumn>,
}

/// The kinds of relation that matter here (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary or partitioned table.
    Table,
    /// A view, a materialized view or a foreign table: rows may be hidden or made in ways that nobody here knows.
    Other,
    /// An index, a sequence, a composite type: nothing to select from.
    NoRows,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` writes it.
    pub type_name: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

impl Lease {
    /// Looks a relation up; `None`: there is none of that name.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub async fn relation(
        &mut self,
        schema: &str,
        name: &str,
        deadline: Option<Instant>,
    ) -> Result<Option<Relation>, UpstreamError> {
        let text =
            |value: &str| Parameter { format: Format::Text, value: Some(Bytes::copy_from_slice(value.as_bytes())) };
        let types = [Type::TEXT.oid(); 2];
        let parameters = [text(schema), text(name)];
        let request = Request { parameter_types: &types, parameters: &parameters, deadline, ..Request::new(QUESTION) };
        let mut run = self.run(request).await?;
        let mut relation: Option<Relation> = None;
        while let Some(event) = run.next().await? {
            let Event::Rows(rows) = event else { continue };
            for row in rows.frames() {
                let [kind, column, type_name, not_null] = values(row)?;
                let found = relation.get_or_insert_with(|| Relation {
                    kind: match kind.as_deref() {
                        Some("r" | "p") => RelationKind::Table,
                        Some("v" | "m" | "f") => RelationKind::Other,
                        Some(_) | None => RelationKind::NoRows,
                    },
                    columns: Vec::new(),
                });
                if let (Some(name), Some(type_name)) = (column, type_name) {
                    let nullable = not_null.as_deref() != Some("true");
                    found.columns.push(RelationColumn { name, type_name, nullable });
                }
            }
        }
        Ok(relation)
    }
}

/// The values of a DataRow of text.
pub(super) fn values<const N: usize>(row: &[u8]) -> Result<[Option<String>; N], ProtocolError> {
    let malformed = || ProtocolError::Malformed(DATA_ROW_TAG);
    let mut rest = row.get(ROW_HEADER..).ok_or_else(malformed)?;
    let mut values = [const { None }; N];
    for value in &mut values {
        let length = rest.try_get_i32().map_err(|_| malformed())?;
        if let Ok(length) = usize::try_from(length) {
            let (text, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
            *value = Some(String::from_utf8(text.to_vec()).map_err(|_| malformed())?);
            rest = after;
        }
    }
    if rest.is_empty() { Ok(values) } else { Err(malformed()) }
}
