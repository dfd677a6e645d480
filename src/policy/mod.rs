//! The decision point: Rego policies, compiled once, asked for each dataset of each statement.
//!
//! Pure: the policies' texts and the time come in as values. No answer, an error or a type surprise is a denial.

mod answer;
mod bundle;
mod cache;
mod check;
mod engine;
mod input;
mod load;
mod merge;
mod rego;
mod request;
mod spread;
pub mod testing;

#[cfg(test)]
mod tests;

pub use crate::catalog::{Finding as PolicyFinding, FindingSeverity};
pub use bundle::{PolicyBundle, PolicyFile};
pub use request::{AccessRequest, Action, Approval, Circumstances, Environment, StatementFacts};
