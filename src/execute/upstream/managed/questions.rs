//! What the upstream is asked of the roles that the gateway keeps there, and of tables for them ([`super::rows`]).

use crate::govern::forward::RowSecurity;
use postgres_protocol::escape::escape_literal;

/// One row: how many of a role's relations are there and sound, and a digest of what makes them so. Asked by the login.
pub(super) fn facts_question(rows: &RowSecurity) -> String {
    let wanted: Vec<String> = rows
        .relations()
        .iter()
        .enumerate()
        .map(|(place, relation)| {
            let (schema, name) = relation.name();
            let columns: Vec<String> = relation.columns().iter().map(|column| escape_literal(column)).collect();
            format!(
                "({place}, {}, {}, {}, ARRAY[{}]::pg_catalog.name[])",
                escape_literal(schema),
                escape_literal(name),
                relation.policy().is_some(),
                columns.join(", ")
            )
        })
        .collect();
    format!(
        "SELECT pg_catalog.count(*), pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(\
             pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid, k.columns, p.polqual::pg_catalog.text), ';' \
                 ORDER BY w.place), 'UTF8')), 'hex') \
         FROM pg_catalog.pg_roles AS r CROSS JOIN (VALUES {}) AS w (place, schema, name, secured, columns) \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema \
         JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name \
         LEFT JOIN pg_catalog.pg_policy AS p ON w.secured AND p.polrelid = c.oid AND p.polname = r.rolname \
         CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS readable, pg_catalog.string_agg(\
                 pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attnum) AS columns \
             FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             AND a.attname = ANY (w.columns) AND pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')) AS k \
         WHERE r.rolname = {role} AND NOT (r.rolsuper OR r.rolbypassrls OR r.rolcanlogin OR r.rolcreaterole \
             OR r.rolcreatedb OR r.rolreplication) \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m WHERE m.member = r.oid) \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_database AS d WHERE d.datdba = r.oid) \
         AND c.relkind IN ('r', 'p') AND c.relowner <> r.oid AND k.readable = pg_catalog.cardinality(w.columns) \
         AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') \
         AND CASE WHEN w.secured THEN c.relrowsecurity AND NOT c.relforcerowsecurity \
             AND NOT pg_catalog.row_security_active(c.oid) \
             AND p.polpermissive AND p.polcmd = 'r' AND p.polroles = ARRAY[r.oid] AND p.polwithcheck IS NULL \
             AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy AS o WHERE o.polrelid = c.oid \
                 AND o.polcmd IN ('r', '*') AND (0 = ANY (o.polroles) OR r.oid = ANY (o.polroles))) = 1 \
             ELSE NOT c.relrowsecurity END",
        wanted.join(", "),
        role = escape_literal(rows.role()),
    )
}

/// What a role has in this database: its policies, and what is granted to it.
pub(super) fn given_question(role: &str) -> String {
    let role = escape_literal(role);
    let granted = |what: &str, relation: &str| {
        format!(
            "SELECT DISTINCT {what} FROM pg_catalog.pg_shdepend AS d \
             JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid AND r.rolname = {role} \
             JOIN pg_catalog.pg_database AS b ON b.oid = d.dbid AND b.datname = pg_catalog.current_database() \
             JOIN pg_catalog.{relation} AS c ON d.classid = 'pg_catalog.{relation}'::pg_catalog.regclass AND d.objid = c.oid"
        )
    };
    let ending = "WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.deptype = 'a'";
    format!(
        "SELECT 'policy', n.nspname, c.relname FROM pg_catalog.pg_policy AS p \
         JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE p.polname = {role} \
         UNION ALL ({} JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace {ending}) \
         UNION ALL ({} {ending})",
        granted("'table', n.nspname, c.relname", "pg_class"),
        granted("'schema', c.nspname, c.nspname", "pg_namespace"),
    )
}

/// What decides whether a role may be given a table, as [`super::rows::ManagedRows::fit`] reads it.
pub(super) fn fit_question(schema: &str, name: &str) -> String {
    format!(
        "WITH RECURSIVE parts (oid) AS (SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i \
             WHERE i.inhparent = (SELECT c.oid FROM pg_catalog.pg_class AS c \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {name}) \
             UNION SELECT i.inhrelid FROM parts AS p JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid) \
         SELECT EXISTS (SELECT 1 FROM parts AS p JOIN pg_catalog.pg_class AS f ON f.oid = p.oid WHERE f.relkind = 'f'), \
             pg_catalog.has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') \
                 OR EXISTS (SELECT 1 FROM pg_catalog.aclexplode(n.nspacl) AS a \
                     WHERE a.grantee = 0 AND a.privilege_type = 'USAGE'), \
             c.relrowsecurity, pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
             c.relforcerowsecurity OR pg_catalog.row_security_active(c.oid), \
             EXISTS (SELECT 1 FROM pg_catalog.pg_policy AS o \
                 WHERE o.polrelid = c.oid AND o.polcmd IN ('r', '*') AND 0 = ANY (o.polroles)), \
             pg_catalog.pg_has_role(c.relowner, 'USAGE') \
                 OR pg_catalog.has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION') \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind IN ('r', 'p')",
        schema = escape_literal(schema),
        name = escape_literal(name),
    )
}
