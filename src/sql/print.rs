//! Trees as text, with a proof that the text means the tree.

use super::bounds::ParseBounds;
use super::parse::parse;
use sqlparser::ast::{Query, Statement};

/// A tree whose text does not read back as the same tree. The text must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// The text does not parse.
    #[error("the printed statement does not parse")]
    Unreadable,
    /// The text parses as something else.
    #[error("the printed statement reads as another statement")]
    Changed,
}

/// Prints a query and proves the text: it is parsed again, and the whole trees are compared, constants included.
///
/// The printer of sqlparser has turned constants into live SQL before (a quote behind a backslash), so no text of a
/// tree leaves without this.
///
/// # Errors
/// [`PrintError`] if the text does not mean the tree.
pub fn print_checked(query: &Query) -> Result<String, PrintError> {
    let text = query.to_string();
    if *read_back(&text)? == *query { Ok(text) } else { Err(PrintError::Changed) }
}

/// The one query of a text that was printed.
///
/// # Errors
/// [`PrintError`] if it is none.
pub fn read_back(text: &str) -> Result<Box<Query>, PrintError> {
    // The tree exists, so its depth has been judged; its text may be longer than what a client may send.
    let bounds = ParseBounds {
        max_bytes: 64 << 20,
        max_tokens: 8_000_000,
        max_nesting: 512,
        ..ParseBounds::for_stack(64 << 20)
    };
    let statements = parse(text, &bounds).map_err(|_| PrintError::Unreadable)?;
    match statements.as_slice() {
        [only] => match only.tree() {
            Statement::Query(read) => Ok(read.clone()),
            _no_query => Err(PrintError::Changed),
        },
        _not_one => Err(PrintError::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::ast::{Expr, SelectItem, SetExpr, Value};

    fn tree(sql: &str) -> Query {
        parse(sql, &ParseBounds::default()).unwrap().remove(0).query().unwrap().clone()
    }

    #[test]
    fn what_prints_reads_back() {
        for sql in [
            r"SELECT 'it''s', E'a\'\\\n', U&'d\0061t\\', N'n', B'01', X'1F', $$a'b$$, $q$ $$ $q$, 1.5e-3, -1, DATE '2024-01-01'",
            r"SELECT a FROM t WHERE name = 'x\'' UNION SELECT b FROM u --'",
            "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r, LATERAL (SELECT 1) AS l(x)",
            "SELECT \"a\"\"b\".c, count(*) FILTER (WHERE x > 1) OVER (PARTITION BY y ORDER BY z) FROM \"a\"\"b\" GROUP BY 1",
            "VALUES (1, 'a'), (2, NULL)",
            "TABLE t",
        ] {
            assert!(print_checked(&tree(sql)).is_ok(), "{sql}");
        }
    }

    #[test]
    fn a_constant_that_would_break_out_is_caught() {
        let mut query = tree("SELECT 'x'");
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(SelectItem::UnnamedExpr(Expr::Value(value))) = select.projection.first_mut()
        {
            value.value = Value::SingleQuotedString(r"x\' UNION SELECT secret FROM t --".into());
        }
        assert!(print_checked(&query).is_err());
    }
}
