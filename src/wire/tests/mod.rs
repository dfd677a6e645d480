//! Connections from their first byte to their last, over streams in memory.

mod client;
mod fake;
#[cfg(test)]
mod login;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod stopping;

pub(super) use client::Server;
