//! Connections from their first byte to their last, over streams in memory.

mod client;
mod fake;
mod login;
mod protocol;
mod stopping;
