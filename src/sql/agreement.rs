//! Whether the two readers of a text made the same tree of it.
//!
//! That they see the same tokens is not enough: sqlparser has taken `a IS DISTINCT FROM b OR c` for
//! `a IS DISTINCT FROM (b OR c)`. So the tree is printed with everything that has operands in parentheses, and PostgreSQL's
//! grammar must make the same of that as of the text itself.

use super::grammar::postgres_tree;
use super::stack::on_deep_stack;
use super::tree::plain_query;
use sqlparser::ast::{
    Expr, FromTable, Query, SetExpr, Statement, TableFactor, TableWithJoins, UpdateTableFromKind, Value, ValueWithSpan,
    VisitMut, VisitorMut, visit_expressions_mut,
};
use std::fmt::Display;
use std::ops::ControlFlow;

/// Whether a statement's text means its tree.
pub(super) fn agrees(text: &str, tree: &Statement) -> bool {
    on_deep_stack(|| same(text, &mut tree.clone(), ""))
}

/// Whether an expression that was read by itself, with `:name` for parameters, means what PostgreSQL would read in its place.
pub(super) fn expression_agrees(expr: &Expr) -> bool {
    let mut positional = expr.clone();
    let _: ControlFlow<()> = visit_expressions_mut(&mut positional, |expr| {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr {
            "$1".clone_into(name);
        }
        ControlFlow::Continue(())
    });
    on_deep_stack(|| same(&format!("SELECT {positional}"), &mut positional.clone(), "SELECT "))
}

/// Whether PostgreSQL's grammar reads a text as it reads a tree with all its parentheses.
fn same<T: VisitMut + Display>(text: &str, tree: &mut T, before: &str) -> bool {
    let _: ControlFlow<()> = tree.visit(&mut Parentheses);
    match (postgres_tree(text), postgres_tree(&format!("{before}{tree}"))) {
        (Ok(mut read), Ok(mut meant)) => {
            one_spelling(&mut read);
            one_spelling(&mut meant);
            read == meant
        }
        _unread => false,
    }
}

/// Gives what PostgreSQL's grammar has two spellings of one. Its syntax calls functions of `pg_catalog`, which a plain name
/// calls too, since that is the first schema of every search path here; and it sorts USING the operators `<` and `>` as it
/// sorts ASC and DESC (`addTargetToSortList`: of a type, these are the ones of its sorting operator class).
fn one_spelling(tree: &mut serde_json::Value) {
    use serde_json::{Value, json};
    match tree {
        Value::Object(fields) => {
            if let Some(Value::Array(names)) = fields.get_mut("funcname")
                && names.len() == 2
                && names.first().is_some_and(|schema| name_of(schema) == Some("pg_catalog"))
            {
                names.remove(0);
            }
            let direction = match fields.get("use_op").and_then(Value::as_array).map(Vec::as_slice) {
                Some([symbol]) if fields.get("sortby_dir") == Some(&json!(SORT_USING)) => match name_of(symbol) {
                    Some("<") => Some(SORT_ASC),
                    Some(">") => Some(SORT_DESC),
                    _other => None,
                },
                _no_operator => None,
            };
            if let Some(direction) = direction {
                fields.insert("use_op".to_owned(), json!([]));
                fields.insert("sortby_dir".to_owned(), json!(direction));
            }
            fields.values_mut().for_each(one_spelling);
        }
        Value::Array(items) => items.iter_mut().for_each(one_spelling),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `SortByDir` of libpg_query.
const SORT_ASC: i32 = pg_query::protobuf::SortByDir::SortbyAsc as i32;
const SORT_DESC: i32 = pg_query::protobuf::SortByDir::SortbyDesc as i32;
const SORT_USING: i32 = pg_query::protobuf::SortByDir::SortbyUsing as i32;

fn name_of(node: &serde_json::Value) -> Option<&str> {
    node.pointer("/node/String/sval").and_then(serde_json::Value::as_str)
}

/// Puts parentheses around all that could be read in two ways without them.
struct Parentheses;

impl VisitorMut for Parentheses {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if has_open_operands(expr) {
            let inner = std::mem::replace(expr, Expr::Tuple(Vec::new()));
            *expr = Expr::Nested(Box::new(inner));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        set_operations(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            joins(table_with_joins);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<()> {
        match statement {
            Statement::Update(update) => match &mut update.from {
                Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => {
                    from.iter_mut().for_each(joins);
                }
                None => {}
            },
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &mut delete.from;
                from.iter_mut().chain(delete.using.iter_mut().flatten()).for_each(joins);
            }
            _no_joins_of_its_own => {}
        }
        ControlFlow::Continue(())
    }
}

/// `a UNION b INTERSECT c` as `a UNION (b INTERSECT c)`.
fn set_operations(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            for side in [left, right] {
                set_operations(side);
                if matches!(**side, SetExpr::SetOperation { .. }) {
                    let inner = std::mem::replace(&mut **side, SetExpr::Values(no_values()));
                    **side = SetExpr::Query(Box::new(plain_query(inner)));
                }
            }
        }
        SetExpr::Select(select) => select.from.iter_mut().for_each(joins),
        SetExpr::Query(_)
        | SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_)
        | SetExpr::Table(_) => {}
    }
}

fn no_values() -> sqlparser::ast::Values {
    sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() }
}

/// `a JOIN b … JOIN c …` as `(a JOIN b …) JOIN c …`.
fn joins(table: &mut TableWithJoins) {
    let Some(last) = table.joins.pop() else { return };
    if !table.joins.is_empty() {
        let mut inner = TableWithJoins { relation: table.relation.clone(), joins: std::mem::take(&mut table.joins) };
        joins(&mut inner);
        table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(inner), alias: None };
    }
    table.joins.push(last);
}

/// Whether an operand of it stands at its edge, where what is beside it could take it.
fn has_open_operands(expr: &Expr) -> bool {
    use sqlparser::ast::CastKind;
    match expr {
        Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::IsNormalized { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::InUnnest { .. }
        | Expr::Between { .. }
        | Expr::BinaryOp { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::SimilarTo { .. }
        | Expr::RLike { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Collate { .. }
        | Expr::Exists { negated: true, .. }
        | Expr::OuterJoin(_)
        | Expr::Prior(_)
        | Expr::MemberOf(_) => true,
        Expr::Cast { kind, .. } => match kind {
            CastKind::DoubleColon => true,
            CastKind::Cast | CastKind::TryCast | CastKind::SafeCast => false,
        },
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::CompoundFieldAccess { .. }
        | Expr::JsonAccess { .. }
        | Expr::Convert { .. }
        | Expr::Extract { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. }
        | Expr::Nested(_)
        | Expr::Value(_)
        | Expr::Prefixed { .. }
        | Expr::TypedString(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Exists { negated: false, .. }
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Struct { .. }
        | Expr::Named { .. }
        | Expr::Dictionary(_)
        | Expr::Map(_)
        | Expr::Array(_)
        | Expr::Interval(_)
        | Expr::MatchAgainst { .. }
        | Expr::Wildcard(_)
        | Expr::QualifiedWildcard(..)
        | Expr::Lambda(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::ParseBounds;
    use super::super::parse::{TWO_WAYS, parse};
    use super::super::parse_error::ParseError;
    use super::*;
    use proptest::prelude::*;

    fn tree(sql: &str) -> Statement {
        Statement::Query(Box::new(parse(sql, &ParseBounds::default()).unwrap().remove(0).query().unwrap().clone()))
    }

    #[test]
    fn a_tree_of_another_text_is_told() {
        for (text, other) in [
            ("SELECT a + b * c", "SELECT (a + b) * c"),
            ("SELECT a OR b AND c", "SELECT (a OR b) AND c"),
            ("SELECT NOT a = b", "SELECT (NOT a) = b"),
            ("SELECT -a::text", "SELECT (-a)::text"),
            ("SELECT a IS DISTINCT FROM b OR c", "SELECT a IS DISTINCT FROM (b OR c)"),
            ("SELECT 1 UNION SELECT 2 INTERSECT SELECT 3", "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3"),
            ("SELECT * FROM a LEFT JOIN b ON x JOIN c ON y", "SELECT * FROM a LEFT JOIN (b JOIN c ON y) ON x"),
            ("SELECT 1 UNION SELECT 2 LIMIT 1", "SELECT 1 UNION (SELECT 2 LIMIT 1)"),
            ("SELECT 'a'", "SELECT 'b'"),
        ] {
            assert!(agrees(text, &tree(text)), "{text}");
            assert!(agrees(other, &tree(other)), "{other}");
            assert!(!agrees(text, &tree(other)), "{text} as {other}");
        }
    }

    #[test]
    fn is_distinct_from_binds_as_is_does() {
        for (text, meant) in [
            ("SELECT a IS DISTINCT FROM b OR c", "SELECT (a IS DISTINCT FROM b) OR c"),
            ("SELECT a AND b IS NOT DISTINCT FROM c AND d", "SELECT (a AND (b IS NOT DISTINCT FROM c)) AND d"),
            ("SELECT a IS DISTINCT FROM b + c < d", "SELECT a IS DISTINCT FROM ((b + c) < d)"),
            ("SELECT NOT a IS DISTINCT FROM b", "SELECT NOT (a IS DISTINCT FROM b)"),
        ] {
            assert!(agrees(meant, &tree(text)), "{text}");
        }
    }

    /// Operators between operands, without parentheses: what binds to what is the reader's to say.
    fn chain() -> impl Strategy<Value = String> {
        const OPERANDS: &[&str] = &[
            "a",
            "b.c",
            "1",
            "'x'",
            "$1",
            "f(a)",
            "NULL",
            "true",
            "(1)",
            "-2",
            "+ a",
            "a[1]",
            "a[1:2]",
            "date '2024-01-01'",
            "interval '1 day'",
            "ARRAY[1, 2]",
            "(SELECT 1)",
            "CASE WHEN a THEN b ELSE c END",
            "CAST(a AS int)",
            "1.5",
            "NOT a",
            "- a",
            "~ a",
            "EXISTS (SELECT 1)",
            "NOT EXISTS (SELECT 1)",
            "count(*) FILTER (WHERE a)",
            "@ a",
            "|/ a",
            "current_date",
            "extract(year FROM a)",
            "substring(a FROM 1 FOR 2)",
            "(a, b)",
            "ROW(a, b)",
            "!! a",
            "(a).b",
        ];
        const OPERATORS: &[&str] = &[
            " OR ",
            " AND ",
            " = ",
            " <> ",
            " != ",
            " < ",
            " <= ",
            " > ",
            " >= ",
            " + ",
            " - ",
            " * ",
            " / ",
            " % ",
            " ^ ",
            " || ",
            " LIKE ",
            " NOT LIKE ",
            " ILIKE ",
            " NOT ILIKE ",
            " SIMILAR TO ",
            " IS DISTINCT FROM ",
            " IS NOT DISTINCT FROM ",
            " -> ",
            " ->> ",
            " #> ",
            " @> ",
            " <@ ",
            " ? ",
            " & ",
            " | ",
            " # ",
            " << ",
            " >> ",
            " ~ ",
            " ~* ",
            " !~ ",
            " && ",
            " AT TIME ZONE ",
            " BETWEEN 1 AND ",
            " NOT BETWEEN a AND ",
            " = ANY (b) OR ",
            " < ALL (SELECT 1) AND ",
            " OVERLAPS ",
            " <-> ",
            " OPERATOR(pg_catalog.+) ",
        ];
        const ENDINGS: &[&str] = &[
            "",
            "",
            "",
            "",
            "",
            "",
            " IS NULL",
            " IS NOT NULL",
            " IS TRUE",
            " IS NOT TRUE",
            " IS FALSE",
            " IS UNKNOWN",
            " IS NOT UNKNOWN",
            "::int",
            "::text[]",
            "::numeric(5, 2)",
            " IN (1, 2)",
            " NOT IN (SELECT 1)",
            " COLLATE \"C\"",
            "[1]",
            " NOTNULL",
            " IS NORMALIZED",
            "::timestamp with time zone",
            " IN (1)",
        ];
        let part = (proptest::sample::select(OPERANDS), proptest::sample::select(ENDINGS));
        let more = proptest::collection::vec((proptest::sample::select(OPERATORS), part.clone()), 0..6);
        (part, more).prop_map(|(first, more)| {
            let mut text = format!("SELECT {}{}", first.0, first.1);
            for (operator, (operand, ending)) in more {
                text.extend([operator, operand, ending]);
            }
            text
        })
    }

    /// Whether the two readers made two things of a text.
    fn is_read_in_two_ways(text: &str) -> bool {
        matches!(parse(text, &ParseBounds::default()), Err(ParseError::Unsupported { what, .. }) if what == TWO_WAYS)
    }

    #[test]
    fn every_two_operators_bind_as_in_postgresql() {
        const INFIX: &[&str] = &[
            "OR",
            "AND",
            "=",
            "<>",
            "<",
            "<=",
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "||",
            "LIKE",
            "NOT LIKE",
            "ILIKE",
            "SIMILAR TO",
            "NOT SIMILAR TO",
            "IS DISTINCT FROM",
            "->",
            "->>",
            "#>",
            "@>",
            "<@",
            "?",
            "&",
            "|",
            "#",
            "<<",
            ">>",
            "~",
            "~*",
            "!~",
            "&&",
            "AT TIME ZONE",
            "OVERLAPS",
            "<->",
            "OPERATOR(pg_catalog.+)",
            "BETWEEN a AND",
            "NOT BETWEEN a AND",
            "~~",
            "!~~",
            "^@",
            "-|-",
            "@@",
            "@?",
            "&<",
            "?|",
            "?&",
            "<=>",
        ];
        const POSTFIX: &[&str] = &[
            "IS NULL",
            "IS NOT TRUE",
            "IS NORMALIZED",
            "::int",
            "IN (1)",
            "NOT IN (SELECT 1)",
            "COLLATE \"C\"",
            "[1]",
            "NOTNULL",
            "= ANY (b)",
        ];
        const PREFIX: &[&str] = &["NOT", "-", "+", "~", "@", "|/", "||/", "!!", "NOT EXISTS (SELECT 1) =", "@-@", "#"];
        let mut texts = Vec::new();
        for one in INFIX {
            texts.extend(INFIX.iter().map(|other| format!("SELECT a {one} b {other} c")));
            texts.extend(
                POSTFIX.iter().flat_map(|end| [format!("SELECT a {one} b {end}"), format!("SELECT a {end} {one} b")]),
            );
            texts.extend(
                PREFIX.iter().flat_map(|sign| [format!("SELECT {sign} a {one} b"), format!("SELECT a {one} {sign} b")]),
            );
        }
        for one in PREFIX {
            texts.extend(
                POSTFIX.iter().flat_map(|end| [format!("SELECT {one} a {end}"), format!("SELECT {one} 1 {end}")]),
            );
            texts.extend(PREFIX.iter().map(|other| format!("SELECT {one} {other} a")));
        }
        texts.extend(POSTFIX.iter().flat_map(|one| POSTFIX.iter().map(move |other| format!("SELECT a {one} {other}"))));
        texts.retain(|text| is_read_in_two_ways(text));
        // sqlparser takes COLLATE for a part of the name or constant before it.
        let known: Vec<_> = ["- a", "- 1", "+ a", "+ 1"].map(|what| format!("SELECT {what} COLLATE \"C\"")).into();
        assert_eq!(texts, known);
    }

    #[test]
    fn a_cast_behind_overlaps_is_read_in_two_ways() {
        assert!(is_read_in_two_ways("SELECT (a, b) OVERLAPS (a, b)::text"));
        assert!(!is_read_in_two_ways("SELECT ((a, b) OVERLAPS (a, b))::text"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
        #[test]
        fn chains_bind_as_in_postgresql(text in chain()) {
            prop_assume!(!text.contains("COLLATE"));
            // PostgreSQL casts what OVERLAPS gives, sqlparser the row behind it: refused, rightly.
            prop_assume!(!text.contains("OVERLAPS (a, b)::"));
            prop_assert!(!is_read_in_two_ways(&text), "{}", text);
        }
    }
}
