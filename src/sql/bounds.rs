//! How large and how deep a statement may be: decided on tokens, before any tree exists.
//!
//! A tree that is too deep can't even be dropped without running out of stack, so there is no later place for this.
//! INVARIANT: [`measure`] never gives less than the depth of the tree that the parser would build.

use super::lexer::{Kind, Token};

/// Bounds on one query string. What exceeds them is refused with `54001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseBounds {
    /// Bytes of the whole text.
    pub max_bytes: usize,
    /// Tokens of the whole text.
    pub max_tokens: usize,
    /// Parentheses, brackets and CASE inside of each other.
    pub max_nesting: usize,
    /// Levels of the tree: a chain of operators makes one level each (`a OR b OR c` has two). A parenthesis or CASE
    /// weighs as much as two, a UNION as four, a query in parentheses as six.
    pub max_depth: usize,
    /// Tables, joins and subqueries in FROM, in one statement.
    pub max_relations: usize,
    /// Statements in one text.
    pub max_statements: usize,
}

impl Default for ParseBounds {
    /// For threads with the 2 MB of stack that they have by default.
    fn default() -> Self {
        Self::for_stack(2 << 20)
    }
}

impl ParseBounds {
    /// Bounds for threads with so many bytes of stack. Copying a tree takes the most: up to 4.4 kB for one level of
    /// operators in builds without optimization. One level is allowed for each 10 kB, which leaves as much again to the code
    /// that walks trees.
    pub fn for_stack(bytes: usize) -> Self {
        Self {
            max_bytes: 2 << 20,
            max_tokens: 400_000,
            max_nesting: 64,
            max_depth: (bytes / (10 << 10)).min(4_000),
            max_relations: 500,
            max_statements: 1_000,
        }
    }
}

/// Which bound a text exceeds, and what it is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    Bytes(usize),
    Tokens(usize),
    Nesting(usize),
    Depth(usize),
    Relations(usize),
    Statements(usize),
}

/// What one group (a statement, a parenthesis, a CASE) adds to the depth.
///
/// OR binds less than AND, and AND less than all else, so a run of expression is at most as deep as its ORs, plus the
/// most ANDs between two ORs, plus the most other operators between two of either, plus what is nested in it.
#[derive(Default)]
struct Group {
    is_case: bool,
    opens_with_group: bool,
    holds_query: bool,
    inner_query: bool,
    set_operations: usize,
    deepest_run: usize,
    ors: usize,
    most_ands: usize,
    ands: usize,
    most_others: usize,
    others: usize,
    deepest_child: usize,
    doublings: usize,
    /// Joins whose ON or USING is still to come: the next one stands inside of them.
    open_joins: usize,
    most_open_joins: usize,
}

impl Group {
    fn join(&mut self) {
        self.open_joins += 1;
        self.most_open_joins = self.most_open_joins.max(self.open_joins);
    }

    fn or(&mut self) {
        self.and();
        self.most_ands = self.most_ands.max(self.ands - 1);
        self.ands = 0;
        self.ors += 1;
    }

    fn and(&mut self) {
        self.most_others = self.most_others.max(self.others);
        self.others = 0;
        self.ands += 1;
    }

    fn end_run(&mut self) {
        let ands = self.most_ands.max(self.ands);
        let others = self.most_others.max(self.others);
        self.deepest_run = self.deepest_run.max(self.ors + ands + others + self.deepest_child);
        (self.ors, self.most_ands, self.ands, self.most_others, self.others, self.deepest_child) = (0, 0, 0, 0, 0, 0);
    }

    fn depth(mut self) -> usize {
        self.end_run();
        let own = if self.holds_query { QUERY_WEIGHT } else { GROUP_WEIGHT };
        self.set_operations * UNION_WEIGHT
            + self.most_open_joins.saturating_sub(1) * QUERY_WEIGHT
            + self.deepest_run
            + own
    }
}

/// What levels weigh, measured by the stack that copying them takes.
const GROUP_WEIGHT: usize = 2;
const UNION_WEIGHT: usize = 4;
const QUERY_WEIGHT: usize = 6;

/// How often two parentheses that open together around a query may stand inside of each other: the parser tries each
/// such pair twice (as a table and as a join), so its work doubles with each.
const MAX_DOUBLINGS: usize = 8;

/// Whether joins are read as `a JOIN b JOIN c ON … ON …` nests them. A NATURAL join has no ON that would end it, and the
/// parser does not ask: a statement with one has its other nested joins in parentheses.
pub(super) fn nests_joins(tokens: &[Token<'_>]) -> bool {
    !tokens.iter().any(|token| token.is_word("natural"))
}

/// Measures the tokens of one statement.
///
/// # Errors
/// The first bound that they exceed.
pub(super) fn measure(tokens: &[Token<'_>], bounds: &ParseBounds) -> Result<usize, Exceeded> {
    let mut groups = vec![Group::default()];
    let mut joins = 0_usize;
    let nests = nests_joins(tokens);
    let mut before: Option<Token<'_>> = None;
    for token in tokens {
        let follows_dot = before.is_some_and(|token| token.is_symbol("."));
        let follows_as = before.is_some_and(|token| token.is_word("as"));
        let role = if follows_dot { Role::Plain } else { role(token, before.as_ref()) };
        let opened = before.is_some_and(|token| token.is_symbol("("));
        let nesting = groups.len();
        let Some(group) = groups.last_mut() else { break };
        match role {
            Role::Open { is_case } if !(is_case && follows_as) => {
                if token.is_symbol("[") {
                    group.others += 1;
                }
                if opened {
                    group.opens_with_group = true;
                }
                if nesting > bounds.max_nesting {
                    return Err(Exceeded::Nesting(bounds.max_nesting));
                }
                groups.push(Group { is_case, ..Group::default() });
            }
            Role::Close { is_case } if group.is_case == is_case && nesting > 1 && !follows_as => {
                let Some(closed) = groups.pop() else { break };
                let holds_query = closed.holds_query || closed.inner_query;
                let doubles = usize::from(closed.opens_with_group && holds_query);
                let doublings = closed.doublings + doubles;
                if doublings > MAX_DOUBLINGS {
                    return Err(Exceeded::Nesting(bounds.max_nesting));
                }
                let depth = closed.depth();
                if let Some(parent) = groups.last_mut() {
                    parent.deepest_child = parent.deepest_child.max(depth);
                    parent.doublings = parent.doublings.max(doublings);
                    parent.inner_query |= holds_query;
                }
            }
            Role::Open { .. } | Role::Close { .. } | Role::Plain => {}
            Role::Or => group.or(),
            Role::And => group.and(),
            Role::Operator => group.others += 1,
            Role::SetOperation => {
                group.end_run();
                group.set_operations += 1;
            }
            Role::Query => {
                group.end_run();
                group.holds_query = true;
            }
            Role::Join => {
                group.end_run();
                joins += 1;
                if nests && before.is_none_or(|before| !before.is_word("cross")) {
                    group.join();
                    if nesting.saturating_add(group.open_joins) > bounds.max_nesting {
                        return Err(Exceeded::Nesting(bounds.max_nesting));
                    }
                }
            }
            Role::JoinCondition => {
                group.end_run();
                group.open_joins = group.open_joins.saturating_sub(1);
            }
            Role::End => group.end_run(),
        }
        if group_too_deep(&groups, bounds) {
            return Err(Exceeded::Depth(bounds.max_depth));
        }
        before = Some(*token);
    }
    if joins > bounds.max_relations {
        return Err(Exceeded::Relations(bounds.max_relations));
    }
    let depth = groups.into_iter().rev().fold(0, |inner, mut group| {
        group.deepest_child = group.deepest_child.max(inner);
        group.depth()
    });
    if depth > bounds.max_depth { Err(Exceeded::Depth(bounds.max_depth)) } else { Ok(depth) }
}

/// An early way out for the innermost group alone, so that a text of chains is not read to its end.
fn group_too_deep(groups: &[Group], bounds: &ParseBounds) -> bool {
    groups.last().is_some_and(|group| {
        group.ors.max(group.ands).max(group.others).max(group.set_operations).max(group.deepest_run) > bounds.max_depth
    })
}

enum Role {
    Open { is_case: bool },
    Close { is_case: bool },
    Or,
    And,
    Operator,
    SetOperation,
    Query,
    Join,
    JoinCondition,
    End,
    Plain,
}

fn role(token: &Token<'_>, before: Option<&Token<'_>>) -> Role {
    match token.kind {
        Kind::Symbol => match token.text {
            "(" | "[" => Role::Open { is_case: false },
            ")" | "]" => Role::Close { is_case: false },
            "," | ";" => Role::End,
            _ => Role::Operator,
        },
        Kind::Word => word_role(token, before),
        Kind::QuotedIdentifier
        | Kind::UnicodeIdentifier
        | Kind::Text
        | Kind::EscapedText
        | Kind::UnicodeText
        | Kind::NationalText
        | Kind::Bits
        | Kind::HexBits
        | Kind::DollarText
        | Kind::Number
        | Kind::Parameter => Role::Plain,
    }
}

fn word_role(token: &Token<'_>, before: Option<&Token<'_>>) -> Role {
    // The words that end a run are all reserved: none of them can be a column's name in the middle of an expression.
    const ENDS: [&str; 11] =
        ["where", "having", "group", "order", "limit", "offset", "when", "then", "else", "window", "fetch"];
    const OPERATORS: [&str; 16] = [
        "not", "is", "in", "like", "ilike", "similar", "between", "collate", "at", "isnull", "notnull", "overlaps",
        "escape", "operator", "any", "all",
    ];
    let is = |word: &str| token.text.eq_ignore_ascii_case(word);
    let is_one_of = |words: &[&str]| words.iter().any(|word| is(word));
    if token.text.len() > 9 {
        Role::Plain
    } else if is("or") {
        Role::Or
    } else if is("and") {
        Role::And
    } else if is("case") {
        Role::Open { is_case: true }
    } else if is("end") {
        Role::Close { is_case: true }
    } else if is_one_of(&["union", "intersect", "except"]) {
        Role::SetOperation
    } else if is_one_of(&["select", "values", "with", "table"]) {
        Role::Query
    } else if is("join") {
        Role::Join
    } else if is_one_of(&["on", "using"]) {
        Role::JoinCondition
    } else if is("from") {
        // `a IS DISTINCT FROM b` goes on; `extract(x FROM y)` and `FROM t` begin anew.
        if before.is_some_and(|before| before.is_word("distinct")) { Role::Plain } else { Role::End }
    } else if is_one_of(&ENDS) {
        Role::End
    } else if is_one_of(&OPERATORS) {
        Role::Operator
    } else {
        Role::Plain
    }
}
