//! No forwarded text of the corpora is proved once it was changed.
//!
//! A text is read by the parser, one place of its tree is changed by a mutator that knows the structure, and the tree is
//! printed. What comes out must be refused, unless PostgreSQL's grammar reads it as it reads the text that is sent: that is
//! the only rule, and there is no list of exceptions. So a change of the user's own words is refused too.
//!
//! `QUERYGATE_SHOW=1` and `QUERYGATE_FULL=1` as for [`crate::govern::tests`]' own changes.

use crate::govern::GovernedTarget;
use crate::govern::forward::mask::KeyParameters;
use crate::govern::forward::verify_write;
use crate::govern::forward::{ForwardContext, leak, translate, upstream_of, verify, write};
use crate::govern::tests::changed::{
    Change, Table, and, changed, conjuncts, expression, join, other_comparison, other_number, other_sign, other_text,
    relation, some,
};
use crate::govern::tests::corpus::{Sentence, World, cases, differential};
use crate::sql::{postgres_tree, print_checked};
use sqlparser::ast::{
    BinaryOperator, Distinct, DuplicateTreatment, Expr, Function, FunctionArguments, Ident, JoinConstraint,
    JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement, TableFactor,
    UnaryOperator, Value, ValueWithSpan, Visit, Visitor,
};
use sqlparser::ast::{LockClause, LockType};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

fn read(text: &str) -> Option<Statement> {
    let parser = Parser::new(&PostgreSqlDialect {}).with_options(ParserOptions::new().with_unescape(false));
    let mut statements = parser.with_recursion_limit(500).try_with_sql(text).ok()?.parse_statements().ok()?;
    statements.pop().filter(|_| statements.is_empty())
}

const EXPRS: [&str; 23] = [
    "OR for AND",
    "AND for OR",
    "NOT",
    "TRUE for a comparison",
    "another comparison",
    "IN for NOT IN",
    "another number",
    "another text",
    "another parameter",
    "a mask dropped",
    "a guard dropped",
    "a guard that is open",
    "IS TRUE dropped",
    "a cast dropped",
    "another function",
    "a function that runs SQL",
    "a function of any schema",
    "another column",
    "another alias",
    "a subquery dropped",
    "a value more in a list",
    "DISTINCT in an aggregate",
    "FILTER dropped",
];
const SELECTS: [&str; 13] = [
    "WHERE dropped",
    "WHERE TRUE",
    "a conjunct less",
    "a conjunct more",
    "HAVING dropped",
    "an output less",
    "an output more",
    "two outputs swapped",
    "DISTINCT",
    "a join",
    "a lateral join",
    "a join without ON",
    "another kind of join",
];
const QUERIES: [&str; 8] = [
    "LIMIT and OFFSET dropped",
    "another LIMIT",
    "ORDER BY dropped",
    "an arm less",
    "an arm more",
    "UNION ALL",
    "a lock",
    "a WITH query more",
];
const FACTORS: [&str; 7] = [
    "a bare relation",
    "another relation",
    "another schema",
    "no schema",
    "another alias in FROM",
    "LATERAL",
    "a catalog for a relation",
];

/// What stands first in an expression as a column.
fn first_column(expr: &Expr) -> Option<Expr> {
    struct First;
    impl Visitor for First {
        type Break = Expr;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Expr> {
            match expr {
                Expr::CompoundIdentifier(_) => ControlFlow::Break(expr.clone()),
                _other => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut First) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

fn swap(expr: &mut Expr, of: impl FnOnce(&Expr) -> Option<Expr>) -> bool {
    let Some(other) = of(expr) else { return false };
    *expr = other;
    true
}

fn changes_of_expressions(tree: &Statement, aliases: &BTreeSet<String>, seed: &str) -> Vec<(&'static str, Statement)> {
    let mut found = Vec::new();
    let mut add = |mutator: &'static str, edit: &dyn Fn(&mut Expr) -> bool| {
        let trees = changed(tree, &Change::Expr(edit), 1, &format!("{seed}{mutator}"));
        found.extend(trees.into_iter().map(|tree| (mutator, tree)));
    };
    let operator = |from: BinaryOperator, to: BinaryOperator| {
        move |expr: &mut Expr| match expr {
            Expr::BinaryOp { op, .. } if *op == from => {
                *op = to.clone();
                true
            }
            _other => false,
        }
    };
    add("OR for AND", &operator(BinaryOperator::And, BinaryOperator::Or));
    add("AND for OR", &operator(BinaryOperator::Or, BinaryOperator::And));
    let is_condition = |expr: &Expr| matches!(expr, Expr::BinaryOp { .. }) && other_comparison(&mut expr.clone());
    add("NOT", &|expr| {
        swap(expr, |expr| {
            let inner = Box::new(Expr::Nested(Box::new(expr.clone())));
            is_condition(expr).then_some(Expr::UnaryOp { op: UnaryOperator::Not, expr: inner })
        })
    });
    add("TRUE for a comparison", &|expr| swap(expr, |expr| is_condition(expr).then(|| expression("true"))));
    add("another comparison", &other_comparison);
    add("IN for NOT IN", &other_sign);
    add("another number", &other_number);
    add("another text", &other_text);
    add("another parameter", &|expr| match expr {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => {
            *name = if name == "$1" { "$2".into() } else { "$1".into() };
            true
        }
        _other => false,
    });
    let case = |expr: &Expr| matches!(expr, Expr::Case { .. });
    add("a mask dropped", &|expr| {
        swap(expr, |expr| {
            first_column(expr).filter(|column| case(expr) && column.to_string().starts_with("__querygate_t."))
        })
    });
    add("a guard dropped", &|expr| match expr {
        Expr::Case { conditions, else_result: None, .. } => {
            let inner = conditions[0].result.clone();
            *expr = inner;
            true
        }
        _other => false,
    });
    add("a guard that is open", &|expr| match expr {
        Expr::Case { conditions, .. } => {
            conditions[0].condition = expression("true");
            true
        }
        _other => false,
    });
    add("IS TRUE dropped", &|expr| match expr {
        Expr::IsTrue(inner) => {
            let inner = (**inner).clone();
            *expr = inner;
            true
        }
        _other => false,
    });
    add("a cast dropped", &|expr| match expr {
        Expr::Cast { expr: inner, .. } => {
            let inner = Expr::Nested(inner.clone());
            *expr = inner;
            true
        }
        _other => false,
    });
    let named = |other: &'static [&'static str]| {
        move |expr: &mut Expr| match expr {
            Expr::Function(Function { name, .. }) => {
                *name = ObjectName::from(other.iter().copied().map(Ident::new).collect::<Vec<_>>());
                true
            }
            _other => false,
        }
    };
    add("another function", &named(&["pg_catalog", "hashtext"]));
    add("a function that runs SQL", &|expr| {
        swap(expr, |expr| {
            matches!(expr, Expr::CompoundIdentifier(_))
                .then(|| expression("pg_catalog.query_to_xml('SELECT 1', true, true, '')"))
        })
    });
    add("a function of any schema", &|expr| match expr {
        Expr::Function(Function { name, .. }) if name.0.len() == 2 => {
            name.0.remove(0);
            true
        }
        _other => false,
    });
    add("another column", &|expr| match expr {
        Expr::CompoundIdentifier(names) => names.last_mut().is_some_and(|name| {
            *name = Ident::new(if name.value == "ssn" { "salary" } else { "ssn" });
            true
        }),
        _other => false,
    });
    add("another alias", &|expr| match expr {
        Expr::CompoundIdentifier(names) => {
            let other = aliases.iter().find(|alias| **alias != names[0].to_string());
            other.is_some_and(|other| {
                let Expr::Identifier(other) = expression(other) else { return false };
                names[0] = other;
                true
            })
        }
        _other => false,
    });
    add("a subquery dropped", &|expr| {
        swap(expr, |expr| {
            matches!(expr, Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_))
                .then(|| expression("true"))
        })
    });
    add("a value more in a list", &|expr| match expr {
        Expr::InList { list, .. } => {
            list.push(expression("NULL"));
            true
        }
        _other => false,
    });
    add("DISTINCT in an aggregate", &|expr| match expr {
        Expr::Function(Function { args: FunctionArguments::List(list), .. }) if !list.args.is_empty() => {
            list.duplicate_treatment = match list.duplicate_treatment {
                None => Some(DuplicateTreatment::Distinct),
                Some(_) => None,
            };
            true
        }
        _other => false,
    });
    add("FILTER dropped", &|expr| match expr {
        Expr::Function(Function { filter, .. }) => filter.take().is_some(),
        _other => false,
    });
    found
}

fn changes_of_selects(tree: &Statement, seed: &str) -> Vec<(&'static str, Statement)> {
    let mut found = Vec::new();
    let mut add = |mutator: &'static str, most: usize, edit: &dyn Fn(&mut Select) -> bool| {
        let trees = changed(tree, &Change::Select(edit), most, &format!("{seed}{mutator}"));
        found.extend(trees.into_iter().map(|tree| (mutator, tree)));
    };
    add("WHERE dropped", 2, &|select| select.selection.take().is_some());
    add("WHERE TRUE", 1, &|select| select.selection.replace(expression("true")).is_some());
    for at in [0, 1, 2] {
        add("a conjunct less", 1, &|select| {
            let all = select.selection.as_ref().map(conjuncts).unwrap_or_default();
            let few = all.len() < 2 || at >= all.len();
            let rest = all.into_iter().enumerate().filter(|(other, _)| *other != at).map(|(_, one)| one);
            select.selection = rest.fold(None, |all, one| Some(and(all, one)));
            !few
        });
    }
    add("a conjunct more", 2, &|select| {
        let written = select.selection.take();
        select.selection = Some(and(written, expression("1 = 1")));
        true
    });
    add("HAVING dropped", 1, &|select| select.having.take().is_some());
    add("an output less", 2, &|select| select.projection.len() > 1 && select.projection.pop().is_some());
    add("an output more", 2, &|select| {
        select.projection.push(SelectItem::UnnamedExpr(expression("__querygate_t.ssn")));
        true
    });
    add("two outputs swapped", 2, &|select| match select.projection.as_mut_slice() {
        [SelectItem::ExprWithAlias { expr: one, .. }, SelectItem::ExprWithAlias { expr: other, .. }, ..]
        | [SelectItem::UnnamedExpr(one), SelectItem::UnnamedExpr(other), ..] => {
            std::mem::swap(one, other);
            true
        }
        _other => false,
    });
    add("DISTINCT", 1, &|select| {
        select.distinct = match select.distinct {
            None => Some(Distinct::Distinct),
            Some(_) => None,
        };
        true
    });
    add("a join", 1, &|select| join(select, relation("data.people AS x")));
    add("a lateral join", 1, &|select| join(select, relation("LATERAL (SELECT * FROM pg_catalog.pg_authid) AS x")));
    add("a join without ON", 1, &|select| {
        let joins = select.from.iter_mut().flat_map(|item| &mut item.joins);
        let mut inner = joins.filter(|join| matches!(join.join_operator, JoinOperator::Join(JoinConstraint::On(_))));
        inner.next().is_some_and(|join| {
            join.join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
            true
        })
    });
    add("another kind of join", 1, &|select| {
        let mut joins = select.from.iter_mut().flat_map(|item| &mut item.joins);
        joins.next().is_some_and(|join| {
            join.join_operator = match &join.join_operator {
                JoinOperator::Join(on) => JoinOperator::Left(on.clone()),
                JoinOperator::Left(on) => JoinOperator::FullOuter(on.clone()),
                _other => return false,
            };
            true
        })
    });
    found
}

fn changes_of_queries(tree: &Statement, seed: &str) -> Vec<(&'static str, Statement)> {
    let mut found = Vec::new();
    let mut add = |mutator: &'static str, most: usize, edit: &dyn Fn(&mut Query) -> bool| {
        let trees = changed(tree, &Change::Query(edit), most, &format!("{seed}{mutator}"));
        found.extend(trees.into_iter().map(|tree| (mutator, tree)));
    };
    let query = |sql: &str| match read(sql) {
        Some(Statement::Query(query)) => *query,
        other => panic!("{sql}: {other:?}"),
    };
    let limit = query("SELECT 1 LIMIT 1000000").limit_clause;
    let lock = vec![LockClause { lock_type: LockType::Update, of: None, nonblock: None }];
    let with = query("WITH x AS (SELECT 1) SELECT 1").with.unwrap();
    add("LIMIT and OFFSET dropped", 2, &|query| query.limit_clause.take().is_some());
    add("another LIMIT", 2, &|query| {
        query.limit_clause.clone_from(&limit);
        true
    });
    add("ORDER BY dropped", 1, &|query| query.order_by.take().is_some());
    add("an arm less", 1, &|query| match query.body.as_mut() {
        SetExpr::SetOperation { left, .. } => {
            query.body = left.clone();
            true
        }
        _other => false,
    });
    add("an arm more", 1, &|query| {
        let left = query.body.clone();
        let right = Box::new(SetExpr::Select(match *read_select("SELECT * FROM data.people") {
            SetExpr::Select(select) => select,
            other => panic!("{other}"),
        }));
        *query.body = SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right };
        true
    });
    add("UNION ALL", 1, &|query| match query.body.as_mut() {
        SetExpr::SetOperation { set_quantifier, .. } => {
            *set_quantifier =
                if *set_quantifier == SetQuantifier::All { SetQuantifier::None } else { SetQuantifier::All };
            true
        }
        _other => false,
    });
    add("a lock", 1, &|query| {
        query.locks.clone_from(&lock);
        true
    });
    add("a WITH query more", 1, &|query| {
        match &mut query.with {
            Some(own) => own.cte_tables.extend(with.cte_tables.iter().cloned()),
            none => *none = Some(with.clone()),
        }
        true
    });
    found
}

fn read_select(sql: &str) -> Box<SetExpr> {
    match read(sql) {
        Some(Statement::Query(query)) => query.body,
        other => panic!("{sql}: {other:?}"),
    }
}

fn changes_of_factors(tree: &Statement, seed: &str) -> Vec<(&'static str, Statement)> {
    let mut found = Vec::new();
    let mut add = |mutator: &'static str, most: usize, edit: &dyn Fn(&mut TableFactor) -> bool| {
        let trees = changed(tree, &Change::Factor(edit), most, &format!("{seed}{mutator}"));
        found.extend(trees.into_iter().map(|tree| (mutator, tree)));
    };
    add("a bare relation", 2, &|factor| {
        let TableFactor::Derived { subquery, alias: Some(outer), .. } = factor else { return false };
        let SetExpr::Select(select) = subquery.body.as_ref() else { return false };
        let inner = select.from.first().map(|item| item.relation.clone());
        let Some(TableFactor::Table { alias: Some(_), .. }) = &inner else { return false };
        let (Some(mut inner), outer) = (inner, outer.clone()) else { return false };
        let TableFactor::Table { name, alias, .. } = &mut inner else { return false };
        if name.0.len() != 2 {
            return false;
        }
        *alias = Some(outer);
        *factor = inner;
        true
    });
    let part = |factor: &mut TableFactor, edit: &dyn Fn(&mut ObjectName)| match factor {
        TableFactor::Table { name, args: None, .. } if name.0.len() == 2 => {
            edit(name);
            true
        }
        _other => false,
    };
    let ident = |name: &str| sqlparser::ast::ObjectNamePart::Identifier(Ident::new(name));
    add("another relation", 2, &|factor| part(factor, &|name| name.0[1] = ident("secrets")));
    add("another schema", 2, &|factor| part(factor, &|name| name.0[0] = ident("public")));
    add("no schema", 2, &|factor| part(factor, &|name| _ = name.0.remove(0)));
    add("a catalog for a relation", 1, &|factor| {
        part(factor, &|name| (name.0[0], name.0[1]) = (ident("pg_catalog"), ident("pg_authid")))
    });
    add("another alias in FROM", 2, &|factor| match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            alias.name = Ident::new("other_alias");
            true
        }
        _other => false,
    });
    add("LATERAL", 1, &|factor| match factor {
        TableFactor::Derived { lateral, .. } => {
            *lateral = !*lateral;
            true
        }
        _other => false,
    });
    found
}

/// Changes what is made of each statement; gives how many there were.
fn change_all(world: &World, sentences: &[Sentence], table: &mut Table, found: &mut Vec<String>) -> usize {
    let session: BTreeMap<String, String> =
        ["current_user", "session_user", "user", "current_role", "current_database", "current_catalog", "version"]
            .map(|name| (name.to_owned(), "told".to_owned()))
            .into();
    let tables = world.tables();
    let (mut count, mut others) = (0, 0);
    for sentence in sentences {
        let Some(Ok(outcome)) = world.govern(sentence) else { continue };
        let governed = &*outcome.statement;
        if !matches!(upstream_of(governed), Ok(Some(_))) || governed.relations().is_empty() {
            continue;
        }
        let parameters = sentence.statement.parameters();
        let context = ForwardContext { parameters, parameter_types: &[], session: &session, tables: &tables };
        let key = KeyParameters { inner: parameters + 1, outer: parameters + 2 };
        let fences = leak::barriers(governed, &context);
        let text = match governed.write() {
            Some(written) => write::text(governed, written, &fences, &context, key).ok(),
            None => {
                translate::statement(governed, &fences, &context, key).ok().and_then(|query| print_checked(&query).ok())
            }
        };
        let proved = |text: &str| match governed.write() {
            Some(written) => verify_write::verify_text(text, (governed, written), &fences, &context, key).is_ok(),
            None => verify::verify_text(text, governed, &fences, &context, key).is_ok(),
        };
        // What can't be forwarded is refused.
        let Some(text) = text.filter(|text| proved(text)) else { continue };
        // What the parser does not print as it read it says nothing of a change.
        let Some(tree) = read(&text).filter(|tree| proved(&tree.to_string())) else {
            others += 1;
            continue;
        };
        let meant = postgres_tree(&text).unwrap();
        count += 1;
        let aliases = governed.relations().iter().filter_map(|relation| match &relation.target {
            GovernedTarget::Dataset(dataset) => Some(format!("\"{}\"", dataset.dataset.name.name())),
            GovernedTarget::System(_) => None,
        });
        let aliases = aliases.chain(["__querygate_t".to_owned(), "x".to_owned()]).collect();
        let mut changes = changes_of_expressions(&tree, &aliases, &sentence.name);
        changes.extend(changes_of_selects(&tree, &sentence.name));
        changes.extend(changes_of_queries(&tree, &sentence.name));
        changes.extend(changes_of_factors(&tree, &sentence.name));
        let mut seen = BTreeSet::new();
        for (mutator, other) in changes {
            let other = other.to_string();
            if !seen.insert(other.clone()) {
                continue;
            }
            let refused = !proved(&other);
            if refused || postgres_tree(&other).is_ok_and(|other| other == meant) {
                table.count(mutator, refused);
            } else {
                found.push(format!("{mutator}: {} of {}\n  {text}\n  {other}", sentence.name, sentence.user));
            }
        }
    }
    assert!(others * 20 <= count, "{others} of {count} texts are not printed as they were read");
    count
}

#[test]
fn no_changed_text_of_the_corpora_is_proved() {
    let (mut table, mut found) = (Table::default(), Vec::new());
    let demo = World::demo_upstream();
    let mut count = change_all(&demo, &some(cases("govern"), 4), &mut table, &mut found);
    count += change_all(&demo, &some(cases("bypass"), 6), &mut table, &mut found);
    count += change_all(&World::differential(), &some(differential(), 6), &mut table, &mut found);
    if std::env::var_os("QUERYGATE_SHOW").is_some() {
        println!("{count} statements");
    }
    assert!(count > 150, "{count} statements");
    let all = EXPRS.iter().chain(&SELECTS).chain(&QUERIES).chain(&FACTORS).copied();
    table.finish("change of a text", &all.collect::<Vec<_>>(), &found);
}
