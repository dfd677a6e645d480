//! What names, paths and types may look like in a catalog.

use super::finding::{Findings, Placed};
use crate::types::SqlType;

/// PostgreSQL cuts longer names off: "Identifiers and Key Words", NAMEDATALEN.
const LONGEST_NAME: usize = 63;

/// Checks a name that clients write in SQL. What they would have to quote is a warning; what can't be a name is an
/// error, and gives false.
pub(super) fn check_sql_name(what: &str, name: &str, at: &Placed<String>, findings: &mut Findings) -> bool {
    if name.is_empty() || name.len() > LONGEST_NAME {
        findings.error(&at.place, format!("{what} {name:?} must have 1 to {LONGEST_NAME} bytes"), None);
        return false;
    }
    if name.chars().any(|c| c.is_control() || c == '"') {
        findings.error(&at.place, format!("{what} {name:?} holds a character that no name can have"), None);
        return false;
    }
    let folded = name.to_lowercase();
    let plain_start = folded.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_' || !c.is_ascii());
    let plain =
        folded.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$') || !c.is_ascii());
    if name != folded {
        let help = format!("write {folded:?} if the data has it so");
        findings.warning(&at.place, format!("{what} {name:?} has upper case: clients must quote it"), Some(help));
    } else if !plain_start || !plain {
        findings.warning(&at.place, format!("{what} {name:?} is no plain name: clients must quote it"), None);
    }
    true
}

/// Checks a name that only the catalog and policies use: a source, a user, a role, a tag, a workspace.
pub(super) fn check_label(what: &str, at: &Placed<String>, findings: &mut Findings) -> bool {
    let name = &at.value;
    let wrong = name.len() > LONGEST_NAME || name.chars().any(char::is_control) || name.trim() != name;
    if wrong {
        let rule = format!("at most {LONGEST_NAME} bytes, no control characters, no blanks at its ends");
        findings.error(&at.place, format!("{what} {name:?} can't be a name"), Some(rule));
    }
    !wrong
}

/// Whether a text can be one part of a Rego package name.
pub(super) fn is_package_part(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a text can be the name of an environment variable.
pub(super) fn is_environment_name(text: &str) -> bool {
    is_package_part(text)
}

/// Why a dataset's path does not stay below its source; `None` if it does.
pub(super) fn escapes(path: &str) -> Option<&'static str> {
    if path.contains("://") {
        return Some("it must be a path in its source, not an address of its own");
    }
    if path.starts_with('/') || path.starts_with('~') || path.contains('\\') || path.chars().nth(1) == Some(':') {
        return Some("it must be relative to its source's location");
    }
    if path.split('/').any(|part| part == "..") {
        return Some("it must not leave its source's location by ..");
    }
    // An encoded dot or slash is a way around the two rules above in stores that decode.
    let lower = path.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c"].iter().any(|code| lower.contains(code)) {
        return Some("it must not hold percent-encoded dots or slashes");
    }
    path.chars().any(char::is_control).then_some("it must not hold control characters")
}

/// A type by the names that PostgreSQL knows it by.
pub(super) fn sql_type(text: &str) -> Option<SqlType> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(of) = text.strip_suffix("[]") {
        return Some(SqlType::Array(Box::new(sql_type(of)?)));
    }
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim().strip_suffix(')')?)),
        None => (text.as_str(), None),
    };
    match (name, arguments) {
        ("numeric" | "decimal", Some(arguments)) => {
            let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
            let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            let fits = (1..=76).contains(&precision) && (0..=precision).contains(&u8::try_from(scale).ok()?);
            fits.then_some(SqlType::Numeric { precision, scale })
        }
        ("varchar" | "character varying" | "char" | "character", Some(length)) => {
            length.trim().parse::<u32>().ok().map(|_| SqlType::Text)
        }
        (_, Some(_)) => None,
        ("boolean" | "bool", None) => Some(SqlType::Boolean),
        ("smallint" | "int2", None) => Some(SqlType::SmallInt),
        ("integer" | "int" | "int4", None) => Some(SqlType::Integer),
        ("bigint" | "int8", None) => Some(SqlType::BigInt),
        ("real" | "float4", None) => Some(SqlType::Real),
        ("double" | "double precision" | "float8", None) => Some(SqlType::Double),
        ("text" | "varchar" | "character varying", None) => Some(SqlType::Text),
        ("bytea", None) => Some(SqlType::Bytea),
        ("date", None) => Some(SqlType::Date),
        ("time" | "time without time zone", None) => Some(SqlType::Time),
        ("timestamp" | "timestamp without time zone", None) => Some(SqlType::Timestamp),
        ("timestamptz" | "timestamp with time zone", None) => Some(SqlType::TimestampTz),
        ("interval", None) => Some(SqlType::Interval),
        ("uuid", None) => Some(SqlType::Uuid),
        ("json" | "jsonb", None) => Some(SqlType::Json),
        _ => None,
    }
}

/// The type of an upstream's column, by what `format_type` calls it. What has no name in the catalog's files is
/// [`SqlType::Other`].
pub fn upstream_type(name: &str) -> SqlType {
    sql_type(name).unwrap_or_else(|| SqlType::Other(name.to_owned()))
}

/// Whether texts that are compared with such a column are names, which the upstream would look up: a user would be told
/// which relations, functions or roles it has.
pub(super) fn holds_names(sql_type: &SqlType) -> bool {
    const NAMES: [&str; 11] = [
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
    ];
    match sql_type {
        SqlType::Other(name) => NAMES.contains(&name.trim_end_matches("[]")),
        SqlType::Array(element) => holds_names(element),
        _value => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_their_names() {
        assert_eq!(sql_type("numeric(10, 2)"), Some(SqlType::Numeric { precision: 10, scale: 2 }));
        assert_eq!(sql_type("Timestamp"), Some(SqlType::Timestamp));
        assert_eq!(sql_type("text[]"), Some(SqlType::Array(Box::new(SqlType::Text))));
        assert_eq!(sql_type(&SqlType::Double.to_string()), Some(SqlType::Double));
        for wrong in ["numeric", "numeric(2,3)", "numeric(99,1)", "text(", "int(4)", "money", ""] {
            assert_eq!(sql_type(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn types_of_an_upstream_that_have_no_name_here_keep_theirs() {
        assert_eq!(upstream_type("character varying(20)"), SqlType::Text);
        assert_eq!(upstream_type("integer[]"), SqlType::Array(Box::new(SqlType::Integer)));
        for other in ["numeric", "sales.mood", "\"char\"", "time with time zone", "sales.\"Text\""] {
            assert_eq!(upstream_type(other), SqlType::Other(other.to_owned()));
        }
    }

    #[test]
    fn types_whose_texts_are_looked_up_are_known() {
        for names in ["regclass", "regclass[]", "regrole", "regconfig"] {
            assert!(holds_names(&upstream_type(names)), "{names}");
        }
        for values in ["oid", "text", "integer[]", "sales.regclass", "name"] {
            assert!(!holds_names(&upstream_type(values)), "{values}");
        }
    }

    #[test]
    fn a_path_stays_below_its_source() {
        for fine in ["a.parquet", "a/b/*.csv", "a..b/c", "year=2024/*.parquet", "..."] {
            assert_eq!(escapes(fine), None, "{fine}");
        }
        for out in
            ["../a", "a/../../b", "/etc/passwd", "s3://x/y", "~/a", "c:/a", "a\\..\\b", "%2e%2E/a", "a\u{0}b", ".."]
        {
            assert!(escapes(out).is_some(), "{out}");
        }
    }
}
