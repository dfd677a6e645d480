//! The PostgreSQL wire protocol: accept, encrypt, authenticate, then messages in and messages out.
//!
//! The loop is our own, over our own strict reading of messages: a frame is bounded before it is read, a body is read
//! inside its frame and must be used up, and text that is not UTF-8 is an error, not a guess. What a client sends never
//! becomes a panic, an allocation that it did not pay for in bytes, or a silent close.

pub mod auth;
mod backend;
mod cancel;
mod config;
mod connection;
mod extended;
mod frontend;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod gatekeeper;
mod guard;
mod inbox;
mod interrupt;
mod origin;
mod outbox;
mod server;
mod startup;
mod startups;
pub mod tls;

pub use cancel::{Armed, CancelRegistry, Cancelled, Registration};
pub use config::{LoginLimits, TlsMode, WireConfig};
pub use gatekeeper::{Gatekeeper, LoginAttempt, SessionOpening, VerifierForm};
pub use interrupt::{Interrupt, Phase};
pub use server::serve;

#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
mod tests;
