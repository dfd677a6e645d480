//! Parameters as clients bind them.

use postgres_types::Type;

/// A parameter of a statement, in the form that it came over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundParameter {
    /// The type the client or the describe step gave it.
    pub pg_type: Type,
    /// Whether the bytes are in binary form.
    pub binary: bool,
    /// `None` is NULL.
    pub value: Option<bytes::Bytes>,
}
