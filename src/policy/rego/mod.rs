//! What can be said of a Rego file without evaluating it: its words, its rules, what they refer to.
//!
//! regorus parses and evaluates; its tree is private. This is a reader of its own for everything that `check` wants to
//! point at. It never decides what a policy means: at most it refuses a file that regorus would have taken.

mod shape;
mod token;

pub(super) use shape::{Import, Module, Part, Reference, Rule, closing, path_text};
pub(super) use token::{Token, TokenKind, tokens};

/// Where something stands in a file: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}
