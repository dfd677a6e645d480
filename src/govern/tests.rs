//! Short cases over a small catalog: SQL in, governed tree or error code out.

mod attacks;
mod fixture;
mod groups;
mod policies;
mod refused;
mod resolved;
mod sets;
mod verified;
