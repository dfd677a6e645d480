//! Names in trees: folding what was written, printing so that every reader folds it back, near names for hints.

use crate::sql::names::{fold_ident, quoted_ident};
use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};

/// What an identifier means: as quoted, or lower case.
pub(super) fn fold(ident: &Ident) -> String {
    fold_ident(ident)
}

/// An identifier that means a folded name to every reader: quoted where it has to be.
pub(super) fn ident(name: &str) -> Ident {
    if is_simple(name) && !is_reserved(name) { Ident::new(name) } else { quoted_ident(name) }
}

/// `alias.column`; without an alias (in a policy's expression) the column alone.
pub(super) fn column_expr(alias: &str, column: &str) -> Expr {
    if alias.is_empty() {
        return Expr::Identifier(ident(column));
    }
    Expr::CompoundIdentifier(vec![ident(alias), ident(column)])
}

/// `schema.name`
pub(super) fn object_name(schema: &str, name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(ident(schema)), ObjectNamePart::Identifier(ident(name))])
}

/// The folded parts of a name; `None` if a part is no identifier.
pub(super) fn parts(name: &ObjectName) -> Option<Vec<String>> {
    let ObjectName(parts) = name;
    parts
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(fold(ident)),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

/// The first identifier of a name, for its place in the text.
pub(super) fn first_ident(name: &ObjectName) -> Option<&Ident> {
    match name.0.first() {
        Some(ObjectNamePart::Identifier(ident)) => Some(ident),
        Some(ObjectNamePart::Function(_)) | None => None,
    }
}

/// Lower-case letters, digits and `_`, not starting with a digit.
pub(super) fn is_simple(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Words that some reader takes for syntax where a name may stand: PostgreSQL's reserved words (appendix C), and those
/// that the parser gives a meaning in front of an expression.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof", "asymmetric", "authorization",
    "between", "bigint", "binary", "bit", "boolean", "both", "box", "by", "case", "cast", "ceil", "char", "character",
    "check", "circle", "cluster", "coalesce", "collate", "collation", "column", "concurrently", "connect",
    "constraint", "convert", "create", "cross", "cube", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable",
    "desc", "distinct", "distribute", "do", "else", "end", "except", "exclude", "exists", "explain", "extract",
    "false", "fetch", "filter", "final", "float", "floor", "for", "foreign", "format", "freeze", "from", "full",
    "global", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", "int",
    "integer", "intersect", "interval", "into", "is", "isnull", "join", "lambda", "lateral", "leading", "least",
    "left", "like", "limit", "line", "localtime", "localtimestamp", "lseg", "map", "match", "match_condition",
    "match_recognize", "minus", "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null",
    "nullif", "numeric", "offset", "on", "only", "open", "or", "order", "out", "outer", "output", "over", "overlaps",
    "overlay", "partition", "path", "pivot", "placing", "point", "polygon", "position", "precision", "prewhere",
    "primary", "prior", "qualify", "real", "references", "returning", "right", "rollup", "row", "safe_cast", "sample",
    "select", "semi", "session_user", "set", "setof", "settings", "similar", "smallint", "some", "sort", "start",
    "struct", "substr", "substring", "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp",
    "to", "top", "trailing", "treat", "trim", "true", "try_cast", "try_convert", "union", "unique", "unnest",
    "unpivot", "user", "using", "values", "varchar", "variadic", "verbose", "view", "when", "where", "window", "with",
    "within", "xmltable",
];

/// The nearest of some names, if one is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if name.chars().count() <= 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, in characters. Long names are never near.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut before = i.saturating_add(1);
        let mut next = vec![before];
        for (above, right) in row.iter().skip(1).zip(&b) {
            let cost = diagonal.saturating_add(usize::from(left != right));
            before = cost.min(above.saturating_add(1)).min(before.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("poeple", ["orders", "people"]), Some("people"));
        assert_eq!(nearest("emial", ["email", "name"]), Some("email"));
        assert_eq!(nearest("xyz", ["email", "name"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn every_word_that_the_parser_reserves_is_listed() {
        use sqlparser::keywords;
        let lists = [
            keywords::RESERVED_FOR_COLUMN_ALIAS,
            keywords::RESERVED_FOR_IDENTIFIER,
            keywords::RESERVED_FOR_TABLE_ALIAS,
            keywords::RESERVED_FOR_TABLE_FACTOR,
        ];
        for word in lists.iter().flat_map(|words| words.iter()) {
            let word = format!("{word:?}").to_ascii_lowercase();
            assert!(is_reserved(&word), "{word}");
        }
        assert!(RESERVED.is_sorted(), "the list is searched by halves");
    }

    #[test]
    fn names_are_quoted_where_a_reader_would_misread_them() {
        assert_eq!(ident("email").to_string(), "email");
        assert_eq!(ident("Email").to_string(), "\"Email\"");
        assert_eq!(ident("order").to_string(), "\"order\"");
        assert_eq!(ident("current_date").to_string(), "\"current_date\"");
        assert_eq!(ident("a\"b").to_string(), "\"a\"\"b\"");
        assert_eq!(ident("").to_string(), "\"\"");
    }
}
