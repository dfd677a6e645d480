//! Who is there: SCRAM-SHA-256 over SASL, with channel binding over TLS.

mod login;
pub mod scram;

pub(super) use login::{AuthSecret, Claim, Denied, authenticate};
