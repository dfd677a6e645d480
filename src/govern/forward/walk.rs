//! The closed lists of what may stand in a forwarded text, over PostgreSQL's own tree: nodes, their fields, functions,
//! types, operators, relations.

use super::functions::{SearchName, is_callable, is_own_search, search_name};
use super::verify::{ForwardVerifyError, Verdict, items, names, node, text};
use crate::govern::statement::GovernedStatement;
use crate::sql::functions::parts_of;
use crate::types::SqlType;
use serde_json::{Map, Value};

/// The nodes that may stand in a statement, with the fields that may be set. What a field holds is looked at in turn.
const NODES: &[(&str, &[&str])] = &[
    ("AArrayExpr", &["elements"]),
    ("AConst", &["isnull", "val"]),
    ("AExpr", &["kind", "name", "lexpr", "rexpr"]),
    ("AIndices", &["is_slice", "lidx", "uidx"]),
    ("AIndirection", &["arg", "indirection"]),
    ("Alias", &["aliasname", "colnames"]),
    ("BoolExpr", &["boolop", "args"]),
    ("BooleanTest", &["arg", "booltesttype"]),
    ("CaseExpr", &["arg", "args", "defresult"]),
    ("CaseWhen", &["expr", "result"]),
    ("CoalesceExpr", &["args"]),
    ("CollateClause", &["arg", "collname"]),
    ("ColumnRef", &["fields"]),
    ("ColumnDef", &["colname", "type_name", "is_local"]),
    ("CommonTableExpr", &["ctename", "aliascolnames", "ctematerialized", "ctequery"]),
    (
        "FuncCall",
        &[
            "funcname",
            "args",
            "agg_order",
            "agg_filter",
            "over",
            "agg_within_group",
            "agg_star",
            "agg_distinct",
            "func_variadic",
        ],
    ),
    ("GroupingFunc", &["args"]),
    ("GroupingSet", &["kind", "content"]),
    ("Integer", &["ival"]),
    ("JoinExpr", &["jointype", "larg", "rarg", "quals"]),
    ("List", &["items"]),
    ("MinMaxExpr", &["op", "args"]),
    ("NamedArgExpr", &["arg", "name", "argnumber"]),
    ("NullTest", &["arg", "nulltesttype"]),
    ("ParamRef", &["number"]),
    ("RangeFunction", &["lateral", "ordinality", "functions", "alias", "coldeflist"]),
    ("RangeSubselect", &["lateral", "subquery", "alias"]),
    ("RangeVar", &["schemaname", "relname", "inh", "relpersistence", "alias"]),
    ("ResTarget", &["name", "val"]),
    ("RowExpr", &["args", "row_format"]),
    (
        "SelectStmt",
        &[
            "distinct_clause",
            "target_list",
            "from_clause",
            "where_clause",
            "group_clause",
            "having_clause",
            "window_clause",
            "values_lists",
            "sort_clause",
            "limit_offset",
            "limit_count",
            "limit_option",
            "with_clause",
            "op",
            "all",
            "larg",
            "rarg",
        ],
    ),
    ("SortBy", &["node", "sortby_dir", "sortby_nulls"]),
    ("SqlvalueFunction", &["op", "typmod"]),
    ("String", &["sval"]),
    ("SubLink", &["sub_link_type", "testexpr", "oper_name", "subselect"]),
    ("TypeCast", &["arg", "type_name"]),
    ("TypeName", &["names", "typmods", "typemod", "array_bounds"]),
    (
        "WindowDef",
        &["name", "refname", "partition_clause", "order_clause", "frame_options", "start_offset", "end_offset"],
    ),
    ("WithClause", &["ctes", "recursive"]),
];

/// Types that a cast may name.
const TYPES: &[&str] = &[
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "char",
    "cidr",
    "circle",
    "date",
    "datemultirange",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int4multirange",
    "int4range",
    "int8",
    "int8multirange",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
];

/// Operators of `pg_catalog`, which is all that the session's search path holds.
const OPERATORS: &[&str] = &[
    "!!",
    "!~",
    "!~*",
    "!~~",
    "!~~*",
    "#",
    "##",
    "#-",
    "#>",
    "#>>",
    "%",
    "&",
    "&&",
    "&<",
    "&<|",
    "&>",
    "*",
    "*<",
    "*<=",
    "*<>",
    "*=",
    "*>",
    "*>=",
    "+",
    "-",
    "->",
    "->>",
    "-|-",
    "/",
    "<",
    "<->",
    "<<",
    "<<=",
    "<<|",
    "<=",
    "<>",
    "<@",
    "<^",
    "=",
    ">",
    ">=",
    ">>",
    ">>=",
    ">^",
    "?",
    "?#",
    "?&",
    "?-",
    "?-|",
    "?|",
    "?||",
    "@",
    "@-@",
    "@>",
    "@?",
    "@@",
    "BETWEEN",
    "BETWEEN SYMMETRIC",
    "NOT BETWEEN",
    "NOT BETWEEN SYMMETRIC",
    "^",
    "^@",
    "|",
    "|&>",
    "|/",
    "|>>",
    "||",
    "||/",
    "~",
    "~*",
    "~<=~",
    "~<~",
    "~=",
    "~>=~",
    "~>~",
    "~~",
    "~~*",
];

pub(super) struct Walker {
    pub(super) parameters: usize,
}

impl Walker {
    /// `ctes`: the WITH queries that are known here.
    pub(super) fn node(&self, value: &Value, ctes: &[&str]) -> Verdict {
        match node(value) {
            Some((kind, fields)) => self.message(kind, fields, ctes),
            // An empty place in a list, such as that of plain DISTINCT.
            None if is_default(value) => Ok(()),
            None => Err(not_allowed("an unknown node")),
        }
    }

    fn message(&self, kind: &str, fields: &Value, ctes: &[&str]) -> Verdict {
        let allowed = NODES.iter().find(|(known, _)| *known == kind).map(|(_, allowed)| *allowed);
        let (Some(allowed), Some(object)) = (allowed, fields.as_object()) else { return Err(not_allowed(kind)) };
        if let Some((field, _)) =
            object.iter().find(|(field, value)| !is_default(value) && !allowed.contains(&field.as_str()))
        {
            return Err(not_allowed(&format!("{field} of {kind}")));
        }
        match kind {
            "SelectStmt" => return self.select(object, ctes),
            "RangeVar" => return relation(fields, ctes),
            "FuncCall" => match names(items(fields, "funcname")).as_deref() {
                // With fewer arguments it runs one of them as SQL.
                Some(["pg_catalog", "ts_rewrite"]) if items(fields, "args").len() != 3 => {
                    return Err(not_allowed("another form of ts_rewrite"));
                }
                Some(["pg_catalog", name]) if is_callable(name) => searches_by_own(name, items(fields, "args"))?,
                Some(["unnest"]) if items(fields, "args").len() > 1 => {}
                Some(name) => return Err(not_allowed(&format!("function {}", name.join(".")))),
                None => return Err(not_allowed("a function without a name")),
            },
            "TypeName" => type_is_allowed(fields)?,
            "AExpr" => match names(items(fields, "name")).as_deref() {
                Some([symbol]) if OPERATORS.contains(symbol) => {}
                _other => return Err(not_allowed("an operator")),
            },
            "SubLink" => match names(items(fields, "oper_name")).as_deref() {
                Some([]) => {}
                Some([symbol]) if OPERATORS.contains(symbol) => {}
                _other => return Err(not_allowed("an operator of ANY or ALL")),
            },
            // 1 to 9 tell the time; the others ask for the session.
            "SqlvalueFunction" => match fields.get("op").and_then(Value::as_i64) {
                Some(1..=9) => {}
                _other => return Err(not_allowed("a function of the session")),
            },
            "ParamRef" => {
                let number =
                    fields.get("number").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
                if !number.is_some_and(|number| (1..=self.parameters).contains(&number)) {
                    return Err(not_allowed("a parameter that is not the client's"));
                }
            }
            "AIndirection" => {
                let parts = items(fields, "indirection");
                let subscripts = parts.iter().all(|part| matches!(node(part), Some(("AIndices", _))));
                if !subscripts && !is_part_of_call(fields.get("arg"), parts) {
                    return Err(not_allowed("a field of a composite value"));
                }
            }
            "CollateClause" if names(items(fields, "collname")).is_none_or(|names| names.len() != 1) => {
                return Err(not_allowed("a collation of a schema"));
            }
            "ColumnRef" if names(items(fields, "fields")).is_none() => return Err(not_allowed("*")),
            _plain => {}
        }
        object.iter().try_for_each(|(field, value)| self.field(kind, field, value, ctes))
    }

    fn field(&self, kind: &str, field: &str, value: &Value, ctes: &[&str]) -> Verdict {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.node(item, ctes)),
            Value::Object(object) if object.contains_key("node") => self.node(value, ctes),
            Value::Object(_) => match (kind, field) {
                ("AConst", "val") => Ok(()),
                ("FuncCall", "over") => self.message("WindowDef", value, ctes),
                ("TypeCast" | "ColumnDef", "type_name") => self.message("TypeName", value, ctes),
                (_, "alias") => self.message("Alias", value, ctes),
                ("SelectStmt", "larg" | "rarg") => self.message("SelectStmt", value, ctes),
                _unknown => Err(not_allowed(&format!("{field} of {kind}"))),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// A SELECT with the WITH queries that it makes known.
    fn select(&self, object: &Map<String, Value>, ctes: &[&str]) -> Verdict {
        let mut known = ctes.to_vec();
        if let Some(with) = object.get("with_clause").filter(|with| !is_default(with)) {
            let queries: Vec<(&str, &Value)> = items(with, "ctes")
                .iter()
                .filter_map(node)
                .filter(|(kind, _)| *kind == "CommonTableExpr")
                .map(|(_, fields)| (text(fields, "ctename"), fields))
                .collect();
            if queries.len() != items(with, "ctes").len() {
                return Err(not_allowed("a WITH query"));
            }
            let is_recursive = with.get("recursive") == Some(&Value::Bool(true));
            if is_recursive {
                known.extend(queries.iter().map(|(name, _)| *name));
            }
            for (name, fields) in queries {
                self.message("CommonTableExpr", fields, &known)?;
                if !is_recursive {
                    known.push(name);
                }
            }
        }
        object
            .iter()
            .filter(|(field, _)| *field != "with_clause")
            .try_for_each(|(field, value)| self.field("SelectStmt", field, value, &known))
    }
}

/// Whether a field is one that a function's rows are known to have: any other name would be looked up as a function.
fn is_part_of_call(arg: Option<&Value>, parts: &[Value]) -> bool {
    let (Some(("FuncCall", call)), [part]) = (arg.and_then(node), parts) else { return false };
    let (Some(function), Some(part)) = (names(items(call, "funcname")), names(std::slice::from_ref(part))) else {
        return false;
    };
    match (function.as_slice(), part.as_slice()) {
        (["pg_catalog", function], [part]) => parts_of(function).contains(part),
        _other => false,
    }
}

/// A relation of what is left: an `rN`, or a WITH query in scope.
fn relation(fields: &Value, ctes: &[&str]) -> Verdict {
    let (schema, name) = (text(fields, "schemaname"), text(fields, "relname"));
    if schema == GovernedStatement::RELATION_SCHEMA || (schema.is_empty() && ctes.contains(&name)) {
        return Ok(());
    }
    Err(ForwardVerifyError::Relation(name.to_owned()))
}

pub(super) fn type_is_allowed(type_name: &Value) -> Verdict {
    match names(items(type_name, "names")).as_deref() {
        Some([name] | ["pg_catalog", name]) if TYPES.contains(name) => Ok(()),
        Some(name) => Err(not_allowed(&format!("type {}", name.join(".")))),
        None => Err(not_allowed("a type without a name")),
    }
}

/// A text search names none but PostgreSQL's own configurations and dictionaries.
fn searches_by_own(name: &str, args: &[Value]) -> Verdict {
    let Some(which) = search_name(name, args.len()) else { return Ok(()) };
    let is_own = match (args.first().and_then(node), which) {
        (Some(("AConst", constant)), _) => {
            constant.pointer("/val/Sval/sval").and_then(Value::as_str).is_some_and(is_own_search)
        }
        // What has a type of its own is no name.
        (Some(("ColumnRef" | "TypeCast" | "FuncCall" | "AExpr", _)), SearchName::FirstIfUntyped) => true,
        _may_be_a_name => false,
    };
    if is_own { Ok(()) } else { Err(not_allowed(&format!("a text search configuration of {name}"))) }
}

/// Whether a parameter's values are what their text says. Those of regclass and its like are names, which the upstream would
/// look up among all that it has.
pub(super) fn is_type_of_values(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(element) => is_type_of_values(element),
        SqlType::Other(name) => TYPES.contains(&name.as_str()),
        SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Numeric { .. }
        | SqlType::Text
        | SqlType::Bytea
        | SqlType::Boolean
        | SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Interval
        | SqlType::Uuid
        | SqlType::Json => true,
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.len() == 1 && fields.get("node") == Some(&Value::Null),
    }
}

fn not_allowed(what: &str) -> ForwardVerifyError {
    ForwardVerifyError::NotAllowed(what.to_owned())
}
