//! The settings that a session knows: PostgreSQL's, as drivers and tools send them, and the gateway's own.
//!
//! This is an allow-list. A name that is not here does not exist (42704), whatever engine lies below: `datafusion.*`
//! can neither be read nor set.

/// What may be written into a setting, and how it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// `on` or `off`, read as PostgreSQL reads booleans.
    Boolean,
    /// A boolean that can have one value only; the text says why.
    Always(bool, &'static str),
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number with a point.
    Real {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// A time; a bare number is milliseconds.
    Milliseconds {
        /// The greatest, in milliseconds.
        max: i64,
    },
    /// An amount of memory; a bare number is of `unit` bytes.
    Memory {
        /// Bytes in one unit.
        unit: i64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text of at most so many bytes, without control characters.
    Text {
        /// The most bytes.
        max_bytes: usize,
    },
    /// `application_name`: printable ASCII of at most 63 bytes; the rest becomes `?`.
    ApplicationName,
    /// `UTF8` and its other spellings.
    Encoding,
    /// `ISO` with an order of day, month and year.
    DateStyle,
    /// `postgres` or `iso_8601`.
    IntervalStyle,
    /// A name of the time zone database, or an offset.
    TimeZone,
    /// Schema names.
    SearchPath,
}

/// Who may change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The session.
    Anyone,
    /// Nobody (55P02).
    Nobody,
    /// On PostgreSQL a superuser; here nobody (42501).
    Superuser,
    /// The session, for one transaction: it ends with the transaction, however it was set.
    Transaction,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition {
    /// The name as PostgreSQL spells it.
    pub(super) name: &'static str,
    /// What may be written into it.
    pub(super) kind: Kind,
    /// The value of a new session, in the shown form.
    pub(super) default: &'static str,
    /// Who may change it.
    pub(super) access: Access,
    /// Whether clients are told when it changes ("Asynchronous Operations" in PostgreSQL's protocol chapter).
    pub(super) reported: bool,
    /// For `SHOW ALL`.
    pub(super) description: &'static str,
}

const fn free(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Definition {
    Definition { name, kind, default, access: Access::Anyone, reported: false, description }
}

const fn reported(definition: Definition) -> Definition {
    Definition { reported: true, ..definition }
}

const fn fixed(name: &'static str, default: &'static str, description: &'static str) -> Definition {
    Definition {
        name,
        kind: Kind::Text { max_bytes: 1024 },
        default,
        access: Access::Nobody,
        reported: false,
        description,
    }
}

const fn transaction(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Definition {
    Definition { name, kind, default, access: Access::Transaction, reported: false, description }
}

/// The longest purpose, in bytes.
pub(super) const MAX_PURPOSE_BYTES: usize = 512;
/// The longest `search_path`, in bytes.
pub(super) const MAX_SEARCH_PATH_BYTES: usize = 4096;

pub(super) const ISOLATION_LEVELS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const MESSAGE_LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];
const MAX_MS: i64 = i32::MAX as i64;
const NO_EFFECT: &str = "Accepted for compatibility; it has no effect.";

/// Every setting, by lower-case name in order.
#[rustfmt::skip]
pub(super) const DEFINITIONS: &[Definition] = &[
    reported(free("application_name", Kind::ApplicationName, "", "What the client calls itself; policies and the audit log see it.")),
    free("backslash_quote", Kind::Word(&["safe_encoding", "on", "off"]), "safe_encoding", NO_EFFECT),
    fixed("block_size", "8192", "Size of a disk block."),
    free("bytea_output", Kind::Word(&["hex", "escape"]), "hex", "The text form of bytea."),
    free("check_function_bodies", Kind::Boolean, "on", NO_EFFECT),
    reported(free("client_encoding", Kind::Encoding, "UTF8", "The client's character set; UTF8 is the only one.")),
    free("client_min_messages", Kind::Word(MESSAGE_LEVELS), "notice", "The least severe messages that are sent."),
    free("constraint_exclusion", Kind::Word(&["partition", "on", "off"]), "partition", NO_EFFECT),
    free("cursor_tuple_fraction", Kind::Real { min: 0.0, max: 1.0 }, "0.1", NO_EFFECT),
    reported(free("DateStyle", Kind::DateStyle, "ISO, MDY", "The form of dates: ISO, with the order for reading ambiguous ones.")),
    free("default_statistics_target", Kind::Integer { min: 1, max: 10_000 }, "100", NO_EFFECT),
    free("default_table_access_method", Kind::Text { max_bytes: 63 }, "heap", NO_EFFECT),
    free("default_tablespace", Kind::Text { max_bytes: 63 }, "", NO_EFFECT),
    fixed("default_text_search_config", "pg_catalog.simple", "It would not reach an upstream: name the configuration in the call, as in to_tsvector('simple', …)."),
    free("default_transaction_deferrable", Kind::Boolean, "off", "Whether new transactions are deferrable."),
    free("default_transaction_isolation", Kind::Word(ISOLATION_LEVELS), "read committed", "Isolation of new transactions."),
    reported(free("default_transaction_read_only", Kind::Boolean, "off", "Whether new transactions are read-only; the gateway has nothing to write.")),
    free("effective_cache_size", Kind::Memory { unit: 8192 }, "4GB", NO_EFFECT),
    free("enable_bitmapscan", Kind::Boolean, "on", NO_EFFECT),
    free("enable_hashagg", Kind::Boolean, "on", NO_EFFECT),
    free("enable_hashjoin", Kind::Boolean, "on", NO_EFFECT),
    free("enable_indexonlyscan", Kind::Boolean, "on", NO_EFFECT),
    free("enable_indexscan", Kind::Boolean, "on", NO_EFFECT),
    free("enable_material", Kind::Boolean, "on", NO_EFFECT),
    free("enable_mergejoin", Kind::Boolean, "on", NO_EFFECT),
    free("enable_nestloop", Kind::Boolean, "on", NO_EFFECT),
    free("enable_seqscan", Kind::Boolean, "on", NO_EFFECT),
    free("enable_sort", Kind::Boolean, "on", NO_EFFECT),
    free("escape_string_warning", Kind::Boolean, "on", NO_EFFECT),
    free("extra_float_digits", Kind::Integer { min: -15, max: 3 }, "1", "Digits of floating-point values; above 0 is the shortest exact form."),
    free("from_collapse_limit", Kind::Integer { min: 1, max: MAX_MS }, "8", NO_EFFECT),
    free("geqo", Kind::Boolean, "on", NO_EFFECT),
    free("gin_fuzzy_search_limit", Kind::Integer { min: 0, max: MAX_MS }, "0", NO_EFFECT),
    free("idle_in_transaction_session_timeout", Kind::Milliseconds { max: MAX_MS }, "0", "How long a transaction may stand idle."),
    free("idle_session_timeout", Kind::Milliseconds { max: MAX_MS }, "0", "How long a session may stand idle outside a transaction."),
    reported(fixed("in_hot_standby", "off", "Whether the server is a standby.")),
    reported(fixed("integer_datetimes", "on", "Whether dates and times are integers in binary form.")),
    reported(free("IntervalStyle", Kind::IntervalStyle, "postgres", "The form of intervals.")),
    reported(fixed("is_superuser", "off", "Nobody is a superuser here.")),
    free("jit", Kind::Boolean, "off", NO_EFFECT),
    free("join_collapse_limit", Kind::Integer { min: 1, max: MAX_MS }, "8", NO_EFFECT),
    fixed("lc_collate", "C", "The order of text."),
    fixed("lc_ctype", "C", "The classes of characters."),
    free("lc_messages", Kind::Word(&["C", "POSIX", "C.UTF-8", "en_US.UTF-8"]), "C", NO_EFFECT),
    free("lc_monetary", Kind::Word(&["C", "POSIX", "C.UTF-8", "en_US.UTF-8"]), "C", NO_EFFECT),
    free("lc_numeric", Kind::Word(&["C", "POSIX", "C.UTF-8", "en_US.UTF-8"]), "C", NO_EFFECT),
    free("lc_time", Kind::Word(&["C", "POSIX", "C.UTF-8", "en_US.UTF-8"]), "C", NO_EFFECT),
    free("lock_timeout", Kind::Milliseconds { max: MAX_MS }, "0", NO_EFFECT),
    Definition { access: Access::Superuser, ..fixed("log_min_messages", "warning", "What the server logs.") },
    Definition { access: Access::Superuser, ..fixed("log_statement", "none", "Which statements the server logs; the audit log has them all.") },
    free("maintenance_work_mem", Kind::Memory { unit: 1024 }, "64MB", NO_EFFECT),
    fixed("max_connections", "100", "Connections at one time, as PostgreSQL would say it."),
    fixed("max_identifier_length", "63", "The longest name, in bytes."),
    fixed("max_index_keys", "32", "Columns of an index."),
    free("max_parallel_workers", Kind::Integer { min: 0, max: 1024 }, "8", NO_EFFECT),
    free("max_parallel_workers_per_gather", Kind::Integer { min: 0, max: 1024 }, "2", NO_EFFECT),
    free("password_encryption", Kind::Word(&["scram-sha-256"]), "scram-sha-256", NO_EFFECT),
    free("plan_cache_mode", Kind::Word(&["auto", "force_generic_plan", "force_custom_plan"]), "auto", NO_EFFECT),
    fixed("querygate.backend_pid", "0", "The process id that a cancel request names."),
    free("querygate.notices", Kind::Boolean, "off", "Whether a notice names the masks and filters that were applied."),
    free("querygate.purpose", Kind::Text { max_bytes: MAX_PURPOSE_BYTES }, "", "Why you ask: policies read it and the audit log keeps it."),
    fixed("querygate.roles", "", "Your roles, with all that they include."),
    fixed("querygate.tenant", "", "Your tenant."),
    fixed("querygate.user", "", "Who you are."),
    fixed("querygate.version", env!("CARGO_PKG_VERSION"), "The gateway's version."),
    fixed("querygate.workspace", "", "Your workspace."),
    free("quote_all_identifiers", Kind::Boolean, "off", NO_EFFECT),
    free("random_page_cost", Kind::Real { min: 0.0, max: 1e10 }, "4", NO_EFFECT),
    fixed("role", "none", "The role that was taken; roles are given by the catalog."),
    free("row_security", Kind::Boolean, "on", "Accepted for compatibility; row filters always hold."),
    free("search_path", Kind::SearchPath, "\"$user\", public", "Schemas to look a plain name up in."),
    free("seq_page_cost", Kind::Real { min: 0.0, max: 1e10 }, "1", NO_EFFECT),
    reported(fixed("server_encoding", "UTF8", "The server's character set.")),
    reported(fixed("server_version", "15.14", "The version of PostgreSQL whose protocol and SQL are spoken.")),
    fixed("server_version_num", "150014", "The same as a number."),
    reported(fixed("session_authorization", "", "Who is connected.")),
    Definition { access: Access::Superuser, ..fixed("session_replication_role", "origin", "How triggers fire.") },
    free("ssl_renegotiation_limit", Kind::Memory { unit: 1024 }, "0", NO_EFFECT),
    reported(free("standard_conforming_strings", Kind::Always(true, "Backslashes in plain strings are always themselves. Write E'…' for escapes."), "on", "Whether backslashes in plain strings are themselves.")),
    free("statement_timeout", Kind::Milliseconds { max: MAX_MS }, "0", "How long a statement may run; the workspace's and the policies' bounds hold as well."),
    free("synchronize_seqscans", Kind::Boolean, "on", NO_EFFECT),
    free("synchronous_commit", Kind::Word(&["local", "remote_write", "remote_apply", "on", "off"]), "on", NO_EFFECT),
    free("tcp_keepalives_idle", Kind::Integer { min: 0, max: MAX_MS }, "0", NO_EFFECT),
    free("temp_buffers", Kind::Memory { unit: 8192 }, "8MB", NO_EFFECT),
    reported(free("TimeZone", Kind::TimeZone, "UTC", "How timestamps with time zone are shown and read.")),
    transaction("transaction_deferrable", Kind::Boolean, "off", "Whether this transaction is deferrable."),
    transaction("transaction_isolation", Kind::Word(ISOLATION_LEVELS), "read committed", "Isolation of this transaction."),
    transaction("transaction_read_only", Kind::Boolean, "off", "Whether this transaction is read-only."),
    free("transform_null_equals", Kind::Always(false, "x = NULL is always NULL. Write x IS NULL."), "off", "Whether x = NULL is x IS NULL."),
    free("work_mem", Kind::Memory { unit: 1024 }, "4MB", "Accepted for compatibility; the workspace bounds memory."),
    free("xmlbinary", Kind::Word(&["base64", "hex"]), "base64", NO_EFFECT),
    free("xmloption", Kind::Word(&["content", "document"]), "content", NO_EFFECT),
];

/// The setting of a name, in any case.
pub(super) fn definition(name: &str) -> Option<&'static Definition> {
    let name = match name.to_ascii_lowercase().as_str() {
        "time zone" => "timezone".to_owned(),
        "session authorization" => "session_authorization".to_owned(),
        "transaction isolation level" => "transaction_isolation".to_owned(),
        name => name.to_owned(),
    };
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_unique() {
        let names: Vec<String> = DEFINITIONS.iter().map(|definition| definition.name.to_ascii_lowercase()).collect();
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn what_postgresql_15_reports_is_reported() {
        let reported: Vec<&str> = DEFINITIONS.iter().filter(|d| d.reported).map(|d| d.name).collect();
        assert_eq!(
            reported,
            [
                "application_name",
                "client_encoding",
                "DateStyle",
                "default_transaction_read_only",
                "in_hot_standby",
                "integer_datetimes",
                "IntervalStyle",
                "is_superuser",
                "server_encoding",
                "server_version",
                "session_authorization",
                "standard_conforming_strings",
                "TimeZone"
            ]
        );
    }

    #[test]
    fn a_name_is_found_in_any_case_and_by_its_spoken_form() {
        for (asked, name) in
            [("datestyle", "DateStyle"), ("TIMEZONE", "TimeZone"), ("Time Zone", "TimeZone"), ("work_MEM", "work_mem")]
        {
            assert_eq!(definition(asked).map(|d| d.name), Some(name));
        }
        assert!(definition("datafusion.execution.batch_size").is_none());
    }
}
