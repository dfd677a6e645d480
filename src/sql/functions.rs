//! The functions that the embedded engine may run. What is not listed does not exist for users.
//!
//! Left out on purpose, though the engine has them:
//! - what tells of the engine or its files: `arrow_cast`, `arrow_typeof`, `arrow_metadata`, `input_file_name`,
//!   `file_row_index`, `with_metadata`, `get_field`, `union_extract`;
//! - what makes a large value of a small one at any size: `array_repeat`, `array_resize`, `range`;
//! - what takes a lambda or a map, which PostgreSQL does not have: `array_transform`, `array_filter`, `map`, …;
//! - what PostgreSQL knows by another name (`list_…`, `array_push_back`, `ifnull`, `instr`), so that a query
//!   that works here works there.
//!
//! Functions that can make a value as large as a number says have a [`Function::count_argument`], and
//! [`super::command`] refuses a call whose number is no constant or more than [`MAX_COUNT`].

/// What a function is called as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// One value for each row.
    Scalar,
    /// One value for a group; with OVER also a window function.
    Aggregate,
    /// With OVER alone.
    Window,
    /// In FROM, and those of [`SETS`] in a select list.
    Table,
}

/// An allow-listed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its name, as unquoted names fold.
    pub name: &'static str,
    /// What it is called as.
    pub kind: FunctionKind,
    /// It speaks of the session or the catalog: the gateway answers it, never the engine's own function of that name.
    pub system: bool,
    /// Which argument, from 0, says how large its result is.
    pub count_argument: Option<usize>,
    /// PostgreSQL has it and the embedded engine does not: it is for statements over an upstream alone.
    pub upstream: bool,
}

/// Functions that give a row for each element, which may be an output of a select list of their own: so drivers ask for
/// the columns of keys and indexes.
pub const SETS: &[&str] =
    &["_pg_expandarray", "generate_series", "generate_subscripts", "pg_partition_ancestors", "unnest"];

/// The columns that a function of [`FunctionKind::Table`] has whatever it is called; empty: one, with the name of the call.
pub fn columns(name: &str) -> &'static [&'static str] {
    match name {
        "pg_partition_ancestors" => &["relid"],
        "json_each" | "json_each_text" | "jsonb_each" | "jsonb_each_text" => &["key", "value"],
        "json_array_elements" | "json_array_elements_text" | "jsonb_array_elements" | "jsonb_array_elements_text" => {
            &["value"]
        }
        _unnamed => &[],
    }
}

/// The parts of the rows that a function gives, of those that give more than one.
pub fn parts_of(name: &str) -> &'static [&'static str] {
    match columns(name) {
        parts @ [_, _, ..] => parts,
        _value => &[],
    }
}

/// Whether a function's columns are those that its call lists with their types: `… AS x (a int, b text)`.
pub fn is_record(name: &str) -> bool {
    matches!(name, "json_to_record" | "json_to_recordset" | "jsonb_to_record" | "jsonb_to_recordset")
}

/// The most that a [`Function::count_argument`] may be.
pub const MAX_COUNT: u32 = 10_000;

/// An allow-listed function by its folded name.
pub fn lookup(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// The function whose name is nearest to one that is not listed, if any is near.
pub fn suggest(name: &str) -> Option<&'static str> {
    // Names of users are short; a long one is near to nothing.
    let length = name.chars().count();
    if length > 64 {
        return None;
    }
    let most = (length / 3).clamp(1, 3);
    // Of those that are as near, one that is there over every source.
    FUNCTIONS
        .iter()
        .map(|known| (distance(name, known.name), known.upstream, known.name))
        .filter(|(distance, ..)| *distance <= most)
        .min()
        .map(|(_, _, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

const fn plain(kind: FunctionKind, name: &'static str) -> Function {
    Function { name, kind, system: false, count_argument: None, upstream: false }
}

const fn system(name: &'static str) -> Function {
    Function { name, kind: FunctionKind::Scalar, system: true, count_argument: None, upstream: false }
}

const fn sized(name: &'static str, count_argument: usize) -> Function {
    Function { name, kind: FunctionKind::Scalar, system: false, count_argument: Some(count_argument), upstream: false }
}

macro_rules! functions {
    ($($make:expr => [$($name:literal)*];)*) => {
        &[$($($make($name)),*),*]
    };
}

const fn scalar(name: &'static str) -> Function {
    plain(FunctionKind::Scalar, name)
}

const fn aggregate(name: &'static str) -> Function {
    plain(FunctionKind::Aggregate, name)
}

const fn window(name: &'static str) -> Function {
    plain(FunctionKind::Window, name)
}

const fn upstream(name: &'static str) -> Function {
    Function { upstream: true, ..plain(FunctionKind::Scalar, name) }
}

const fn upstream_aggregate(name: &'static str) -> Function {
    Function { upstream: true, ..plain(FunctionKind::Aggregate, name) }
}

const fn upstream_table(name: &'static str) -> Function {
    Function { upstream: true, ..plain(FunctionKind::Table, name) }
}

const fn table(name: &'static str) -> Function {
    plain(FunctionKind::Table, name)
}

const fn sized_second(name: &'static str) -> Function {
    sized(name, 1)
}

const fn upstream_sized_second(name: &'static str) -> Function {
    Function { upstream: true, ..sized(name, 1) }
}

#[rustfmt::skip]
static FUNCTIONS: &[Function] = functions! {
    // Conditions
    scalar => ["coalesce" "nullif" "greatest" "least" "num_nonnulls" "num_nulls"];
    // Numbers
    scalar => [
        "abs" "acos" "acosh" "asin" "asinh" "atan" "atan2" "atanh" "cbrt" "ceil" "ceiling" "cos" "cosh" "cot" "degrees" "div"
        "exp" "factorial" "floor" "gcd" "lcm" "ln" "log" "log10" "log2" "mod" "pi" "power" "pow" "radians" "random" "round"
        "sign" "signum" "sin" "sinh" "sqrt" "tan" "tanh" "trunc" "width_bucket"
    ];
    // Text
    scalar => [
        "ascii" "bit_length" "btrim" "char_length" "character_length" "chr" "concat" "concat_ws" "contains" "decode" "encode"
        "ends_with" "format" "initcap" "left" "length" "levenshtein" "lower" "ltrim" "json_build_object" "octet_length" "overlay" "parse_ident" "position"
        "regexp_count" "regexp_instr" "regexp_like" "regexp_match" "regexp_replace" "replace" "reverse" "right" "rtrim"
        "split_part" "starts_with" "strpos" "substr" "substring" "to_hex" "translate" "trim" "upper"
    ];
    sized_second => ["lpad" "rpad" "repeat"];
    scalar => ["md5" "sha224" "sha256" "sha384" "sha512" "digest" "gen_random_uuid" "uuid"];
    // Dates and times
    scalar => [
        "age" "clock_timestamp" "current_date" "current_time" "current_timestamp" "date" "date_bin" "date_part" "date_trunc"
        "extract" "from_unixtime" "isfinite" "justify_days" "justify_hours" "justify_interval" "localtimestamp" "make_date"
        "make_time" "make_timestamp" "now" "statement_timestamp" "to_char" "to_date" "to_number" "to_timestamp" "to_unixtime" "transaction_timestamp"
    ];
    // Arrays
    scalar => [
        "array_append" "array_cat" "array_dims" "array_distinct" "array_has" "array_has_all" "array_has_any" "array_length" "array_ndims"
        "array_lower" "array_position" "array_positions" "array_prepend" "array_remove" "array_replace" "array_reverse"
        "array_sort" "array_to_string" "array_upper" "cardinality" "make_array" "string_to_array"
    ];
    aggregate => [
        "any_value" "approx_distinct" "approx_median" "approx_percentile_cont" "array_agg" "avg" "bit_and" "bit_or" "bit_xor"
        "bool_and" "bool_or" "corr" "count" "covar_pop" "covar_samp" "every" "first_value" "grouping" "last_value" "max" "median" "min"
        "percentile_cont" "regr_avgx" "regr_avgy" "regr_count" "regr_intercept" "regr_r2" "regr_slope" "regr_sxx" "regr_sxy"
        "regr_syy" "stddev" "stddev_pop" "stddev_samp" "string_agg" "sum" "var" "var_pop" "var_samp" "variance"
    ];
    window => ["cume_dist" "dense_rank" "lag" "lead" "nth_value" "ntile" "percent_rank" "rank" "row_number"];
    // What PostgreSQL alone has. None makes a large value of a small one, reads a relation or runs SQL.
    upstream => [
        "abbrev" "acosd" "area" "array_to_json" "array_to_tsvector" "asind" "atan2d" "atand" "bit_count" "booland_statefunc" "booleq"
        "boolne" "boolor_statefunc" "bound_box" "box" "broadcast" "cash_words" "cashlarger" "cashsmaller" "center" "circle"
        "circle_center" "convert" "convert_from" "convert_to" "cosd" "cotd" "datemultirange" "daterange" "diagonal"
        "diameter" "elem_contained_by_multirange" "elem_contained_by_range" "family" "float4" "float4send" "float8"
        "float8_accum" "float8_combine" "float8_regr_accum" "float8_regr_combine"
        "float8send" "get_bit" "get_byte" "hash_array" "hash_array_extended" "hash_multirange" "hash_multirange_extended" "hash_numeric" "hash_numeric_extended"
        "hash_range" "hash_range_extended" "hashbpchar" "hashbpcharextended" "hashchar" "hashcharextended"
        "hashenum" "hashenumextended" "hashfloat4" "hashfloat4extended" "hashfloat8" "hashfloat8extended"
        "hashinet" "hashinetextended" "hashint2" "hashint2extended" "hashint4" "hashint4extended" "hashint8"
        "hashint8extended" "hashmacaddr" "hashmacaddr8" "hashmacaddr8extended" "hashmacaddrextended" "hashname"
        "hashnameextended" "hashoid" "hashoidextended" "hashtext" "hashtextextended" "height" "host" "hostmask"
        "inet_merge" "inet_same_family" "int2" "int4" "int4mul" "int4multirange" "int4range" "int8" "int8multirange"
        "int8range" "interval_hash" "interval_hash_extended" "isclosed" "isempty" "ishorizontal" "isopen"
        "isparallel" "isperp" "isvertical" "json_array_length" "json_build_array" "json_extract_path"
        "json_extract_path_text" "json_object" "json_strip_nulls" "json_to_tsvector" "json_typeof"
        "jsonb_array_length" "jsonb_build_array" "jsonb_build_object" "jsonb_concat" "jsonb_contained"
        "jsonb_contains" "jsonb_delete" "jsonb_delete_path" "jsonb_exists" "jsonb_exists_all" "jsonb_exists_any"
        "jsonb_extract_path" "jsonb_extract_path_text" "jsonb_hash" "jsonb_hash_extended" "jsonb_insert"
        "jsonb_object" "jsonb_path_exists" "jsonb_path_exists_tz" "jsonb_path_match" "jsonb_path_match_tz"
        "jsonb_path_query_array" "jsonb_path_query_array_tz" "jsonb_path_query_first" "jsonb_path_query_first_tz"
        "jsonb_pretty" "jsonb_set" "jsonb_set_lax" "jsonb_strip_nulls" "jsonb_to_tsvector" "jsonb_typeof" "line"
        "localtime" "lower_inc" "lower_inf" "lseg" "macaddr8_set7bit" "make_interval" "make_timestamptz" "masklen"
        "min_scale" "money" "multirange" "multirange_adjacent_multirange" "multirange_adjacent_range"
        "multirange_after_multirange" "multirange_after_range" "multirange_before_multirange"
        "multirange_before_range" "multirange_contained_by_multirange" "multirange_contained_by_range"
        "multirange_contains_elem" "multirange_contains_multirange" "multirange_contains_range"
        "multirange_intersect" "multirange_minus" "multirange_overlaps_multirange" "multirange_overlaps_range"
        "multirange_union" "netmask" "network" "normalize" "npoints" "numeric_inc" "nummultirange" "numnode"
        "numrange" "path" "pclose" "pg_lsn_hash" "pg_lsn_hash_extended" "phraseto_tsquery" "plainto_tsquery"
        "point" "poly_center" "polygon" "popen" "querytree" "radius" "range_adjacent" "range_adjacent_multirange"
        "range_after" "range_after_multirange" "range_before" "range_before_multirange" "range_contained_by"
        "range_contained_by_multirange" "range_contains" "range_contains_elem" "range_contains_multirange"
        "range_intersect" "range_merge" "range_minus" "range_overlaps" "range_overlaps_multirange" "range_overleft"
        "range_overright" "range_union" "regexp_split_to_array" "regexp_substr" "row_to_json" "scale" "set_bit"
        "set_byte" "set_masklen" "setweight" "sind" "slope" "strip" "tand" "text" "time_hash" "time_hash_extended"
        "timeofday" "timestamp_hash" "timestamp_hash_extended" "timestamptz" "timetz" "timetz_hash"
        "timetz_hash_extended" "timezone" "to_ascii" "to_json" "to_jsonb" "to_tsquery" "to_tsvector" "trim_array"
        "trim_scale" "ts_delete" "ts_filter" "ts_headline" "ts_lexize" "ts_rank" "ts_rank_cd" "ts_rewrite" "tsmultirange"
        "tsquery_phrase" "tsrange" "tstzmultirange" "tstzrange" "tsvector_to_array" "unistr" "upper_inc"
        "upper_inf" "uuid_hash" "uuid_hash_extended" "websearch_to_tsquery" "width"
    ];
    upstream_sized_second => ["array_fill"];
    upstream_aggregate => [
        "json_agg" "json_object_agg" "jsonb_agg" "jsonb_object_agg" "mode" "percentile_disc" "range_agg"
        "range_intersect_agg"
    ];
    upstream_table => [
        "json_array_elements" "json_array_elements_text" "json_each" "json_each_text" "json_object_keys"
        "jsonb_array_elements" "jsonb_array_elements_text" "jsonb_each" "jsonb_each_text" "jsonb_object_keys"
        "json_to_record" "json_to_recordset" "jsonb_path_query" "jsonb_path_query_tz" "jsonb_to_record"
        "jsonb_to_recordset" "regexp_matches" "regexp_split_to_table" "string_to_table"
    ];
    table => ["_pg_expandarray" "generate_series" "generate_subscripts" "pg_partition_ancestors" "unnest"];
    // The session and the catalog ("System Information Functions" in PostgreSQL's manual)
    system => [
        "col_description" "current_catalog" "current_database" "current_role" "current_schema" "current_schemas"
        "current_setting" "current_user" "format_type" "getdatabaseencoding" "has_any_column_privilege"
        "has_column_privilege" "has_database_privilege" "has_foreign_data_wrapper_privilege" "has_function_privilege"
        "has_language_privilege" "has_parameter_privilege" "has_schema_privilege" "has_sequence_privilege"
        "has_server_privilege" "has_table_privilege" "has_tablespace_privilege" "has_type_privilege"
        "inet_client_addr" "inet_client_port" "inet_server_addr" "inet_server_port" "obj_description"
        "pg_backend_pid" "pg_char_to_encoding" "pg_client_encoding" "pg_collation_is_visible"
        "pg_conversion_is_visible" "pg_database_size" "pg_encoding_to_char" "pg_function_is_visible"
        "pg_get_constraintdef" "pg_get_expr" "pg_get_function_arguments" "pg_get_function_identity_arguments"
        "pg_get_function_result" "pg_get_function_sqlbody" "pg_get_functiondef" "pg_get_indexdef"
        "pg_get_partition_constraintdef" "pg_get_partkeydef" "pg_get_ruledef" "pg_get_serial_sequence"
        "pg_get_statisticsobjdef" "pg_get_statisticsobjdef_columns" "pg_get_triggerdef" "pg_get_userbyid"
        "pg_get_viewdef" "pg_has_role" "pg_indexes_size" "pg_is_in_recovery" "pg_is_other_temp_schema"
        "pg_my_temp_schema" "pg_opclass_is_visible" "pg_operator_is_visible" "pg_opfamily_is_visible"
        "pg_partition_root" "pg_postmaster_start_time" "pg_relation_is_publishable" "pg_relation_size"
        "pg_size_pretty" "pg_statistics_obj_is_visible" "pg_table_is_visible" "pg_table_size"
        "pg_tablespace_location" "pg_tablespace_size" "pg_total_relation_size" "pg_ts_config_is_visible"
        "pg_ts_dict_is_visible" "pg_ts_parser_is_visible" "pg_ts_template_is_visible" "pg_type_is_visible"
        "pg_typeof" "quote_ident" "quote_literal" "quote_nullable" "row_security_active" "session_user" "set_config"
        "shobj_description" "to_regclass" "to_regnamespace" "to_regproc" "to_regrole" "to_regtype" "txid_current"
        "user" "version"
    ];
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_folded() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|name| **name == name.to_ascii_lowercase()));
    }

    #[test]
    fn what_reads_files_or_tells_of_the_engine_is_not_there() {
        for name in [
            "setseed",
            "ts_stat",
            "pg_read_file",
            "pg_ls_dir",
            "lo_import",
            "lo_export",
            "dblink",
            "query_to_xml",
            "pg_sleep",
            "pg_terminate_backend",
            "arrow_cast",
            "arrow_typeof",
            "input_file_name",
            "read_parquet",
            "parquet_metadata",
            "range",
            "array_repeat",
            "nextval",
        ] {
            assert_eq!(lookup(name), None, "{name}");
        }
        assert!(lookup("version").unwrap().system);
    }

    #[test]
    fn names_that_are_near_are_suggested() {
        assert_eq!(suggest("coalesc"), Some("coalesce"));
        assert_eq!(suggest("lenght"), Some("length"));
        assert_eq!(suggest("to_chr"), Some("to_char"));
        assert_eq!(suggest("nothing_like_it"), None);
        assert_eq!(suggest(&"x".repeat(10_000)), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
