//! All that an upstream's own catalogs say: its relations, keys and comments, and what the login may do.
//!
//! Reads `pg_catalog` alone, never a row of anybody's data.

use super::error::{ProtocolError, UpstreamError};
use super::introspect::values;
use super::lease::Lease;
use super::query::Event;
use super::request::Request;
use crate::catalog::{
    RowSecurity, UniqueKey, UpstreamColumn, UpstreamFacts, UpstreamForeignKey, UpstreamKind, UpstreamName,
    UpstreamRelation, UpstreamServer,
};
use postgres_protocol::message::backend::DATA_ROW_TAG;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// The login is who is connected. A role that may become a superuser is one.
const SERVER: &str = "SELECT pg_catalog.current_setting('server_version_num'), \
    pg_catalog.version() LIKE 'PostgreSQL %', \
    EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS s WHERE s.rolsuper AND pg_catalog.pg_has_role(s.oid, 'MEMBER')), \
    r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, \
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') \
    FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user";

/// Roles that come with PostgreSQL and lead out of the catalog's relations (the manual's "Predefined Roles").
const POWERS: &str = "SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ('pg_read_all_data', \
    'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', \
    'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription') \
    AND pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY r.rolname";

/// Names that begin with pg_ are PostgreSQL's own.
const RELATIONS: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, p.nspname, p.relname, \
    EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = c.oid), \
    c.relrowsecurity, pg_catalog.row_security_active(c.oid), \
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), \
    pg_catalog.concat_ws(',', \
        CASE WHEN pg_catalog.has_any_column_privilege(c.oid, 'INSERT') THEN 'INSERT' END, \
        CASE WHEN pg_catalog.has_any_column_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END, \
        CASE WHEN pg_catalog.has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END, \
        CASE WHEN pg_catalog.has_table_privilege(c.oid, 'TRUNCATE') THEN 'TRUNCATE' END), \
    EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND d.objid = c.oid AND d.deptype = 'e'), \
    pg_catalog.obj_description(c.oid, 'pg_class') \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    LEFT JOIN LATERAL (SELECT pn.nspname, pc.relname FROM pg_catalog.pg_inherits AS i \
        JOIN pg_catalog.pg_class AS pc ON pc.oid = i.inhparent \
        JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace \
        WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1) AS p ON true \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'";

const COLUMNS: &str = "SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'), \
    pg_catalog.col_description(a.attrelid, a.attnum) \
    FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY a.attrelid, a.attnum";

/// Of all rows and of columns as they are: no index of a part of the rows, or of an expression.
const UNIQUE: &str = "SELECT i.indrelid, i.indexrelid, i.indisprimary, a.attname FROM pg_catalog.pg_index AS i \
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, place) \
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts \
    ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid, k.place";

const FOREIGN: &str = "SELECT f.conrelid, f.oid, a.attname, n.nspname, c.relname, b.attname \
    FROM pg_catalog.pg_constraint AS f \
    CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) \
        WITH ORDINALITY AS k (here, there, place) \
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.here \
    JOIN pg_catalog.pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = k.there \
    JOIN pg_catalog.pg_class AS c ON c.oid = f.confrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE f.contype = 'f' AND f.convalidated ORDER BY f.conrelid, f.conname, f.oid, k.place";

impl Lease {
    /// Reads what the upstream says of itself.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub async fn facts(&mut self, deadline: Option<Instant>) -> Result<UpstreamFacts, UpstreamError> {
        let server = self.server(deadline).await?;
        let mut relations: BTreeMap<String, (UpstreamName, UpstreamRelation)> = BTreeMap::new();
        for row in self.table(RELATIONS, deadline).await? {
            let [
                oid,
                schema,
                name,
                kind,
                parent_schema,
                parent,
                children,
                secured,
                active,
                readable,
                writes,
                extension,
                comment,
            ] = row;
            let (Some(oid), Some(schema), Some(name), Some(kind)) =
                (oid, schema, name, kind.as_deref().and_then(kind_of))
            else {
                return Err(ProtocolError::Malformed(DATA_ROW_TAG).into());
            };
            let relation = UpstreamRelation {
                kind,
                parent: parent_schema.zip(parent),
                has_children: is_true(&children),
                row_security: match (is_true(&secured), is_true(&active)) {
                    (false, _) => RowSecurity::None,
                    (true, true) => RowSecurity::Active,
                    (true, false) => RowSecurity::Bypassed,
                },
                is_readable: is_true(&readable),
                writes: writes
                    .iter()
                    .flat_map(|list| list.split(','))
                    .filter(|one| !one.is_empty())
                    .map(str::to_owned)
                    .collect(),
                is_of_extension: is_true(&extension),
                comment,
                columns: Vec::new(),
                unique: Vec::new(),
                foreign: Vec::new(),
            };
            relations.insert(oid, ((schema, name), relation));
        }
        for row in self.table(COLUMNS, deadline).await? {
            let [of, name, type_name, not_null, readable, comment] = row;
            if let (Some((_, relation)), Some(name), Some(type_name)) =
                (of.and_then(|of| relations.get_mut(&of)), name, type_name)
            {
                let (nullable, is_readable) = (!is_true(&not_null), is_true(&readable));
                relation.columns.push(UpstreamColumn { name, type_name, nullable, is_readable, comment });
            }
        }
        let mut last = None;
        for row in self.table(UNIQUE, deadline).await? {
            let [of, index, primary, column] = row;
            let (Some((_, relation)), Some(column)) = (of.and_then(|of| relations.get_mut(&of)), column) else {
                continue;
            };
            match relation.unique.last_mut().filter(|_| last == index) {
                Some(key) => key.columns.push(column),
                None => relation.unique.push(UniqueKey { is_primary: is_true(&primary), columns: vec![column] }),
            }
            last = index;
        }
        let mut last = None;
        for row in self.table(FOREIGN, deadline).await? {
            let [of, key, here, schema, name, there] = row;
            let Some((_, relation)) = of.and_then(|of| relations.get_mut(&of)) else { continue };
            let (Some(here), Some(schema), Some(name), Some(there)) = (here, schema, name, there) else { continue };
            match relation.foreign.last_mut().filter(|_| last == key) {
                Some(foreign) => {
                    foreign.columns.push(here);
                    foreign.referenced_columns.push(there);
                }
                None => relation.foreign.push(UpstreamForeignKey {
                    columns: vec![here],
                    references: (schema, name),
                    referenced_columns: vec![there],
                }),
            }
            last = key;
        }
        Ok(UpstreamFacts { server, relations: relations.into_values().collect() })
    }

    async fn server(&mut self, deadline: Option<Instant>) -> Result<UpstreamServer, UpstreamError> {
        let rows = self.table(SERVER, deadline).await?;
        let Some([version, postgres, superuser, bypass, roles, databases, replication, create]) =
            rows.into_iter().next()
        else {
            return Err(ProtocolError::Malformed(DATA_ROW_TAG).into());
        };
        let attributes = [
            ("CREATEROLE", roles),
            ("CREATEDB", databases),
            ("REPLICATION", replication),
            ("CREATE on the database", create),
        ];
        let mut powers: Vec<String> =
            attributes.iter().filter(|(_, has)| is_true(has)).map(|(name, _)| (*name).to_owned()).collect();
        let memberships = self.table(POWERS, deadline).await?;
        powers.extend(memberships.into_iter().filter_map(|[role]| role).map(|role| format!("membership in {role}")));
        Ok(UpstreamServer {
            version: version.and_then(|version| version.parse().ok()).unwrap_or_default(),
            is_postgres: is_true(&postgres),
            is_superuser: is_true(&superuser),
            bypasses_row_security: is_true(&bypass),
            powers,
        })
    }

    /// The rows of one of the gateway's own questions, as text.
    pub(super) async fn table<const N: usize>(
        &mut self,
        question: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<[Option<String>; N]>, UpstreamError> {
        let mut run = self.run(Request { deadline, ..Request::new(question) }).await?;
        let mut table = Vec::new();
        while let Some(event) = run.next().await? {
            let Event::Rows(rows) = event else { continue };
            for row in rows.frames() {
                table.push(values(row)?);
            }
        }
        Ok(table)
    }
}

fn kind_of(relkind: &str) -> Option<UpstreamKind> {
    match relkind {
        "r" => Some(UpstreamKind::Table),
        "p" => Some(UpstreamKind::PartitionedTable),
        "v" => Some(UpstreamKind::View),
        "m" => Some(UpstreamKind::MaterializedView),
        "f" => Some(UpstreamKind::ForeignTable),
        _ => None,
    }
}

fn is_true(value: &Option<String>) -> bool {
    value.as_deref() == Some("t")
}
