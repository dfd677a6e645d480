//! SQL as text and as tree: parse, classify, sanitize, fingerprint, print.
//!
//! Nothing here knows what a name means; that is `govern`. Matches over the tree name every variant, so that an
//! upgrade of the parser breaks the build instead of opening a hole.
//!
//! Two readers must agree on every text: PostgreSQL's own grammar says whether it is SQL at all, sqlparser gives the
//! tree; their tokens are compared one by one, and then their trees ([`agreement`]). Trees hold strings and quoted names **as they were written**, with
//! doubled quotes still doubled; read them through [`literal`] and [`names`], never directly.

mod agreement;
mod bounds;
mod command;
mod copy_options;
mod dialect;
mod fingerprint;
pub mod functions;
mod grammar;
mod lexer;
pub mod literal;
pub mod names;
mod parse;
mod parse_error;
mod print;
mod reader;
mod redact;
mod refusal;
mod special;
mod stack;
mod statement;
mod template;
mod tree;
mod type_names;
mod utility;
mod utility_queries;
mod write;

pub use bounds::ParseBounds;
pub use command::{
    Command, CopyFormat, CopyOptions, CopyOut, Declare, Discard, Execute, Explain, ExplainFormat, Fetch,
    FetchDirection, ForceQuote, IsolationLevel, Prepare, Refused, Set, SetValue, Target, TransactionMode, command,
};
pub use grammar::{NotOneStatement, postgres_tree};
pub use parse::{parse, parse_expression, read_expression};
pub use parse_error::ParseError;
pub use print::{PrintError, print_checked, read_back};
pub use redact::redact_unparsed;
pub use special::VARIADIC;
pub use stack::on_deep_stack;
pub use statement::{ParsedStatement, SanitizedSql};
pub use template::{Constant, ConstantKind, Template, Templated, Templates};
pub use tree::{conjunction, plain_query, plain_select};
pub use write::{Write, WriteKind};
