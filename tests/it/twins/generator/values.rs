//! Expressions and conditions by type.

use super::Kind::{self, Bool, Date, Digits, Float, Int, Ints, Json, Number, Stamp, Text, Texts};
use super::{Generator, Scope, scope_of};
use rand::seq::IndexedRandom;

impl Generator {
    pub(super) fn column(&mut self, kind: Kind, scope: &Scope) -> Option<String> {
        let fits = |of: Kind| of == kind || (of == Digits && kind == Text);
        let fitting: Vec<&(String, Kind)> = scope.iter().filter(|(_, of)| fits(*of)).collect();
        fitting.choose(&mut self.random).map(|(name, _)| name.clone())
    }

    pub(super) fn constant(&mut self, kind: Kind) -> String {
        let number = self.number();
        match kind {
            Int => number.to_string(),
            Number => format!("{number}.5"),
            Float => format!("{number}.25::float8"),
            Text => format!("'{}'", self.word(&["a", "US", "12", "x1", "0", "", "Ana", "note", "%", "2020-02-30"])),
            Digits => format!("'{number}'"),
            Date => format!("DATE '{}'", self.word(&["1970-01-01", "1985-06-15", "2024-02-29"])),
            Stamp => "TIMESTAMPTZ '2023-05-05 05:05:05+00'".to_owned(),
            Bool => self.word(&["true", "false"]).to_owned(),
            Ints => format!("ARRAY[1, {number}]"),
            Texts => "ARRAY['a', 'b1', '7']".to_owned(),
            Json => "'{\"k\": 1}'::jsonb".to_owned(),
        }
    }

    /// An expression of a type.
    pub(super) fn value(&mut self, kind: Kind, scope: &Scope, depth: usize) -> String {
        let plain = depth == 0 || self.below(3) == 0;
        if plain {
            let column = if self.below(5) == 0 { None } else { self.column(kind, scope) };
            return match column {
                Some(column) => column,
                None => self.constant(kind),
            };
        }
        let depth = depth - 1;
        match self.below(12) {
            0 => {
                let (when, then, other) =
                    (self.condition(scope, depth), self.value(kind, scope, depth), self.value(kind, scope, depth));
                return format!("CASE WHEN {when} THEN {then} ELSE {other} END");
            }
            1 => return format!("coalesce({}, {})", self.value(kind, scope, depth), self.value(kind, scope, depth)),
            2 if depth > 0 && !matches!(kind, Bool | Ints | Texts | Json) => {
                return format!("({} LIMIT 1)", self.scalar(kind, scope, depth));
            }
            _by_kind => {}
        }
        match kind {
            Int => self.int(scope, depth),
            Number => self.numeric(scope, depth),
            Float => self.float(scope, depth),
            Text => self.text(scope, depth),
            Digits => match self.column(Digits, scope) {
                Some(column) => column,
                None => self.constant(Digits),
            },
            Date => self.date(scope, depth),
            Stamp => self.stamp(scope, depth),
            Bool => format!("({})", self.condition(scope, depth)),
            Ints => self.ints(scope, depth),
            Texts => format!("string_to_array({}, '{}')", self.value(Text, scope, depth), self.word(&[" ", ",", "1"])),
            Json => format!("jsonb_build_object('k', {})", self.value(Int, scope, depth)),
        }
    }

    /// A subquery of one row and one column.
    fn scalar(&mut self, kind: Kind, scope: &Scope, depth: usize) -> String {
        let table = self.table();
        let alias = self.alias();
        let own = scope_of(table, &alias);
        let mut both = own.clone();
        if self.below(2) == 0 {
            both.extend(scope.iter().cloned());
        }
        let (value, condition) = (self.aggregate(kind, &own), self.condition(&both, depth.min(1)));
        format!("SELECT {value} FROM {} AS {alias} WHERE {condition}", table.name)
    }

    fn int(&mut self, scope: &Scope, depth: usize) -> String {
        let number = if self.below(3) == 0 { self.number() } else { self.hidden_number() };
        let mut int = || self.value(Int, scope, depth);
        let (a, b) = (int(), int());
        match self.below(20) {
            0..=2 => format!("{a} / ({b} - {number})"),
            3 => format!("{a} % ({b} - {number})"),
            4 => format!("({a} + {b})"),
            5 => format!("({a} * {b})"),
            6..=7 => format!("{}::int", self.value(Digits, scope, depth)),
            8 => format!("regexp_replace({}, '[^0-9]', '', 'g')::bigint::int", self.value(Text, scope, depth)),
            9 => format!("length({})", self.value(Text, scope, depth)),
            10 => format!("ascii({})", self.value(Text, scope, depth)),
            11 => format!("({})[1]", self.value(Ints, scope, depth)),
            12 => format!("array_length({}, 1)", self.value(Ints, scope, depth)),
            13 => format!("extract(year FROM {})::int", self.value(Date, scope, depth)),
            14 => format!("({} - {})", self.value(Date, scope, depth), self.value(Date, scope, depth)),
            15 => format!("{}::smallint::int", self.value(Number, scope, depth)),
            16 => format!("nullif({a}, {b})"),
            17 => format!("div({a}::numeric, {b}::numeric - {number})::int"),
            18 => format!("width_bucket({a}::float8, 0, {b}::float8 - {number}, 4)"),
            _other => format!("position({} IN {})", self.value(Text, scope, depth), self.value(Text, scope, depth)),
        }
    }

    fn numeric(&mut self, scope: &Scope, depth: usize) -> String {
        let number = self.number();
        let (a, b) = (self.value(Number, scope, depth), self.value(Number, scope, depth));
        match self.below(9) {
            0..=1 => format!("{a} / ({b} - {number}.5)"),
            2 => format!("round({a}, 1)"),
            3 => format!("sqrt({a} - {number})"),
            4 => format!("ln({a})"),
            5 => format!("{}::numeric(4,1)", self.value(Int, scope, depth)),
            6 => format!("{}::numeric", self.value(Digits, scope, depth)),
            7 => format!("({a} - {b})"),
            _other => format!("power({a}, {})", self.below(3)),
        }
    }

    fn float(&mut self, scope: &Scope, depth: usize) -> String {
        let number = self.number();
        let a = self.value(Float, scope, depth);
        match self.below(6) {
            0 => format!("1 / ({a} - {number})"),
            1 => format!("sqrt({a})"),
            2 => format!("ln({a})"),
            3 => format!("exp({a} * 10)"),
            4 => format!("{}::float8", self.value(Number, scope, depth)),
            _other => format!("asin({a} - {number})"),
        }
    }

    fn text(&mut self, scope: &Scope, depth: usize) -> String {
        let number = self.number();
        let a = self.value(Text, scope, depth);
        match self.below(14) {
            0 => format!("upper({a})"),
            1 => format!("left({a}, {})", self.value(Int, scope, depth)),
            2 => format!("substr({a}, 1, {})", self.value(Int, scope, depth)),
            3 => format!("({a} || {})", self.value(Text, scope, depth)),
            4 => format!("({})::text", self.value(Int, scope, depth)),
            5 => format!("chr({} + {})", self.value(Int, scope, depth), number % 70),
            6 => format!("split_part({a}, '1', {} + 1)", self.value(Int, scope, depth)),
            7 => format!("replace({a}, '1', 'one')"),
            8 => format!("regexp_replace({a}, '[0-9]+', '#')"),
            9 => format!("reverse({a})"),
            10 => format!("md5({a})"),
            11 => format!("lpad({a}, {})", 1 + self.below(6)),
            12 => format!("to_char({}, 'YYYY-MM')", self.value(Date, scope, depth)),
            _other => format!("decode(md5({a}), 'hex')::text"),
        }
    }

    fn date(&mut self, scope: &Scope, depth: usize) -> String {
        let number = self.number();
        match self.below(6) {
            0 => format!("('2024-01-' || ({} % 28 + 1))::date", self.value(Int, scope, depth)),
            1 => format!("make_date(2000 + {number}, 1 + {} % 12, 1)", self.value(Int, scope, depth)),
            2 => format!("({} + {})", self.value(Date, scope, depth), self.value(Int, scope, depth)),
            3 => format!("date_trunc('month', {})::date", self.value(Date, scope, depth)),
            4 => format!("to_date({}, 'YYYY')", self.value(Digits, scope, depth)),
            _other => format!("{}::date", self.value(Stamp, scope, depth)),
        }
    }

    fn stamp(&mut self, scope: &Scope, depth: usize) -> String {
        match self.below(3) {
            0 => {
                format!("({} + INTERVAL '1 day' * {})", self.value(Stamp, scope, depth), self.value(Int, scope, depth))
            }
            1 => format!("to_timestamp({}::float8)", self.value(Digits, scope, depth)),
            _other => format!("date_trunc('hour', {})", self.value(Stamp, scope, depth)),
        }
    }

    fn ints(&mut self, scope: &Scope, depth: usize) -> String {
        match self.below(3) {
            0 => format!("array_append({}, {}::int)", self.value(Ints, scope, depth), self.value(Int, scope, depth)),
            1 => format!("ARRAY[{}::int, {}::int]", self.value(Int, scope, depth), self.value(Int, scope, depth)),
            _other => format!("ARRAY[{}::int]", self.value(Digits, scope, depth)),
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        if self.below(5) < 2 {
            return self.probe(scope);
        }
        if depth == 0 {
            return self.leaf(scope, 0);
        }
        let depth = depth - 1;
        match self.below(16) {
            0..=1 => format!("{} AND {}", self.condition(scope, depth), self.condition(scope, depth)),
            2 => format!("({} OR {})", self.condition(scope, depth), self.condition(scope, depth)),
            3 => format!("NOT ({})", self.condition(scope, depth)),
            4..=5 if depth > 0 => {
                let not = self.word(&["", "NOT "]);
                let kind = *[Int, Text].choose(&mut self.random).unwrap();
                let table = self.table();
                let alias = self.alias();
                let own = scope_of(table, &alias);
                let (value, inner) = (self.value(kind, scope, depth), self.value(kind, &own, 1));
                let filter = self.condition(&own, 1);
                format!("{value} {not}IN (SELECT {inner} FROM {} AS {alias} WHERE {filter})", table.name)
            }
            6..=7 if depth > 0 => {
                let not = self.word(&["", "NOT "]);
                let table = self.table();
                let alias = self.alias();
                let own = scope_of(table, &alias);
                let (left, right) = (self.value(Int, scope, 1), own[0].0.clone());
                let mut both = own;
                both.extend(scope.iter().cloned());
                let filter = self.condition(&both, 1);
                format!("{not}EXISTS (SELECT 1 FROM {} AS {alias} WHERE {right} = {left} AND {filter})", table.name)
            }
            8 if depth > 0 => {
                let compared = self.word(&["=", "<", ">", "<>"]);
                format!("{} {compared} ({})", self.value(Int, scope, depth), self.scalar(Int, scope, depth))
            }
            _leaf => self.leaf(scope, depth),
        }
    }

    /// A cheap condition that fails on hidden values and, mostly, on no other: planners put what is cheap first.
    fn probe(&mut self, scope: &Scope) -> String {
        let (column, kind) = scope.choose(&mut self.random).unwrap().clone();
        let number = self.hidden_number();
        match (kind, self.below(3)) {
            (Int, 0) => format!("1 / ({column} - {number}) IS NOT NULL"),
            (Int, 1) => format!("1 / ({column} - {number}) < 5"),
            (Int, _) => format!("10 % ({column} - {number}) > -10"),
            (Number | Float, 0) => format!("sqrt({column}) >= 0"),
            (Number | Float, 1) => format!("ln({column} + 1) >= 0"),
            (Number | Float, _) => format!("power({column}, 0.5) >= 0"),
            (Digits, 0) => format!("{column}::int >= 0"),
            (Digits, 1) => format!("{column}::numeric > 0"),
            (Digits, _) => format!("1 / {column}::int < 5"),
            (Date, _) => format!("1 / ({column} - DATE '1900-01-01' - {number}) IS NOT NULL"),
            (Ints, _) => format!("1 / cardinality({column}) >= 0"),
            (Texts, _) => format!("{column}[2]::int >= 0"),
            (Json, _) => format!("({column} ->> 'k')::int >= 0"),
            (Text, 0 | 1) if column.ends_with("ssn") => format!("substr({column}, 4)::int >= 0"),
            (Text | Stamp | Bool, _) => self.leaf(scope, 0),
        }
    }

    fn leaf(&mut self, scope: &Scope, depth: usize) -> String {
        let kind = *[Int, Int, Int, Number, Float, Text, Text, Date, Stamp].choose(&mut self.random).unwrap();
        match self.below(12) {
            0..=4 => {
                let compared = self.word(&["=", "<", ">", "<=", ">=", "<>"]);
                format!("{} {compared} {}", self.value(kind, scope, depth), self.value(kind, scope, depth))
            }
            5 => format!("{} IS NOT NULL", self.value(kind, scope, depth)),
            6 => {
                let like = self.word(&["LIKE", "NOT LIKE", "ILIKE"]);
                let pattern = self.word(&["'%1%'", "'A%'", "'%secret%'", "'_n%'", "'%7'"]);
                format!("{} {like} {pattern}", self.value(Text, scope, depth))
            }
            7 => {
                let pattern = self.word(&["'^[A-M]'", "'[0-9]{3}'", "'(a|1)+$'", "'secret'"]);
                format!("{} ~ {pattern}", self.value(Text, scope, depth))
            }
            8 => format!("{} = ANY ({})", self.value(Int, scope, depth), self.value(Ints, scope, depth)),
            9 => {
                let (low, high) = (self.value(kind, scope, 0), self.value(kind, scope, 0));
                format!("{} BETWEEN {low} AND {high}", self.value(kind, scope, depth))
            }
            10 => {
                let (one, two) = (self.value(kind, scope, 0), self.value(kind, scope, depth));
                format!("{} IN ({one}, {two})", self.value(kind, scope, depth))
            }
            _distinct => {
                format!("{} IS DISTINCT FROM {}", self.value(kind, scope, depth), self.value(kind, scope, depth))
            }
        }
    }
}
