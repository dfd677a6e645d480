//! Querygate: a query gateway that speaks the PostgreSQL protocol and governs every statement.
//!
//! Data flows one way: `wire -> session -> pipeline (parse, resolve, decide, rewrite, verify) -> execute -> egress ->
//! wire`, with the audit log at the side. See `ARCHITECTURE.md` for the map.
#![forbid(unsafe_code)]

pub mod audit;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod control;
pub mod decision;
pub mod demo;
pub mod egress;
pub mod error;
pub mod execute;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gateway;
pub mod govern;
pub mod pipeline;
pub mod policy;
pub mod quota;
pub mod server;
pub mod session;
pub mod sql;
pub mod types;
pub mod wire;
