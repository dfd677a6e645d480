//! No governed statement of the corpora is proved once it was changed in what governs it.
//!
//! A change is made of the statement's tree, or of what stands for a relation, by a mutator that knows their structure. It
//! must be found by one of the two readings, unless it changes nothing: the changed tree (for groups: the conditions that
//! all must hold) or the changed value is equal to what it was. That is the only rule, and there is no list of exceptions.
//!
//! What is changed here is what governing promises: which relations are read, how often, by what columns and functions,
//! through which filter and masks, in groups of how many. That the tree still asks what its user wrote is not for verifying
//! to say, which has no second way to know: the differential suite holds the answers to PostgreSQL's.
//!
//! `QUERYGATE_SHOW=1` prints how many changes of each kind were made, refused and equal; `QUERYGATE_FULL=1` makes all of
//! them instead of some.

use super::corpus::{Sentence, World, cases, differential};
use super::fixture::{parse, table_command};
use crate::decision::{Mask, Obligations};
use crate::govern::statement::{ColumnValue, GovernedColumn, GovernedDataset};
use crate::govern::verify::{VerifyError, verify_obligations, verify_tree};
use crate::govern::{GovernedStatement, GovernedTarget};
use crate::types::DatasetName;
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator,
    ObjectName, OrderByExpr, OrderByOptions, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How often each change was made, refused, and no change.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<&'static str, [usize; 3]>);

impl Table {
    pub(crate) fn count(&mut self, mutator: &'static str, refused: bool) {
        let row = self.0.entry(mutator).or_default();
        row[0] += 1;
        row[if refused { 1 } else { 2 }] += 1;
    }

    /// Shows it on request; each mutator must have found something to change.
    pub(crate) fn finish(self, what: &str, mutators: &[&str], found: &[String]) {
        if std::env::var_os("QUERYGATE_SHOW").is_some() {
            println!("{what:<28} {:>8} {:>8} {:>8}", "made", "refused", "equal");
            for (mutator, [made, refused, equal]) in &self.0 {
                println!("{mutator:<28} {made:>8} {refused:>8} {equal:>8}");
            }
        }
        assert!(found.is_empty(), "{} changes are proved\n{}", found.len(), found[..found.len().min(12)].join("\n"));
        for mutator in mutators {
            assert!(self.0.get(mutator).is_some_and(|row| row[1] > 0), "no change of the kind {mutator:?} was refused");
        }
    }
}

/// Which of many places are changed: each statement its own, the same in each run.
pub(crate) fn chosen(places: usize, most: usize, seed: &str) -> Vec<usize> {
    if places <= most || std::env::var_os("QUERYGATE_FULL").is_some() {
        return (0..places).collect();
    }
    let start = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let start = usize::try_from(start % 1_000_003).unwrap();
    (0..most).map(|n| (start + n * places / most) % places).collect()
}

/// Each so many'th statement, and those with a clause that few have, unless all are asked for.
pub(crate) fn some(sentences: Vec<Sentence>, step: usize) -> Vec<Sentence> {
    let all = std::env::var_os("QUERYGATE_FULL").is_some();
    let is_rare = |one: &Sentence| one.statement.sanitized().as_str().contains("FILTER (");
    let chosen = sentences.into_iter().enumerate().filter(|(at, one)| all || at % step == 0 || is_rare(one));
    chosen.map(|(_, one)| one).collect()
}

/// What a change is tried on.
type Edit<'e, T> = &'e dyn Fn(&mut T) -> bool;

/// Changes one place of a kind in a tree.
#[derive(Default)]
struct Places<'e> {
    expr: Option<Edit<'e, Expr>>,
    factor: Option<Edit<'e, TableFactor>>,
    select: Option<Edit<'e, Select>>,
    query: Option<Edit<'e, Query>>,
    /// The place that is changed; `None`: they are counted.
    at: Option<usize>,
    seen: usize,
}

impl Places<'_> {
    fn place<T: Clone>(
        seen: &mut usize,
        at: Option<usize>,
        edit: Option<Edit<'_, T>>,
        node: &mut T,
    ) -> ControlFlow<()> {
        let Some(edit) = edit else { return ControlFlow::Continue(()) };
        let mut changed = node.clone();
        if edit(&mut changed) {
            *seen += 1;
            if at == Some(*seen - 1) {
                *node = changed;
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Places<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        Self::place(&mut self.seen, self.at, self.expr, expr)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        Self::place(&mut self.seen, self.at, self.factor, factor)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        Self::place(&mut self.seen, self.at, self.select, select)
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        Self::place(&mut self.seen, self.at, self.query, query)
    }
}

/// A kind of change of a tree, of any node of one type.
pub(crate) enum Change<'e> {
    Expr(Edit<'e, Expr>),
    Factor(Edit<'e, TableFactor>),
    Select(Edit<'e, Select>),
    Query(Edit<'e, Query>),
}

/// A tree with one change, at each of some places.
pub(crate) fn changed<T: VisitMut + Clone>(tree: &T, change: &Change<'_>, most: usize, seed: &str) -> Vec<T> {
    let places = |at: Option<usize>| {
        let places = Places { at, ..Places::default() };
        match change {
            Change::Expr(edit) => Places { expr: Some(*edit), ..places },
            Change::Factor(edit) => Places { factor: Some(*edit), ..places },
            Change::Select(edit) => Places { select: Some(*edit), ..places },
            Change::Query(edit) => Places { query: Some(*edit), ..places },
        }
    };
    let mut counter = places(None);
    let _ = tree.clone().visit(&mut counter);
    let at = chosen(counter.seen, most, seed);
    at.into_iter()
        .map(|at| {
            let mut tree = tree.clone();
            let _ = tree.visit(&mut places(Some(at)));
            tree
        })
        .collect()
}

pub(crate) fn expression(sql: &str) -> Expr {
    let query = parse(&format!("SELECT {sql}"));
    let SetExpr::Select(select) = *query.body else { panic!("{sql}") };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr)) => expr,
        other => panic!("{sql}: {other:?}"),
    }
}

pub(crate) fn relation(sql: &str) -> TableFactor {
    let query = parse(&format!("SELECT 1 FROM {sql}"));
    let SetExpr::Select(select) = *query.body else { panic!("{sql}") };
    select.from.into_iter().next().unwrap().relation
}

pub(crate) fn join(select: &mut Select, factor: TableFactor) -> bool {
    let join = Join { relation: factor, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) };
    select.from.last_mut().is_some_and(|last| {
        last.joins.push(join);
        true
    })
}

fn name_of(factor: &mut TableFactor) -> Option<&mut ObjectName> {
    match factor {
        TableFactor::Table { name, args: None, .. } => Some(name),
        _other => None,
    }
}

/// Changes the name of a governed relation.
fn renamed(factor: &mut TableFactor, other: &dyn Fn(&str) -> Option<String>) -> bool {
    let Some(name) = name_of(factor) else { return false };
    let Some(key) = name.to_string().strip_prefix("__querygate.").map(str::to_owned) else { return false };
    let Some(other) = other(&key) else { return false };
    let TableFactor::Table { name: other, .. } = relation(&other) else { return false };
    *name = other;
    true
}

pub(crate) fn and(one: Option<Expr>, other: Expr) -> Expr {
    match one {
        None => other,
        Some(one) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(one))),
            op: BinaryOperator::And,
            right: Box::new(other),
        },
    }
}

/// The parts of a condition that all must hold.
pub(crate) fn conjuncts(condition: &Expr) -> Vec<Expr> {
    match condition {
        Expr::Nested(inner) => conjuncts(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        one => vec![one.clone()],
    }
}

const READS: [&str; 24] = [
    "a bare relation",
    "a relation by name",
    "a raw relation",
    "an unknown relation",
    "no schema",
    "another governed relation",
    "a relation twice",
    "a relation less",
    "a table",
    "a file",
    "a WITH query elsewhere",
    "a join",
    "a lateral join",
    "a catalog's join",
    "a condition that asks",
    "an output that asks",
    "an order that asks",
    "a limit that asks",
    "another arm",
    "a WITH query beside",
    "a function",
    "a function of a schema",
    "a function in FROM",
    "a column that is not used",
];

/// Changes of what a tree reads.
fn read_otherwise(governed: &GovernedStatement, seed: &str) -> Vec<(&'static str, Query)> {
    let tree = governed.query();
    let datasets: BTreeMap<&str, &GovernedDataset> = governed
        .relations()
        .iter()
        .filter_map(|relation| match &relation.target {
            GovernedTarget::Dataset(dataset) => Some((relation.key.as_str(), dataset)),
            GovernedTarget::System(_) => None,
        })
        .collect();
    let first = datasets.values().next().map(|dataset| dataset.dataset.name.clone());
    let secret = first.unwrap_or_else(|| DatasetName::new("hr", "investigations"));
    let ctes: Vec<String> =
        tree.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.to_string()).collect();
    let asks = format!("EXISTS (SELECT 1 FROM {secret})");
    let keys = governed.relations().len();
    let own = |key: &str| datasets.get(key).map(|dataset| dataset.dataset.name.to_string());
    let mut found = Vec::new();
    let mut add = |mutator: &'static str, change: Change<'_>| {
        found.extend(changed(tree, &change, 1, &format!("{seed}{mutator}")).into_iter().map(|tree| (mutator, tree)));
    };
    add("a bare relation", Change::Factor(&|factor| renamed(factor, &own)));
    let name = |key: &str| datasets.get(key).map(|dataset| format!("\"{}\"", dataset.dataset.name.name()));
    add("a relation by name", Change::Factor(&|factor| renamed(factor, &name)));
    add("a raw relation", Change::Factor(&|factor| renamed(factor, &|_| Some("__querygate_raw.f0".to_owned()))));
    add("an unknown relation", Change::Factor(&|factor| renamed(factor, &|_| Some("__querygate.r9999".to_owned()))));
    add("no schema", Change::Factor(&|factor| renamed(factor, &|key| Some(key.to_owned()))));
    if keys > 1 {
        let next = |key: &str| {
            let at: usize = key.strip_prefix('r')?.parse().ok()?;
            Some(format!("__querygate.r{}", (at + 1) % keys))
        };
        add("another governed relation", Change::Factor(&|factor| renamed(factor, &next)));
    }
    let twice = |select: &mut Select| {
        let found = select.from.iter().find(|item| item.relation.to_string().starts_with("__querygate.")).cloned();
        found.is_some_and(|item| join(select, item.relation))
    };
    add("a relation twice", Change::Select(&twice));
    let less = |factor: &mut TableFactor| {
        let is_governed = name_of(factor).is_some_and(|name| name.to_string().starts_with("__querygate."));
        if is_governed {
            *factor = relation("(SELECT 1) AS gone");
        }
        is_governed
    };
    add("a relation less", Change::Factor(&less));
    add("a file", Change::Factor(&|factor| renamed(factor, &|_| Some("\"/etc/passwd\"".to_owned()))));
    let table = |query: &mut Query| {
        *query = table_command(secret.name());
        true
    };
    add("a table", Change::Query(&table));
    if let Some(cte) = ctes.first() {
        // In a query around the one that knows it.
        let around = parse(&format!("SELECT 1 FROM {cte} AS c, (SELECT 1) AS inner_query"));
        let mut around = around;
        if let SetExpr::Select(select) = around.body.as_mut()
            && let Some(TableFactor::Derived { subquery, .. }) = select.from.last_mut().map(|item| &mut item.relation)
        {
            **subquery = tree.clone();
        }
        found.push(("a WITH query elsewhere", around));
    }
    let mut add = |mutator: &'static str, change: Change<'_>| {
        found.extend(changed(tree, &change, 1, &format!("{seed}{mutator}")).into_iter().map(|tree| (mutator, tree)));
    };
    add("a join", Change::Select(&|select| join(select, relation(&format!("{secret} AS x")))));
    let lateral = format!("LATERAL (SELECT * FROM {secret}) AS x");
    add("a lateral join", Change::Select(&|select| join(select, relation(&lateral))));
    add("a catalog's join", Change::Select(&|select| join(select, relation("pg_catalog.pg_authid AS x"))));
    let condition = |select: &mut Select| {
        select.selection = Some(and(select.selection.take(), expression(&asks)));
        true
    };
    add("a condition that asks", Change::Select(&condition));
    let output = |select: &mut Select| {
        select.projection.push(SelectItem::UnnamedExpr(expression(&format!("(SELECT max(x.id) FROM {secret} AS x)"))));
        true
    };
    add("an output that asks", Change::Select(&output));
    let order = |query: &mut Query| {
        let key = OrderByExpr {
            expr: expression(&asks),
            options: OrderByOptions { asc: None, nulls_first: None },
            with_fill: None,
        };
        let mut with_order = parse("SELECT 1 ORDER BY 1");
        if let Some(sqlparser::ast::OrderBy { kind: sqlparser::ast::OrderByKind::Expressions(keys), .. }) =
            &mut with_order.order_by
        {
            *keys = vec![key];
        }
        query.order_by = with_order.order_by;
        true
    };
    add("an order that asks", Change::Query(&order));
    let limit = parse(&format!("SELECT 1 LIMIT (SELECT count(*) FROM {secret})")).limit_clause;
    let limited = |query: &mut Query| {
        query.limit_clause = limit.clone();
        true
    };
    add("a limit that asks", Change::Query(&limited));
    let arm = parse(&format!("SELECT * FROM {secret}"));
    let arms = |query: &mut Query| {
        let left = Box::new(SetExpr::Query(Box::new(query.clone())));
        *query = parse("SELECT 1");
        *query.body = SetExpr::SetOperation {
            left,
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            right: arm.body.clone(),
        };
        true
    };
    add("another arm", Change::Query(&arms));
    let with = parse(&format!("WITH extra AS (SELECT * FROM {secret}) SELECT 1")).with.unwrap();
    let beside = |query: &mut Query| {
        match &mut query.with {
            Some(own) => own.cte_tables.extend(with.cte_tables.iter().cloned()),
            none => *none = Some(with.clone()),
        }
        true
    };
    add("a WITH query beside", Change::Query(&beside));
    let call = |to: &'static str| {
        move |expr: &mut Expr| match expr {
            Expr::Function(Function { name, .. }) => {
                *name = ObjectName::from(to.split('.').map(Ident::new).collect::<Vec<_>>());
                true
            }
            Expr::CompoundIdentifier(_) => {
                *expr = expression(&format!("{to}('x')"));
                true
            }
            _other => false,
        }
    };
    add("a function", Change::Expr(&call("pg_read_file")));
    add("a function of a schema", Change::Expr(&call("public.lower")));
    add("a function in FROM", Change::Select(&|select| join(select, relation("read_parquet('x') AS x"))));
    // Only where the alias is of one relation alone: then it is plain which columns it has.
    let text = tree.to_string();
    let unused = |expr: &mut Expr| {
        let Expr::CompoundIdentifier(names) = expr else { return false };
        let [alias, column] = names.as_mut_slice() else { return false };
        let of = datasets.iter().filter(|(key, _)| {
            text.contains(&format!("__querygate.{key} AS {alias} "))
                || text.ends_with(&format!("__querygate.{key} AS {alias}"))
        });
        let is_one = text.matches(&format!(" AS {alias}")).count() == 1;
        let of: Vec<&GovernedDataset> = of.map(|(_, dataset)| *dataset).collect();
        let ([dataset], true) = (of.as_slice(), is_one) else { return false };
        let other = dataset.dataset.columns.iter().find(|column| !dataset.used.contains(&column.name));
        let Some(other) = other else { return false };
        *column = Ident::with_quote('"', &other.name);
        true
    };
    add("a column that is not used", Change::Expr(&unused));
    found
}

const GROUPS: [&str; 8] = [
    "no HAVING",
    "a condition less",
    "OR for AND",
    "NOT",
    "one fewer",
    "rows for entities",
    "no FILTER",
    "an aggregate more",
];

/// Changes of the conditions on groups.
fn grouped_otherwise(tree: &Query, seed: &str) -> Vec<(&'static str, Query)> {
    let mut found = Vec::new();
    let is_floor = |expr: &Expr| expr.to_string().starts_with("count(") && expr.to_string().ends_with(" >= 5");
    let floors = |select: &Select| {
        select.having.as_ref().map(conjuncts).unwrap_or_default().iter().filter(|one| is_floor(one)).count()
    };
    let mut add = |mutator: &'static str, change: Change<'_>| {
        found.extend(changed(tree, &change, 3, &format!("{seed}{mutator}")).into_iter().map(|tree| (mutator, tree)));
    };
    let none = |select: &mut Select| floors(select) > 0 && select.having.take().is_some();
    add("no HAVING", Change::Select(&none));
    for at in 0..4 {
        let one_less = |select: &mut Select| {
            let all = select.having.as_ref().map(conjuncts).unwrap_or_default();
            let Some(place) = all.iter().enumerate().filter(|(_, one)| is_floor(one)).map(|(at, _)| at).nth(at) else {
                return false;
            };
            select.having = all
                .into_iter()
                .enumerate()
                .filter(|(at, _)| *at != place)
                .map(|(_, one)| one)
                .fold(None, |all, one| Some(and(all, one)));
            true
        };
        add("a condition less", Change::Select(&one_less));
    }
    let or = |select: &mut Select| {
        let is_limited = floors(select) > 0;
        let Some(having) = select.having.take().filter(|_| is_limited) else { return false };
        let always = expression("true");
        select.having =
            Some(Expr::BinaryOp { left: Box::new(having), op: BinaryOperator::Or, right: Box::new(always) });
        true
    };
    add("OR for AND", Change::Select(&or));
    let not = |select: &mut Select| {
        let is_limited = floors(select) > 0;
        let Some(having) = select.having.take().filter(|_| is_limited) else { return false };
        let inner = Box::new(Expr::Nested(Box::new(having)));
        select.having = Some(Expr::UnaryOp { op: UnaryOperator::Not, expr: inner });
        true
    };
    add("NOT", Change::Select(&not));
    let fewer = |expr: &mut Expr| {
        let is_floor = is_floor(expr);
        let Expr::BinaryOp { right, .. } = expr else { return false };
        **right = expression("4");
        is_floor
    };
    add("one fewer", Change::Expr(&fewer));
    let rows = |expr: &mut Expr| {
        let is_floor = is_floor(expr);
        let Expr::BinaryOp { left, .. } = expr else { return false };
        let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = left.as_mut() else { return false };
        is_floor && list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct)
    };
    add("rows for entities", Change::Expr(&rows));
    let unfiltered = |expr: &mut Expr| {
        let is_floor = is_floor(expr);
        let Expr::BinaryOp { left, .. } = expr else { return false };
        let Expr::Function(Function { filter, .. }) = left.as_mut() else { return false };
        is_floor && filter.take().is_some()
    };
    add("no FILTER", Change::Expr(&unfiltered));
    let more = |select: &mut Select| {
        let alias = select.from.first().and_then(|item| match &item.relation {
            TableFactor::Table { alias: Some(alias), .. } if alias.columns.is_empty() => Some(alias.name.to_string()),
            _other => None,
        });
        let Some(alias) = alias.filter(|_| floors(select) > 0) else { return false };
        let is_counted = select.having.as_ref().is_some_and(|having| having.to_string().contains("created_at"));
        select.projection.push(SelectItem::UnnamedExpr(expression(&format!("avg({alias}.created_at)"))));
        !is_counted
    };
    add("an aggregate more", Change::Select(&more));
    found
}

/// What a changed tree says of groups, for telling whether it says anything else: all conditions that must hold, as a set.
fn same_groups(one: &Query, other: &Query) -> bool {
    fn having(query: &Query) -> Vec<Vec<String>> {
        struct Having(Vec<Vec<String>>);
        impl sqlparser::ast::Visitor for Having {
            type Break = ();
            fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
                let mut all: Vec<String> =
                    select.having.as_ref().map(conjuncts).unwrap_or_default().iter().map(ToString::to_string).collect();
                all.sort();
                all.dedup();
                self.0.push(all);
                ControlFlow::Continue(())
            }
        }
        let mut found = Having(Vec::new());
        let _ = sqlparser::ast::Visit::visit(query, &mut found);
        found.0
    }
    let mut bare = one.clone();
    let mut other_bare = other.clone();
    let drop_having = |select: &mut Select| {
        select.having = None;
        false
    };
    // Everything but HAVING is the same, and HAVING says the same.
    for tree in [&mut bare, &mut other_bare] {
        struct Drop<'a>(&'a dyn Fn(&mut Select) -> bool);
        impl VisitorMut for Drop<'_> {
            type Break = ();
            fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
                (self.0)(select);
                ControlFlow::Continue(())
            }
        }
        let _ = tree.visit(&mut Drop(&drop_having));
    }
    bare == other_bare && having(one) == having(other)
}

const FILTERS: [&str; 14] = [
    "no filter",
    "TRUE for a filter",
    "OR TRUE",
    "NOT a filter",
    "a conjunct less",
    "OR for AND in a filter",
    "another comparison",
    "another number",
    "another text",
    "another column",
    "a value more in a list",
    "IN for NOT IN",
    "a subquery without WHERE",
    "another raw relation",
];

/// Changes of a row filter, or of a policy's own expression.
fn filtered_otherwise(filter: &Expr, seed: &str) -> Vec<(&'static str, Option<Expr>)> {
    let nested = |expr: Expr| Expr::Nested(Box::new(expr));
    let or = |left: Expr, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::Or,
        right: Box::new(right),
    };
    let truth = || expression("true");
    let mut found = vec![
        ("no filter", None),
        ("TRUE for a filter", Some(truth())),
        ("TRUE for a filter", Some(nested(truth()))),
        ("OR TRUE", Some(or(filter.clone(), truth()))),
        ("OR TRUE", Some(nested(or(filter.clone(), truth())))),
        (
            "NOT a filter",
            Some(nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(filter.clone())) })),
        ),
    ];
    let parts = conjuncts(filter);
    for at in 0..parts.len() {
        if parts.len() > 1 {
            let rest = parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| nested(part.clone()));
            let rest = rest.reduce(|left, right| Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::And,
                right: Box::new(right),
            });
            found.push(("a conjunct less", rest));
        }
    }
    let mut add = |mutator: &'static str, change: Change<'_>| {
        found.extend(
            changed(filter, &change, 4, &format!("{seed}{mutator}")).into_iter().map(|tree| (mutator, Some(tree))),
        );
    };
    let disjoined = |expr: &mut Expr| match expr {
        Expr::BinaryOp { op, .. } if *op == BinaryOperator::And => {
            *op = BinaryOperator::Or;
            true
        }
        _other => false,
    };
    add("OR for AND in a filter", Change::Expr(&disjoined));
    add("another comparison", Change::Expr(&other_comparison));
    add("another number", Change::Expr(&other_number));
    add("another text", Change::Expr(&other_text));
    let column = |expr: &mut Expr| {
        let last = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.last_mut(),
            _other => None,
        };
        last.is_some_and(|name| {
            *name = Ident::new(if name.value == "id" { "region" } else { "id" });
            true
        })
    };
    add("another column", Change::Expr(&column));
    let listed = |expr: &mut Expr| match expr {
        Expr::InList { list, .. } => {
            list.push(expression("'more'"));
            true
        }
        _other => false,
    };
    add("a value more in a list", Change::Expr(&listed));
    add("IN for NOT IN", Change::Expr(&other_sign));
    let open = |select: &mut Select| select.selection.take().is_some();
    add("a subquery without WHERE", Change::Select(&open));
    let raw = |factor: &mut TableFactor| match factor {
        TableFactor::Table { name, .. } => {
            *name = ObjectName::from(vec![Ident::new("__querygate_raw"), Ident::new("f77")]);
            true
        }
        _other => false,
    };
    add("another raw relation", Change::Factor(&raw));
    found
}

pub(crate) fn other_comparison(expr: &mut Expr) -> bool {
    let Expr::BinaryOp { op, .. } = expr else { return false };
    *op = match op {
        BinaryOperator::Eq => BinaryOperator::NotEq,
        BinaryOperator::NotEq => BinaryOperator::Eq,
        BinaryOperator::Lt => BinaryOperator::LtEq,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::Gt,
        _other => return false,
    };
    true
}

pub(crate) fn other_number(expr: &mut Expr) -> bool {
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = expr else { return false };
    digits.insert(0, '1');
    true
}

pub(crate) fn other_text(expr: &mut Expr) -> bool {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = expr else { return false };
    text.push('x');
    true
}

pub(crate) fn other_sign(expr: &mut Expr) -> bool {
    match expr {
        Expr::InList { negated, .. }
        | Expr::InSubquery { negated, .. }
        | Expr::Exists { negated, .. }
        | Expr::Between { negated, .. }
        | Expr::Like { negated, .. }
        | Expr::ILike { negated, .. } => {
            *negated = !*negated;
            true
        }
        _other => false,
    }
}

const MASKS: [&str; 9] = [
    "no mask",
    "another mask",
    "two masks swapped",
    "a computed column changed",
    "a mask that nobody set",
    "a denied column",
    "a column less",
    "another dataset",
    "a use of a denied column",
];

fn proved(governed: &GovernedStatement, decisions: &BTreeMap<DatasetName, Obligations>) -> Result<(), VerifyError> {
    verify_tree(governed)?;
    verify_obligations(governed, decisions)
}

/// The dataset of a relation.
fn dataset(governed: &mut GovernedStatement, at: usize) -> Option<&mut GovernedDataset> {
    match &mut governed.relations.get_mut(at)?.target {
        GovernedTarget::Dataset(dataset) => Some(dataset),
        GovernedTarget::System(_) => None,
    }
}

struct Test<'a> {
    world: &'a World,
    sentence: &'a Sentence,
    decisions: &'a BTreeMap<DatasetName, Obligations>,
    table: &'a mut Table,
    found: &'a mut Vec<String>,
}

impl Test<'_> {
    /// Whether a change is refused, or none.
    fn judge(&mut self, mutator: &'static str, governed: &GovernedStatement, is_equal: bool) {
        let verdict = proved(governed, self.decisions);
        if verdict.is_ok() && !is_equal {
            let name = &self.sentence.name;
            self.found.push(format!(
                "{mutator}: {name} of {}\n  {}\n  {:?}",
                self.sentence.user,
                governed.query(),
                governed.relations()
            ));
        } else {
            self.table.count(mutator, verdict.is_err());
        }
    }

    fn trees(&mut self, governed: &mut GovernedStatement) {
        let mut changes = read_otherwise(governed, &self.sentence.name);
        changes.extend(grouped_otherwise(governed.query(), &self.sentence.name));
        for (mutator, tree) in changes {
            let is_equal =
                tree == *governed.query() || (GROUPS.contains(&mutator) && same_groups(&tree, governed.query()));
            let held = std::mem::replace(&mut governed.query, Box::new(tree));
            self.judge(mutator, governed, is_equal);
            governed.query = held;
        }
    }

    fn filters(&mut self, governed: &mut GovernedStatement, at: usize) {
        let Some(of) = dataset(governed, at) else { return };
        match of.filter.clone() {
            Some(filter) => {
                for (mutator, other) in filtered_otherwise(&filter, &self.sentence.name) {
                    let is_equal = other.as_ref() == Some(&filter);
                    dataset(governed, at).unwrap().filter = other;
                    self.judge(mutator, governed, is_equal);
                }
                dataset(governed, at).unwrap().filter = Some(filter);
            }
            None => {
                dataset(governed, at).unwrap().filter = Some(expression("false"));
                self.judge("a filter that nobody set", governed, false);
                dataset(governed, at).unwrap().filter = None;
            }
        }
    }

    fn masks(&mut self, governed: &mut GovernedStatement, at: usize) {
        let Some(of) = dataset(governed, at) else { return };
        let masked: Vec<usize> =
            (0..of.columns.len()).filter(|column| !matches!(of.columns[*column].value, ColumnValue::Clear)).collect();
        let clear = of.columns.iter().position(|column| matches!(column.value, ColumnValue::Clear));
        let mut swap = |this: &mut Self, mutator, column: usize, value: ColumnValue, is_equal: bool| {
            let of = dataset(governed, at).unwrap();
            let held = std::mem::replace(&mut of.columns[column].value, value);
            this.judge(mutator, governed, is_equal);
            dataset(governed, at).unwrap().columns[column].value = held;
        };
        for column in &masked {
            swap(self, "no mask", *column, ColumnValue::Clear, false);
        }
        if let Some(column) = clear {
            swap(self, "a mask that nobody set", column, ColumnValue::Masked(Mask::Null), false);
        }
        for column in &masked {
            let Some(of) = dataset(governed, at) else { return };
            let value = match &of.columns[*column].value {
                ColumnValue::Masked(Mask::Last { n }) => Mask::Last { n: n + 1 },
                ColumnValue::Masked(Mask::Day) => Mask::Hash,
                _other => Mask::Day,
            };
            let computed = match &of.columns[*column].value {
                ColumnValue::Computed(expr) => Some(expr.clone()),
                ColumnValue::Clear | ColumnValue::Masked(_) => None,
            };
            let name = of.columns[*column].name.clone();
            let of = dataset(governed, at).unwrap();
            let held = std::mem::replace(&mut of.columns[*column].value, ColumnValue::Masked(value));
            self.judge("another mask", governed, false);
            dataset(governed, at).unwrap().columns[*column].value = held;
            if let Some(expr) = computed {
                let plain = Expr::Identifier(Ident::new(name));
                let others = filtered_otherwise(&expr, &self.sentence.name).into_iter().filter_map(|(_, other)| other);
                for other in std::iter::once(plain).chain(others) {
                    let is_equal = other == expr;
                    let of = dataset(governed, at).unwrap();
                    let held = std::mem::replace(&mut of.columns[*column].value, ColumnValue::Computed(other));
                    self.judge("a computed column changed", governed, is_equal);
                    dataset(governed, at).unwrap().columns[*column].value = held;
                }
            }
        }
        if let [one, other, ..] = masked[..] {
            let of = dataset(governed, at).unwrap();
            let is_equal = format!("{:?}", of.columns[one].value) == format!("{:?}", of.columns[other].value);
            let swapped = |of: &mut GovernedDataset| {
                let (left, right) = of.columns.split_at_mut(other);
                std::mem::swap(&mut left[one].value, &mut right[0].value);
            };
            swapped(of);
            self.judge("two masks swapped", governed, is_equal);
            swapped(dataset(governed, at).unwrap());
        }
    }

    fn columns(&mut self, governed: &mut GovernedStatement, at: usize) {
        let Some(of) = dataset(governed, at) else { return };
        let seen = |of: &GovernedDataset, name: &str| of.columns.iter().any(|column| column.name == name);
        let denied = of.dataset.columns.iter().find(|column| !seen(of, &column.name)).map(|column| column.name.clone());
        if let Some(name) = denied {
            of.columns.push(GovernedColumn { name: name.clone(), value: ColumnValue::Clear });
            self.judge("a denied column", governed, false);
            let of = dataset(governed, at).unwrap();
            of.columns.pop();
            of.used.insert(name.clone());
            self.judge("a use of a denied column", governed, false);
            dataset(governed, at).unwrap().used.remove(&name);
        }
        let of = dataset(governed, at).unwrap();
        if let Some(last) = of.columns.pop() {
            self.judge("a column less", governed, false);
            dataset(governed, at).unwrap().columns.push(last);
        }
        // Another dataset stands for it: its columns are other ones, or its decision is another.
        let of = dataset(governed, at).unwrap();
        let others = self.world.catalog.datasets.values();
        let other =
            others.filter(|other| other.name != of.dataset.name && other.columns.len() != of.columns.len()).nth(at);
        if let Some(other) = other {
            let held = std::mem::replace(&mut of.dataset, Arc::clone(other));
            self.judge("another dataset", governed, false);
            dataset(governed, at).unwrap().dataset = held;
        }
    }
}

/// Changes what governs each statement; gives how many there were.
fn change_all(world: &World, sentences: &[Sentence], table: &mut Table, found: &mut Vec<String>) -> usize {
    let mut count = 0;
    for sentence in sentences {
        let Some(Ok(outcome)) = world.govern(sentence) else { continue };
        let mut governed = Arc::try_unwrap(outcome.statement).unwrap();
        let decisions = outcome.decisions;
        assert_eq!(proved(&governed, &decisions), Ok(()), "{}", sentence.name);
        count += 1;
        let mut test = Test { world, sentence, decisions: &decisions, table, found };
        test.trees(&mut governed);
        for at in 0..governed.relations.len().min(3) {
            test.filters(&mut governed, at);
            test.masks(&mut governed, at);
            test.columns(&mut governed, at);
        }
        let limits = std::mem::replace(
            &mut governed.limits,
            crate::decision::Limits { max_rows: Some(u64::MAX), ..Default::default() },
        );
        test.judge("another limit", &governed, false);
        governed.limits = limits;
        let none = BTreeMap::new();
        if governed.relations.iter().any(|relation| matches!(relation.target, GovernedTarget::Dataset(_))) {
            Test { decisions: &none, ..test }.judge("no decision", &governed, false);
        }
    }
    count
}

#[test]
fn no_changed_statement_is_proved() {
    let (mut table, mut found) = (Table::default(), Vec::new());
    let demo = World::demo();
    let mut count = change_all(&demo, &some(cases("govern"), 2), &mut table, &mut found);
    count += change_all(&demo, &some(cases("bypass"), 5), &mut table, &mut found);
    count += change_all(&World::with_floor(), &cases("groups"), &mut table, &mut found);
    count += change_all(&World::differential(), &some(differential(), 4), &mut table, &mut found);
    if std::env::var_os("QUERYGATE_SHOW").is_some() {
        println!("{count} statements");
    }
    assert!(count > 200, "{count} statements");
    let others = ["a filter that nobody set", "another limit", "no decision"];
    let all = READS.iter().chain(&GROUPS).chain(&FILTERS).chain(&MASKS).chain(&others).copied();
    table.finish("change", &all.collect::<Vec<_>>(), &found);
}
