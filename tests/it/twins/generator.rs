//! Statements from a seed, by the types of their parts: most of them run, and of those many fail on some value. They reach
//! for the shapes in which PostgreSQL's planner is known to evaluate a user's expression where it should not: below joins,
//! in ON, in HAVING, in sublinks that become joins, in WITH queries that are inlined, in functions of FROM.

mod values;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// The types that expressions have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Number,
    Float,
    Text,
    /// Text that is a number, as far as it is seen.
    Digits,
    Date,
    Stamp,
    Bool,
    Ints,
    Texts,
    Json,
}

use Kind::{Bool, Date, Digits, Float, Int, Ints, Json, Number, Stamp, Text, Texts};

/// A relation: its name, and its columns, of which the first is a number that no two rows share.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

/// Columns that an expression may name.
type Scope = Vec<(String, Kind)>;

/// Makes one statement after the other.
pub(crate) struct Generator {
    random: StdRng,
    tables: &'static [Table],
    aliases: usize,
}

/// How deep expressions and queries nest.
const DEPTH: usize = 3;

impl Generator {
    pub(crate) fn new(seed: u64, tables: &'static [Table]) -> Self {
        Self { random: StdRng::seed_from_u64(seed), tables, aliases: 0 }
    }

    /// The next statement.
    pub(crate) fn statement(&mut self) -> String {
        self.aliases = 0;
        let none = Scope::new();
        let kinds = self.kinds();
        let body = match self.below(20) {
            0..=1 => {
                let operation = self.word(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"]);
                let (left, right) = (self.select(&kinds, &none, DEPTH), self.select(&kinds, &none, DEPTH - 1));
                format!("({left}) {operation} ({right})")
            }
            2..=4 => self.with(&kinds),
            5 => self.recursive(),
            _plain => self.select(&kinds, &none, DEPTH),
        };
        // A total order, so that which rows a LIMIT keeps is fixed; what has no order type is left alone.
        let sortable = !kinds.contains(&Json) && !body.starts_with("WITH RECURSIVE");
        let order = (1..=kinds.len()).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        match self.below(6) {
            0 if sortable => format!("SELECT * FROM ({body}) AS s ORDER BY {order} LIMIT {}", self.below(12)),
            1 if sortable => format!("SELECT * FROM ({body}) AS s ORDER BY {order} OFFSET {}", self.below(5)),
            2 => format!("SELECT count(*) FROM ({body}) AS s"),
            _whole => body,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn word(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.random).unwrap()
    }

    /// A number that may be that of a row: one that is seen, one that is hidden, or none.
    fn number(&mut self) -> i64 {
        match self.below(3) {
            0 => self.random.random_range(0..12),
            1 => self.random.random_range(0..80),
            _any => self.random.random_range(0..260),
        }
    }

    /// A number that rows may have which are not seen, and none has that is: ids that are seen are multiples of three.
    fn hidden_number(&mut self) -> i64 {
        match self.below(3) {
            0 => 3 * self.random.random_range(0..60) + 1,
            1 => 6 * self.random.random_range(16..50) + 2,
            _levels => 3 * self.random.random_range(13..27) + 1,
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn kinds(&mut self) -> Vec<Kind> {
        let count = 1 + self.below(3);
        (0..count)
            .map(|_| {
                *[Int, Int, Int, Number, Float, Text, Text, Date, Stamp, Bool, Ints].choose(&mut self.random).unwrap()
            })
            .collect()
    }

    fn table(&mut self) -> &'static Table {
        // The first table is the one with most to hide.
        let at = if self.below(2) == 0 { 0 } else { self.below(self.tables.len()) };
        &self.tables[at]
    }

    fn with(&mut self, kinds: &[Kind]) -> String {
        let inner = self.kinds();
        let query = self.select(&inner, &Scope::new(), DEPTH - 1);
        let how = self.word(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let names: Vec<String> = (0..inner.len()).map(|n| format!("w{n}")).collect();
        let alias = self.alias();
        let scope: Scope = names.iter().zip(&inner).map(|(name, kind)| (format!("{alias}.{name}"), *kind)).collect();
        let outputs: Vec<String> = kinds.iter().map(|kind| self.value(*kind, &scope, DEPTH)).collect();
        let condition = self.condition(&scope, DEPTH);
        let second = if self.below(3) == 0 { format!(", w AS {}", self.alias()) } else { String::new() };
        format!(
            "WITH w ({}) AS {how}({query}) SELECT {} FROM w AS {alias}{second} WHERE {condition}",
            names.join(", "),
            named(&outputs)
        )
    }

    fn recursive(&mut self) -> String {
        let table = self.table();
        let alias = self.alias();
        let scope = scope_of(table, &alias);
        let (first, step) = (self.value(Int, &scope, 2), self.condition(&scope, 2));
        format!(
            "WITH RECURSIVE r (n, d) AS (SELECT {first}, 0 FROM {} AS {alias} WHERE {step} UNION SELECT (n + 1) % 7, d + 1 FROM r WHERE d < 3) \
             SELECT n, count(*) FROM r GROUP BY n",
            table.name
        )
    }

    /// A SELECT with these outputs; `outer` is what it may be correlated with.
    fn select(&mut self, kinds: &[Kind], outer: &Scope, depth: usize) -> String {
        let (from, mut scope) = self.from(outer, depth);
        if self.below(3) == 0 {
            scope.extend(outer.iter().cloned());
        }
        let filter =
            if self.below(4) == 0 { String::new() } else { format!(" WHERE {}", self.condition(&scope, depth)) };
        match self.below(10) {
            0..=1 => {
                let key_kind = *[Int, Text, Bool, Date].choose(&mut self.random).unwrap();
                let key = self.value(key_kind, &scope, 1);
                let outputs: Vec<String> = kinds.iter().map(|kind| self.aggregate(*kind, &scope)).collect();
                let having = match self.below(3) {
                    0 => format!(" HAVING {}", self.having(&scope)),
                    _none => String::new(),
                };
                let sets = self.word(&["", "", "ROLLUP "]);
                let is_constant = !scope.iter().any(|(column, _)| key.contains(column.as_str()));
                let key = if is_constant { scope[0].0.clone() } else { key };
                format!("SELECT {} FROM {from}{filter} GROUP BY {sets}({key}){having}", named(&outputs))
            }
            2 => {
                let outputs: Vec<String> = kinds.iter().map(|kind| self.aggregate(*kind, &scope)).collect();
                format!("SELECT {} FROM {from}{filter}", named(&outputs))
            }
            3 => {
                let outputs: Vec<String> = kinds.iter().map(|kind| self.value(*kind, &scope, depth)).collect();
                let distinct = if kinds.contains(&Json) { "" } else { "DISTINCT " };
                format!("SELECT {distinct}{} FROM {from}{filter}", named(&outputs))
            }
            4 if scope[0].1 == Int => {
                // The first column of a table tells its rows apart; in a join it may not, and then peers are alike.
                let outputs: Vec<String> = kinds.iter().map(|kind| self.window(*kind, &scope)).collect();
                format!("SELECT {} FROM {from}{filter}", named(&outputs))
            }
            _plain => {
                let outputs: Vec<String> = kinds.iter().map(|kind| self.value(*kind, &scope, depth)).collect();
                format!("SELECT {} FROM {from}{filter}", named(&outputs))
            }
        }
    }

    /// What stands in FROM, and the columns that it brings.
    fn from(&mut self, outer: &Scope, depth: usize) -> (String, Scope) {
        let (mut text, mut scope) = self.factor(outer, depth);
        let joins = if depth == 0 { 0 } else { [0, 0, 1, 1, 2][self.below(5)] };
        for join in 0..joins {
            if self.below(5) == 0 {
                let (function, found) = self.function(&scope);
                text = format!("{text} CROSS JOIN LATERAL {function}");
                scope.extend(found);
                continue;
            }
            if self.below(5) == 0 {
                let kinds = self.kinds();
                let query = self.select(&kinds, &scope, depth.saturating_sub(2));
                let alias = self.alias();
                let kind = self.word(&["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"]);
                let on = if kind.starts_with("LEFT") { " ON true" } else { "" };
                text = format!("{text} {kind} ({query} LIMIT 40) AS {alias}{}{on}", renamed(&kinds));
                scope.extend(derived(&alias, &kinds));
                continue;
            }
            let (factor, found) = self.factor(outer, depth - 1);
            let (left, right) = (scope[0].0.clone(), found[0].0.clone());
            let equal = scope[0].1 == found[0].1;
            scope.extend(found);
            let kind = self.word(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let on = match (kind, equal) {
                ("FULL JOIN", true) => format!("{left} = {right}"),
                ("FULL JOIN", false) => format!("{left}::text = {right}::text"),
                // What is joined a second time is joined by a key, or there are millions of rows.
                (_, false) if join > 0 => format!("{left}::text = {right}::text AND {}", self.condition(&scope, 1)),
                (_, true) if join > 0 || self.below(4) > 0 => {
                    format!("{left} = {right} AND {}", self.condition(&scope, 1))
                }
                _any => self.condition(&scope, 2),
            };
            text = format!("{text} {kind} {factor} ON {on}");
        }
        (text, scope)
    }

    fn factor(&mut self, outer: &Scope, depth: usize) -> (String, Scope) {
        if depth > 1 && self.below(5) == 0 {
            let kinds = self.kinds();
            let query = self.select(&kinds, &Scope::new(), depth - 2);
            let alias = self.alias();
            return (format!("({query}) AS {alias}{}", renamed(&kinds)), derived(&alias, &kinds));
        }
        let _ = outer;
        let table = self.table();
        let alias = self.alias();
        (format!("{} AS {alias}", table.name), scope_of(table, &alias))
    }

    /// A function in FROM over what stands before it.
    fn function(&mut self, scope: &Scope) -> (String, Scope) {
        let alias = self.alias();
        let of = |kind: Kind| vec![(format!("{alias}.c0"), kind)];
        match self.below(4) {
            0 => (format!("unnest({}) AS {alias} (c0)", self.value(Ints, scope, 1)), of(Int)),
            1 => (format!("unnest({}) AS {alias} (c0)", self.value(Texts, scope, 1)), of(Text)),
            2 => (format!("generate_series(1, least({}, 4)) AS {alias} (c0)", self.value(Int, scope, 2)), of(Int)),
            _steps => {
                let (column, number) = (self.value(Int, scope, 0), self.number());
                (format!("generate_series(1, 6, abs({column} - {number})) AS {alias} (c0)"), of(Int))
            }
        }
    }

    /// An aggregate of a type.
    fn aggregate(&mut self, kind: Kind, scope: &Scope) -> String {
        let filter = match self.below(5) {
            0 => format!(" FILTER (WHERE {})", self.condition(scope, 1)),
            _none => String::new(),
        };
        let call = match kind {
            Int => match self.below(5) {
                0 => "count(*)".to_owned(),
                1 => format!("count(DISTINCT {})", self.value(Text, scope, 1)),
                2 => format!("max({})", self.value(Int, scope, 2)),
                3 => format!("min({})", self.value(Int, scope, 1)),
                _count => format!("count({})", self.value(Date, scope, 1)),
            },
            Number => format!("{}({})", self.word(&["sum", "avg", "min", "max"]), self.value(Number, scope, 2)),
            Float => format!("{}({})", self.word(&["min", "max"]), self.value(Float, scope, 2)),
            Text | Digits => format!("{}({})", self.word(&["min", "max"]), self.value(Text, scope, 2)),
            Date => format!("{}({})", self.word(&["min", "max"]), self.value(Date, scope, 1)),
            Stamp => format!("{}({})", self.word(&["min", "max"]), self.value(Stamp, scope, 1)),
            Bool => format!("{}({})", self.word(&["bool_and", "bool_or"]), self.condition(scope, 1)),
            Ints => {
                let value = self.value(Int, scope, 1);
                format!("array_agg({value} ORDER BY {value})")
            }
            Texts | Json => return self.constant(kind),
        };
        format!("{call}{filter}")
    }

    fn having(&mut self, scope: &Scope) -> String {
        let number = self.number();
        match self.below(4) {
            0 => format!("count(*) > {}", self.below(4)),
            1 => format!("1 / (max({}) - {number}) >= 0", self.value(Int, scope, 1)),
            2 => format!("max({}) > 'B'", self.value(Text, scope, 1)),
            _fails => format!("min({}) < {number}", self.value(Int, scope, 2)),
        }
    }

    /// A window function of a type, over an order that ends in the table's first column.
    fn window(&mut self, kind: Kind, scope: &Scope) -> String {
        let over = format!("(PARTITION BY {} ORDER BY {})", self.value(Text, scope, 1), scope[0].0);
        match kind {
            Int => match self.below(3) {
                0 => format!("rank() OVER {over}::int"),
                1 => format!("count({}) OVER {over}", self.value(Int, scope, 2)),
                _sum => format!("max({}) OVER {over}", self.value(Int, scope, 2)),
            }
            .replace("::int", ""),
            Number => format!("sum({}) OVER {over}", self.value(Number, scope, 1)),
            Text => format!("max({}) OVER {over}", self.value(Text, scope, 1)),
            other => self.value(other, scope, 1),
        }
    }
}

fn scope_of(table: &Table, alias: &str) -> Scope {
    table.columns.iter().map(|(name, kind)| (format!("{alias}.{name}"), *kind)).collect()
}

fn derived(alias: &str, kinds: &[Kind]) -> Scope {
    kinds.iter().enumerate().map(|(at, kind)| (format!("{alias}.c{at}"), *kind)).collect()
}

fn renamed(kinds: &[Kind]) -> String {
    let names: Vec<String> = (0..kinds.len()).map(|at| format!("c{at}")).collect();
    format!(" ({})", names.join(", "))
}

fn named(outputs: &[String]) -> String {
    outputs.iter().enumerate().map(|(at, output)| format!("{output} AS c{at}")).collect::<Vec<_>>().join(", ")
}
