//! The functions that PostgreSQL 15 may run for users: those of [`crate::sql::functions`] that it has, by its own
//! meaning. What is not listed is refused, whatever the upstream holds.
//!
//! Never listed: what takes SQL or a relation's name as text, what reads files, settings, statistics, large objects or
//! other sessions, what waits, what changes anything. Session functions are answered by the gateway: [`super::translate`].

/// What a call has for a name in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A function of `pg_catalog`.
    Function,
    /// Syntax that PostgreSQL's grammar knows by its word.
    Syntax,
}

/// How a function is called on PostgreSQL 15, if it may be.
pub(super) fn form(name: &str) -> Option<Form> {
    if SYNTAX.binary_search(&name).is_ok() {
        return Some(Form::Syntax);
    }
    FUNCTIONS.binary_search(&name).is_ok().then_some(Form::Function)
}

/// Whether `pg_catalog.name` may stand in a forwarded text, also where the grammar made it of syntax.
pub(super) fn is_callable(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok() || GRAMMAR.binary_search(&name).is_ok()
}

/// Whether a call of an aggregate; what holds one is evaluated above the rows.
pub(super) fn is_aggregate(name: &str) -> bool {
    crate::sql::functions::lookup(name)
        .is_some_and(|function| function.kind == crate::sql::functions::FunctionKind::Aggregate)
}

/// Words of the grammar, none of which an upstream can define.
const SYNTAX: &[&str] = &[
    "array",
    "coalesce",
    "current_date",
    "current_time",
    "current_timestamp",
    "greatest",
    "grouping",
    "least",
    "localtime",
    "localtimestamp",
    "nullif",
    "row",
];

/// What the grammar makes of `AT TIME ZONE`, `LIKE … ESCAPE`, `SIMILAR TO`, EXTRACT, TRIM.
const GRAMMAR: &[&str] = &["btrim", "extract", "like_escape", "ltrim", "rtrim", "similar_to_escape", "timezone"];

#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "abs", "acos", "acosh", "age", "array_agg", "array_append", "array_cat", "array_dims", "array_length",
    "array_lower", "array_ndims", "array_position", "array_positions", "array_prepend", "array_remove", "array_replace",
    "array_to_json", "array_to_string", "array_upper", "ascii", "asin", "asinh", "atan", "atan2", "atanh", "avg",
    "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "bool_and", "bool_or", "btrim", "cardinality", "cbrt",
    "ceil", "ceiling", "char_length", "character_length", "chr", "clock_timestamp", "concat", "concat_ws",
    "convert_from", "convert_to", "corr", "cos", "cosh", "cot", "count", "covar_pop", "covar_samp", "cume_dist", "date",
    "date_bin", "date_part", "date_trunc", "daterange", "decode", "degrees", "dense_rank", "div", "encode", "every",
    "exp", "extract", "factorial", "first_value", "floor", "format", "gcd", "gen_random_uuid", "generate_series",
    "generate_subscripts", "get_byte", "initcap", "int4range", "int8range", "isempty", "isfinite", "json_agg",
    "json_array_length", "json_build_array", "json_build_object", "json_extract_path", "json_extract_path_text",
    "json_object_agg", "json_typeof", "jsonb_agg", "jsonb_array_length", "jsonb_build_array", "jsonb_build_object",
    "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_object_agg", "jsonb_path_exists", "jsonb_path_query_array",
    "jsonb_path_query_first", "jsonb_pretty", "jsonb_set", "jsonb_strip_nulls", "jsonb_typeof", "justify_days",
    "justify_hours", "justify_interval", "lag", "last_value", "lcm", "lead", "left", "length", "ln", "log", "log10",
    "lower", "lower_inc", "lower_inf", "lpad", "ltrim", "make_date", "make_interval", "make_time", "make_timestamp",
    "max", "md5", "min", "min_scale", "mod", "normalize", "now", "nth_value", "ntile", "num_nonnulls", "num_nulls",
    "numrange", "octet_length", "overlay", "parse_ident", "percent_rank", "percentile_cont", "pi", "position", "pow",
    "power", "radians", "random", "range_merge", "rank", "regexp_count", "regexp_instr", "regexp_like", "regexp_match",
    "regexp_replace", "regexp_split_to_array", "regexp_substr", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace", "reverse",
    "right", "round", "row_number", "rpad", "rtrim", "scale", "sha224", "sha256", "sha384", "sha512", "sign", "sin",
    "sinh", "split_part", "sqrt", "starts_with", "statement_timestamp", "stddev", "stddev_pop", "stddev_samp",
    "string_agg", "string_to_array", "strpos", "substr", "substring", "sum", "tan", "tanh", "to_char", "to_date",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_timestamp", "transaction_timestamp", "translate", "trim_array",
    "trim_scale", "trunc", "tsrange", "tstzrange", "unistr", "unnest", "upper", "upper_inc", "upper_inf", "var_pop",
    "var_samp", "variance", "width_bucket",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::functions::lookup;

    #[test]
    fn the_lists_are_sorted_and_hold_what_users_may_call() {
        assert!(FUNCTIONS.is_sorted() && SYNTAX.is_sorted() && GRAMMAR.is_sorted());
        for name in FUNCTIONS {
            assert!(lookup(name).is_some_and(|function| !function.system), "{name}");
        }
    }

    #[test]
    fn what_tells_of_the_upstream_or_runs_sql_is_not_there() {
        for name in [
            "query_to_xml",
            "table_to_xml",
            "dblink",
            "lo_get",
            "lo_import",
            "pg_read_file",
            "pg_sleep",
            "pg_stat_file",
            "set_config",
            "current_setting",
            "nextval",
            "currval",
            "pg_terminate_backend",
            "to_regclass",
            "txid_current",
            "version",
        ] {
            assert_eq!(form(name), None, "{name}");
            assert!(!is_callable(name), "{name}");
        }
    }
}
