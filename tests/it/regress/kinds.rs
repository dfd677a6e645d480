//! What kind of statement of the suite one is: whether it only reads, and what the gateway leaves out on purpose that it
//! asks for. By PostgreSQL's own grammar, and by the names that a fresh database has.

use serde_json::Value;
use std::collections::BTreeSet;

/// What a statement asks for, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It reads tables, views or functions of tables' own data.
    Data,
    /// It reads no relation at all.
    Values,
    /// System catalogs, types whose values are looked up in them, and columns that tell where a row is.
    Catalogs,
    /// Functions of the server, of other sessions, of settings, statistics, sequences, large objects, XML, SQL as text.
    Server,
    /// Functions, types, operators or collations that the database defines itself.
    Own,
    /// It locks or writes, also by a function.
    Writes,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [Self::Data, Self::Values, Self::Catalogs, Self::Server, Self::Own, Self::Writes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Values => "values alone",
            Self::Catalogs => "system catalogs",
            Self::Server => "server, sequences, large objects, XML",
            Self::Own => "own functions, types, operators",
            Self::Writes => "locks or writes",
        }
    }
}

/// Names that PostgreSQL brings.
#[derive(Debug, Clone, Default)]
pub(super) struct BuiltIn {
    pub(super) functions: BTreeSet<String>,
    pub(super) types: BTreeSet<String>,
    pub(super) operators: BTreeSet<String>,
    pub(super) collations: BTreeSet<String>,
    /// Relations of `pg_catalog` and `information_schema`.
    pub(super) catalogs: BTreeSet<String>,
}

const SERVER_PREFIXES: &[&str] = &["pg_", "has_", "lo_", "txid_", "xml", "to_reg", "inet_server", "inet_client", "bin"];
const SERVER: &[&str] = &[
    "col_description",
    "current_schema",
    "current_schemas",
    "current_setting",
    "currval",
    "cursor_to_xml",
    "database_to_xml",
    "getdatabaseencoding",
    "lastval",
    "loread",
    "lowrite",
    "nextval",
    "obj_description",
    "query_to_xml",
    "row_security_active",
    "schema_to_xml",
    "set_config",
    "setval",
    "shobj_description",
    "table_to_xml",
    "ts_debug",
    "ts_parse",
    "ts_stat",
    "ts_token_type",
    "version",
    "xpath",
    "xpath_exists",
    "query_to_xmlschema",
    "table_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "cursor_to_xmlschema",
    "currtid2",
    "acldefault",
    "aclexplode",
    "aclitemeq",
    "makeaclitem",
    "format_type",
    "current_database",
    "binary_upgrade_set_next_pg_type_oid",
];
const LOOKED_UP: &[&str] = &[
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "xml",
    "aclitem",
    "pg_ndistinct",
    "pg_mcv_list",
    "pg_dependencies",
    "pg_node_tree",
    "pg_snapshot",
    "txid_snapshot",
    "xid8",
    "xid",
    "cid",
    "tid",
    "oidvector",
    "int2vector",
    "_regtype",
    "_regclass",
    "pg_class",
    "pg_type",
    "pg_proc",
    "refcursor",
];
/// Columns that every table has.
const PLACES: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];
const LANGUAGE_OF_TYPES: &[&str] = &["record", "anyelement", "cstring", "void", "unknown"];

fn node(value: &Value) -> Option<(&str, &Value)> {
    let (kind, fields) = value.get("node")?.as_object()?.iter().next()?;
    Some((kind, fields))
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|name| match node(name)? {
            ("String", fields) => fields.get("sval").and_then(Value::as_str).map(str::to_owned),
            _other => None,
        })
        .collect()
}

/// A statement that is one SELECT, and its tree.
pub(super) fn select_of(text: &str) -> Option<Value> {
    let parsed = pg_query::parse(text, pg_query::ParserOptions::DEFAULT).ok()?;
    let [statement] = parsed.protobuf.stmts.as_slice() else { return None };
    let tree = serde_json::to_value(&statement.stmt).ok()?;
    (node(&tree)?.0 == "SelectStmt").then_some(tree)
}

/// Whether the outermost query is ordered.
pub(super) fn is_ordered(tree: &Value) -> bool {
    node(tree).is_some_and(|(_, fields)| {
        fields.get("sort_clause").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty())
    })
}

#[derive(Default)]
struct Seen {
    relations: BTreeSet<String>,
    kinds: BTreeSet<Kind>,
}

pub(super) fn kind(tree: &Value, built_in: &BuiltIn) -> Kind {
    let mut seen = Seen::default();
    let mut withs = BTreeSet::new();
    collect_withs(tree, &mut withs);
    walk(tree, built_in, &withs, &mut seen);
    for kind in [Kind::Writes, Kind::Catalogs, Kind::Server, Kind::Own] {
        if seen.kinds.contains(&kind) {
            return kind;
        }
    }
    if seen.relations.is_empty() { Kind::Values } else { Kind::Data }
}

fn collect_withs(value: &Value, withs: &mut BTreeSet<String>) {
    if let Some(name) = value.get("ctename").and_then(Value::as_str) {
        withs.insert(name.to_owned());
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| collect_withs(value, withs)),
        Value::Array(items) => items.iter().for_each(|value| collect_withs(value, withs)),
        _plain => {}
    }
}

fn walk(value: &Value, built_in: &BuiltIn, withs: &BTreeSet<String>, seen: &mut Seen) {
    match value {
        Value::Object(fields) => {
            if let Some((kind, inside)) = node(value) {
                look(kind, inside, built_in, withs, seen);
            }
            // Casts hold their type without a node around it.
            if let Some(type_name) = fields.get("type_name").filter(|of| of.get("names").is_some()) {
                look("TypeName", type_name, built_in, withs, seen);
            }
            if fields.get("into_clause").is_some_and(|into| !into.is_null()) {
                seen.kinds.insert(Kind::Writes);
            }
            fields.values().for_each(|value| walk(value, built_in, withs, seen));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, built_in, withs, seen)),
        _plain => {}
    }
}

fn look(kind: &str, fields: &Value, built_in: &BuiltIn, withs: &BTreeSet<String>, seen: &mut Seen) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "LockingClause" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
            _ = seen.kinds.insert(Kind::Writes)
        }
        "XmlExpr" | "XmlSerialize" | "RangeTableFunc" => _ = seen.kinds.insert(Kind::Server),
        "RangeVar" => {
            let (schema, name) = (text("schemaname"), text("relname"));
            if schema.is_empty() && withs.contains(name) {
                return;
            }
            let is_system = matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
                || (schema.is_empty() && built_in.catalogs.contains(name));
            if is_system {
                seen.kinds.insert(Kind::Catalogs);
            }
            if schema.starts_with("pg_temp") {
                seen.kinds.insert(Kind::Own);
            }
            seen.relations.insert(name.to_owned());
        }
        "ColumnRef" => {
            let names = names(fields.get("fields").unwrap_or(&Value::Null));
            if names.last().is_some_and(|name| PLACES.contains(&name.as_str())) {
                seen.kinds.insert(Kind::Catalogs);
            }
        }
        "FuncCall" => {
            let names = names(fields.get("funcname").unwrap_or(&Value::Null));
            let (schema, name) = match names.as_slice() {
                [name] => ("", name.as_str()),
                [schema, name] => (schema.as_str(), name.as_str()),
                _other => return,
            };
            if matches!(name, "nextval" | "setval" | "set_config") {
                seen.kinds.insert(Kind::Writes);
            } else if SERVER.contains(&name) || SERVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                seen.kinds.insert(Kind::Server);
            } else if !matches!(schema, "" | "pg_catalog") || !built_in.functions.contains(name) {
                seen.kinds.insert(Kind::Own);
            }
        }
        "TypeName" => {
            let names = names(fields.get("names").unwrap_or(&Value::Null));
            let Some(name) = names.last() else { return };
            if LOOKED_UP.contains(&name.as_str()) {
                seen.kinds.insert(Kind::Catalogs);
            } else if !LANGUAGE_OF_TYPES.contains(&name.as_str()) && !built_in.types.contains(name) {
                seen.kinds.insert(Kind::Own);
            }
        }
        "AExpr" => {
            let names = names(fields.get("name").unwrap_or(&Value::Null));
            let words = ["BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"];
            if let [.., symbol] = names.as_slice()
                && !words.contains(&symbol.as_str())
                && !built_in.operators.contains(symbol)
            {
                seen.kinds.insert(Kind::Own);
            }
            if let [schema, _symbol] = names.as_slice()
                && schema != "pg_catalog"
            {
                seen.kinds.insert(Kind::Own);
            }
        }
        "CollateClause" => {
            let names = names(fields.get("collname").unwrap_or(&Value::Null));
            if names.last().is_some_and(|name| !built_in.collations.contains(name)) {
                seen.kinds.insert(Kind::Own);
            }
        }
        _plain => {}
    }
}
