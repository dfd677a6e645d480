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

/// Where a call names a text search configuration or dictionary, which PostgreSQL looks up by that name, in any schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchName {
    /// The first argument is one.
    First,
    /// It is, unless it has a type of its own: the call may as well begin with a document.
    FirstIfUntyped,
}

/// Whether a call with so many arguments names one.
pub(super) fn search_name(name: &str, arguments: usize) -> Option<SearchName> {
    match (name, arguments) {
        ("ts_lexize", _) | ("ts_headline", 4..) | ("json_to_tsvector" | "jsonb_to_tsvector", 3) => {
            Some(SearchName::First)
        }
        ("ts_headline", 3) => Some(SearchName::FirstIfUntyped),
        ("to_tsvector" | "to_tsquery" | "plainto_tsquery" | "phraseto_tsquery" | "websearch_to_tsquery", 2) => {
            Some(SearchName::First)
        }
        _none => None,
    }
}

/// Whether a configuration, or the dictionary of one, is PostgreSQL's own. Others are the upstream's: what they hold, and
/// that they are there, is no user's to know.
pub(super) fn is_own_search(name: &str) -> bool {
    let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
    SEARCHES.binary_search(&plain.strip_suffix("_stem").unwrap_or(plain)).is_ok()
}

#[rustfmt::skip]
const SEARCHES: &[&str] = &[
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish", "yiddish",
];

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

/// What the grammar makes of `AT TIME ZONE`, `IS NORMALIZED`, `LIKE … ESCAPE`, `SIMILAR TO`, EXTRACT, OVERLAPS, TRIM.
const GRAMMAR: &[&str] = &[
    "btrim",
    "extract",
    "is_normalized",
    "like_escape",
    "ltrim",
    "overlaps",
    "rtrim",
    "similar_to_escape",
    "timezone",
];

#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "abbrev", "abs", "acos", "acosd", "acosh", "age", "area", "array_agg", "array_append", "array_cat", "array_dims",
    "array_fill", "array_length", "array_lower", "array_ndims", "array_position", "array_positions", "array_prepend",
    "array_remove", "array_replace", "array_to_json", "array_to_string", "array_to_tsvector", "array_upper", "ascii",
    "asin", "asind", "asinh", "atan", "atan2", "atan2d", "atand", "atanh", "avg", "bit_and", "bit_count", "bit_length",
    "bit_or", "bit_xor", "bool_and", "bool_or", "booland_statefunc", "booleq", "boolne", "boolor_statefunc",
    "bound_box", "box", "broadcast", "btrim", "cardinality", "cash_words", "cashlarger", "cashsmaller", "cbrt", "ceil",
    "ceiling", "center", "char_length", "character_length", "chr", "circle", "circle_center", "clock_timestamp",
    "concat", "concat_ws", "convert", "convert_from", "convert_to", "corr", "cos", "cosd", "cosh", "cot", "cotd",
    "count", "covar_pop", "covar_samp", "cume_dist", "date", "date_bin", "date_part", "date_trunc", "datemultirange",
    "daterange", "decode", "degrees", "dense_rank", "diagonal", "diameter", "div", "elem_contained_by_multirange",
    "elem_contained_by_range", "encode", "every", "exp", "extract", "factorial", "family", "first_value", "float4",
    "float4send", "float8", "float8_accum", "float8_combine", "float8_regr_accum", "float8_regr_combine", "float8send",
    "floor", "format", "gcd", "gen_random_uuid", "generate_series", "generate_subscripts", "get_bit", "get_byte",
    "hash_array", "hash_array_extended", "hash_multirange", "hash_multirange_extended", "hash_numeric",
    "hash_numeric_extended", "hash_range", "hash_range_extended", "hashbpchar", "hashbpcharextended", "hashchar",
    "hashcharextended", "hashenum", "hashenumextended", "hashfloat4", "hashfloat4extended", "hashfloat8",
    "hashfloat8extended", "hashinet", "hashinetextended", "hashint2", "hashint2extended", "hashint4",
    "hashint4extended", "hashint8", "hashint8extended", "hashmacaddr", "hashmacaddr8", "hashmacaddr8extended",
    "hashmacaddrextended", "hashname", "hashnameextended", "hashoid", "hashoidextended", "hashtext", "hashtextextended",
    "height", "host", "hostmask", "inet_merge", "inet_same_family", "initcap", "int2", "int4", "int4mul",
    "int4multirange", "int4range", "int8", "int8multirange", "int8range", "interval_hash", "interval_hash_extended",
    "isclosed", "isempty", "isfinite", "ishorizontal", "isopen", "isparallel", "isperp", "isvertical", "json_agg",
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array", "json_build_object",
    "json_each", "json_each_text", "json_extract_path", "json_extract_path_text", "json_object", "json_object_agg",
    "json_object_keys", "json_strip_nulls", "json_to_record", "json_to_recordset", "json_to_tsvector", "json_typeof",
    "jsonb_agg", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array",
    "jsonb_build_object", "jsonb_concat", "jsonb_contained", "jsonb_contains", "jsonb_delete", "jsonb_delete_path",
    "jsonb_each", "jsonb_each_text", "jsonb_exists", "jsonb_exists_all", "jsonb_exists_any", "jsonb_extract_path",
    "jsonb_extract_path_text", "jsonb_hash", "jsonb_hash_extended", "jsonb_insert", "jsonb_object", "jsonb_object_agg",
    "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_exists_tz", "jsonb_path_match", "jsonb_path_match_tz",
    "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_array_tz", "jsonb_path_query_first",
    "jsonb_path_query_first_tz", "jsonb_path_query_tz", "jsonb_pretty", "jsonb_set", "jsonb_set_lax",
    "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_to_tsvector", "jsonb_typeof", "justify_days",
    "justify_hours", "justify_interval", "lag", "last_value", "lcm", "lead", "left", "length", "line", "ln", "log",
    "log10", "lower", "lower_inc", "lower_inf", "lpad", "lseg", "ltrim", "macaddr8_set7bit", "make_date",
    "make_interval", "make_time", "make_timestamp", "make_timestamptz", "masklen", "max", "md5", "min", "min_scale",
    "mod", "mode", "money", "multirange", "multirange_adjacent_multirange", "multirange_adjacent_range",
    "multirange_after_multirange", "multirange_after_range", "multirange_before_multirange", "multirange_before_range",
    "multirange_contained_by_multirange", "multirange_contained_by_range", "multirange_contains_elem",
    "multirange_contains_multirange", "multirange_contains_range", "multirange_intersect", "multirange_minus",
    "multirange_overlaps_multirange", "multirange_overlaps_range", "multirange_union", "netmask", "network",
    "normalize", "now", "npoints", "nth_value", "ntile", "num_nonnulls", "num_nulls", "numeric_inc", "nummultirange",
    "numnode", "numrange", "octet_length", "overlay", "parse_ident", "path", "pclose", "percent_rank",
    "percentile_cont", "percentile_disc", "pg_lsn_hash", "pg_lsn_hash_extended", "phraseto_tsquery", "pi",
    "plainto_tsquery", "point", "poly_center", "polygon", "popen", "position", "pow", "power", "querytree", "radians",
    "radius", "random", "range_adjacent", "range_adjacent_multirange", "range_after", "range_after_multirange",
    "range_agg", "range_before", "range_before_multirange", "range_contained_by", "range_contained_by_multirange",
    "range_contains", "range_contains_elem", "range_contains_multirange", "range_intersect", "range_intersect_agg",
    "range_merge", "range_minus", "range_overlaps", "range_overlaps_multirange", "range_overleft", "range_overright",
    "range_union", "rank", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches",
    "regexp_replace", "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace",
    "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "scale", "set_bit", "set_byte",
    "set_masklen", "setweight", "sha224", "sha256", "sha384", "sha512", "sign", "sin", "sind", "sinh", "slope",
    "split_part", "sqrt", "starts_with", "statement_timestamp", "stddev", "stddev_pop", "stddev_samp", "string_agg",
    "string_to_array", "string_to_table", "strip", "strpos", "substr", "substring", "sum", "tan", "tand", "tanh",
    "text", "time_hash", "time_hash_extended", "timeofday", "timestamp_hash", "timestamp_hash_extended", "timestamptz",
    "timetz", "timetz_hash", "timetz_hash_extended", "timezone", "to_ascii", "to_char", "to_date", "to_hex", "to_json",
    "to_jsonb", "to_number", "to_timestamp", "to_tsquery", "to_tsvector", "transaction_timestamp", "translate",
    "trim_array", "trim_scale", "trunc", "ts_delete", "ts_filter", "ts_headline", "ts_lexize", "ts_rank", "ts_rank_cd",
    "ts_rewrite", "tsmultirange", "tsquery_phrase", "tsrange", "tstzmultirange", "tstzrange", "tsvector_to_array",
    "unistr", "unnest", "upper", "upper_inc", "upper_inf", "uuid_hash", "uuid_hash_extended", "var_pop", "var_samp",
    "variance", "websearch_to_tsquery", "width", "width_bucket",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::functions::lookup;

    #[test]
    fn the_lists_are_sorted_and_hold_what_users_may_call() {
        assert!(SEARCHES.is_sorted() && FUNCTIONS.is_sorted() && SYNTAX.is_sorted() && GRAMMAR.is_sorted());
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
