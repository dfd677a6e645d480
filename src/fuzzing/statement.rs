//! Statements from bytes, by grammar: most of what they name is there, and what they are made of nests as users' do.

use arbitrary::{Result, Unstructured};

/// Relations of the fuzzers' catalog, and some that are not there or not for everybody.
const RELATIONS: [&str; 16] = [
    "people",
    "public.people",
    "people",
    "orders",
    "public.orders",
    "visits",
    "\"Odd Name\"",
    "vault",
    "hr.secret",
    "data.people",
    "w",
    "x",
    "pg_catalog.pg_class",
    "information_schema.columns",
    "lab.public.people",
    "nothing",
];

const COLUMNS: [&str; 22] = [
    "id",
    "name",
    "email",
    "ssn",
    "salary",
    "region",
    "born",
    "tags",
    "extra",
    "person",
    "amount",
    "minutes",
    "key",
    "hidden",
    "\"Order\"",
    "n",
    "s",
    "people",
    "ctid",
    "tableoid",
    "ordinality",
    "oid",
];

const FUNCTIONS: [&str; 34] = [
    "lower",
    "upper",
    "length",
    "coalesce",
    "nullif",
    "greatest",
    "substr",
    "abs",
    "round",
    "md5",
    "concat",
    "to_char",
    "date_trunc",
    "jsonb_build_object",
    "row_to_json",
    "to_jsonb",
    "array_length",
    "cardinality",
    "regexp_replace",
    "split_part",
    "format",
    "now",
    "current_setting",
    "pg_read_file",
    "query_to_xml",
    "pg_sleep",
    "has_table_privilege",
    "pg_get_viewdef",
    "left",
    "replace",
    "position",
    "generate_series",
    "unnest",
    "set_config",
];

const AGGREGATES: [&str; 13] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "array_agg",
    "string_agg",
    "jsonb_agg",
    "bool_and",
    "stddev",
    "mode",
    "any_value",
    "json_object_agg",
];

const TYPES: [&str; 20] = [
    "int",
    "bigint",
    "text",
    "numeric",
    "numeric(10,2)",
    "date",
    "timestamptz",
    "boolean",
    "jsonb",
    "text[]",
    "uuid",
    "float8",
    "regclass",
    "people",
    "varchar(3)",
    "interval",
    "bytea",
    "name",
    "char",
    "time",
];

const OPERATORS: [&str; 30] = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "<",
    ">=",
    "AND",
    "OR",
    "IS DISTINCT FROM",
    "LIKE",
    "ILIKE",
    "~",
    "~*",
    "->",
    "->>",
    "#>",
    "@>",
    "<@",
    "&&",
    "^",
    "&",
    "<<",
    "IS NOT DISTINCT FROM",
    "SIMILAR TO",
    "!~",
    "OPERATOR(pg_catalog.+)",
];

/// What remains to be spent on one statement, so that it ends.
const BUDGET: usize = 220;

struct Writer<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    left: usize,
    aliases: usize,
}

/// A statement for these bytes. Every byte string gives one; it may not be SQL.
///
/// # Errors
/// The bytes are used up before the statement is.
pub fn statement(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut writer = Writer { bytes, left: BUDGET, aliases: 0 };
    let query = writer.query()?;
    Ok(match writer.bytes.int_in_range(0..=15_u8)? {
        0 => format!("EXPLAIN {query}"),
        1 => format!("{query};"),
        _ => query,
    })
}

impl Writer<'_, '_> {
    fn pick(&mut self, from: &[&'static str]) -> Result<&'static str> {
        Ok(from[self.bytes.choose_index(from.len())?])
    }

    /// A number below, or 0 where nothing more should nest.
    fn choice(&mut self, below: u8) -> Result<u8> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Ok(0) } else { self.bytes.int_in_range(0..=below - 1) }
    }

    fn list(&mut self, most: u8, mut one: impl FnMut(&mut Self) -> Result<String>) -> Result<String> {
        let count = self.choice(most)? + 1;
        Ok((0..count).map(|_| one(self)).collect::<Result<Vec<_>>>()?.join(", "))
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn query(&mut self) -> Result<String> {
        let with = match self.choice(8)? {
            1 => {
                let (name, how) = (
                    self.pick(&["w", "x", "people", "orders"])?,
                    self.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "])?,
                );
                format!("WITH {name} AS {how}({}) ", self.query()?)
            }
            2 => format!("WITH w(n, s) AS ({}), x AS ({}) ", self.query()?, self.query()?),
            3 => {
                let (first, step, condition) = (self.select()?, self.expression()?, self.expression()?);
                format!("WITH RECURSIVE w(n) AS ({first} UNION ALL SELECT {step} FROM w WHERE {condition}) ")
            }
            _ => String::new(),
        };
        let body = match self.choice(10)? {
            1 => {
                let set = self.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "UNION DISTINCT"])?;
                format!("{} {set} {}", self.select()?, self.select()?)
            }
            2 => format!("({})", self.query()?),
            3 => format!("VALUES ({}), ({})", self.list(3, Self::expression)?, self.list(3, Self::expression)?),
            4 => format!("TABLE {}", self.pick(&RELATIONS)?),
            _ => self.select()?,
        };
        let order = match self.choice(6)? {
            1 => format!(" ORDER BY {}", self.list(3, Self::expression)?),
            2 => format!(" ORDER BY {} DESC NULLS LAST", self.bytes.int_in_range(0..=4_u8)?),
            _ => String::new(),
        };
        let limit = match self.choice(8)? {
            1 => format!(" LIMIT {}", self.bytes.int_in_range(0..=50_u8)?),
            2 => format!(" OFFSET {} LIMIT ALL", self.expression()?),
            3 => " FETCH FIRST 3 ROWS WITH TIES".to_owned(),
            4 => format!(" LIMIT ({})", self.expression()?),
            5 => " FOR UPDATE".to_owned(),
            _ => String::new(),
        };
        Ok(format!("{with}{body}{order}{limit}"))
    }

    fn select(&mut self) -> Result<String> {
        let distinct = match self.choice(8)? {
            1 => "DISTINCT ".to_owned(),
            2 => format!("DISTINCT ON ({}) ", self.expression()?),
            _ => String::new(),
        };
        let outputs = self.list(4, Self::output)?;
        let from = match self.choice(10)? {
            9 => String::new(),
            _ => format!(" FROM {}", self.list(2, Self::relation)?),
        };
        let condition = match self.choice(3)? {
            1 => format!(" WHERE {}", self.expression()?),
            _ => String::new(),
        };
        let group = match self.choice(8)? {
            1 => format!(" GROUP BY {}", self.list(3, Self::expression)?),
            2 => format!(" GROUP BY ROLLUP ({})", self.list(2, Self::column)?),
            3 => format!(" GROUP BY GROUPING SETS (({}), ())", self.list(2, Self::column)?),
            4 => format!(" GROUP BY 1 HAVING {}", self.expression()?),
            5 => format!(" WINDOW win AS (PARTITION BY {} ORDER BY {})", self.expression()?, self.expression()?),
            _ => String::new(),
        };
        Ok(format!("SELECT {distinct}{outputs}{from}{condition}{group}"))
    }

    fn output(&mut self) -> Result<String> {
        Ok(match self.choice(8)? {
            0 => self.column()?,
            1 => "*".to_owned(),
            2 => format!("{}.*", self.qualifier()?),
            3 => format!("{} AS {}", self.expression()?, self.pick(&["n", "s", "id", "people", "\"Order\"", "email"])?),
            _ => self.expression()?,
        })
    }

    fn relation(&mut self) -> Result<String> {
        let named = match self.choice(12)? {
            1 => {
                let join =
                    self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "NATURAL JOIN"])?;
                let (left, right) = (self.relation()?, self.relation()?);
                let on = match join {
                    "CROSS JOIN" | "NATURAL JOIN" => String::new(),
                    _ if self.choice(3)? == 1 => " USING (id)".to_owned(),
                    _ => format!(" ON {}", self.expression()?),
                };
                return Ok(format!("{left} {join} {right}{on}"));
            }
            2 => format!("({})", self.query()?),
            3 => format!("LATERAL ({})", self.query()?),
            4 => format!(
                "{}({})",
                self.pick(&["generate_series", "unnest", "jsonb_each", "json_to_recordset"])?,
                self.list(2, Self::expression)?
            ),
            5 => format!("ONLY {}", self.pick(&RELATIONS)?),
            6 => format!("ROWS FROM (generate_series(1, {})) WITH ORDINALITY", self.expression()?),
            7 => format!("{} TABLESAMPLE SYSTEM (10)", self.pick(&RELATIONS)?),
            _ => self.pick(&RELATIONS)?.to_owned(),
        };
        Ok(match self.choice(4)? {
            1 => format!("{named} AS {}", self.pick(&["people", "orders", "w", "t", "\"T\"", "public"])?),
            2 => format!("{named} {}({})", self.alias(), self.pick(&["a", "a, b", "id, id", "ssn, email"])?),
            3 => format!("{named} {}", self.alias()),
            _ => named,
        })
    }

    fn qualifier(&mut self) -> Result<&'static str> {
        self.pick(&["people", "orders", "w", "x", "t", "t1", "t2", "public.people", "visits", "\"Odd Name\"", "\"T\""])
    }

    fn column(&mut self) -> Result<String> {
        let column = self.pick(&COLUMNS)?;
        Ok(match self.choice(4)? {
            1 | 2 => format!("{}.{column}", self.qualifier()?),
            3 => format!("({}).{column}", self.qualifier()?),
            _ => column.to_owned(),
        })
    }

    fn constant(&mut self) -> Result<String> {
        Ok(match self.bytes.int_in_range(0..=11_u8)? {
            0 => self.bytes.int_in_range(-20..=2000_i16)?.to_string(),
            1 => "NULL".to_owned(),
            2 => "true".to_owned(),
            3 => format!("${}", self.bytes.int_in_range(1..=3_u8)?),
            4 => "E'\\'x\\\\'".to_owned(),
            5 => "DATE '2024-02-29'".to_owned(),
            6 => "INTERVAL '1 day'".to_owned(),
            7 => "1.5e3".to_owned(),
            8 => "ARRAY[1, 2]".to_owned(),
            9 => "'{\"k\": [1]}'::jsonb".to_owned(),
            10 => "$q$it's$q$".to_owned(),
            _ => self.pick(&["'a'", "'EU'", "'%'", "'public.people'", "''", "U&'d\\0061t'"])?.to_owned(),
        })
    }

    fn expression(&mut self) -> Result<String> {
        Ok(match self.choice(26)? {
            0..=4 => self.column()?,
            5..=7 => self.constant()?,
            8..=10 => {
                let operator = self.pick(&OPERATORS)?;
                format!("{} {operator} {}", self.expression()?, self.expression()?)
            }
            11 => format!("({})", self.expression()?),
            12 => format!("{}({})", self.pick(&FUNCTIONS)?, self.list(3, Self::expression)?),
            13 => {
                let (function, distinct) = (self.pick(&AGGREGATES)?, self.pick(&["", "", "DISTINCT "])?);
                let filter = if self.choice(4)? == 1 {
                    format!(" FILTER (WHERE {})", self.expression()?)
                } else {
                    String::new()
                };
                format!("{function}({distinct}{}){filter}", self.list(2, Self::expression)?)
            }
            14 => {
                let over = match self.choice(4)? {
                    1 => "win".to_owned(),
                    2 => format!(
                        "(PARTITION BY {} ORDER BY {} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
                        self.expression()?,
                        self.expression()?
                    ),
                    _ => format!("(ORDER BY {})", self.expression()?),
                };
                format!("{}() OVER {over}", self.pick(&["row_number", "rank", "count", "lag", "first_value"])?)
            }
            15 => format!("({})::{}", self.expression()?, self.pick(&TYPES)?),
            16 => format!("CAST({} AS {})", self.expression()?, self.pick(&TYPES)?),
            17 => {
                format!("CASE WHEN {} THEN {} ELSE {} END", self.expression()?, self.expression()?, self.expression()?)
            }
            18 => format!("({})", self.query()?),
            19 => format!("{} IN ({})", self.expression()?, self.query()?),
            20 => format!("{} IN ({})", self.expression()?, self.list(4, Self::expression)?),
            21 => format!("{}EXISTS ({})", self.pick(&["", "NOT "])?, self.query()?),
            22 => format!("{} = {} ({})", self.expression()?, self.pick(&["ANY", "ALL", "SOME"])?, self.expression()?),
            23 => format!(
                "{} {}BETWEEN {} AND {}",
                self.expression()?,
                self.pick(&["", "NOT ", "SYMMETRIC "])?,
                self.expression()?,
                self.expression()?
            ),
            24 => format!("ROW({})", self.list(3, Self::expression)?),
            _ => match self.bytes.int_in_range(0..=7_u8)? {
                0 => format!("ARRAY({})", self.query()?),
                1 => format!("{} IS NOT NULL", self.expression()?),
                2 => format!("NOT {}", self.expression()?),
                3 => format!("- {}", self.expression()?),
                4 => format!("EXTRACT(year FROM {})", self.expression()?),
                5 => format!("{} COLLATE \"C\"", self.expression()?),
                6 => format!("({})[{}]", self.expression()?, self.expression()?),
                _ => format!("{} AT TIME ZONE 'UTC'", self.expression()?),
            },
        })
    }
}
