//! Short cases over a small catalog: SQL in, governed tree or error code out.

mod attacks;
pub(crate) mod changed;
pub(crate) mod corpus;
mod fixture;
mod groups;
mod policies;
mod refused;
mod resolved;
mod sets;
mod verified;

/// A statement over the cases' catalog, governed by nothing: for the tests of those who run such statements.
pub(crate) fn governed(sql: &str) -> super::GovernedStatement {
    let fixture = fixture::Fixture::new();
    fixture.govern_with(sql, &fixture.open()).unwrap_or_else(|error| panic!("{sql}: {error}"))
}
