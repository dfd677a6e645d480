//! PostgreSQL upstreams: connections, pools, and statements on them.
//!
//! This module is the sole owner of connections to upstreams. [`Forwarding::run`] runs the statement of a permit; all else
//! runs texts that it is given and knows nothing of governing.
//!
//! - [`dsn`] reads connection strings; [`Pool`] makes and lends connections, as [`Lease`]s.
//! - [`Lease::run`] runs one statement and gives a [`Run`], which streams its rows as they lie on the wire.
//! - [`Holdings`] are the connections that a client's transaction, or its session, keeps between its statements.
//! - [`Canceller`] stops what a lease runs, and nothing else.
//!
//! What must stay true: rows are never decoded here; nothing is read ahead of who asks for it; a session never carries
//! anything from one owner to another; every connection is verified as its connection string says, or refused.

mod breaker;
mod cancel;
mod codes;
mod connect;
mod connection;
mod control;
mod describe;
pub mod dsn;
mod error;
mod forwarded;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod holdings;
mod inspect;
mod introspect;
mod lease;
mod login;
mod managed;
mod message;
mod pages;
mod pool;
mod query;
mod request;
mod settings;
mod statements;
mod tls;
mod transport;

pub use cancel::Canceller;
pub use connection::TransactionStatus;
pub use control::{Control, Isolation};
pub use describe::Described;
pub use dsn::Dsn;
pub use error::{LoginError, ProtocolError, UpstreamError};
pub use forwarded::{Asked, Description, Forwarding, ForwardingError, Means, Running, Sendable, sql_type_of};
pub use frame::{RowBatch, RowKind};
pub use holdings::{Holdings, HoldingsError, OpenTransaction, SavepointStep, TransactionModes};
pub use introspect::{Relation, RelationColumn, RelationKind};
pub use lease::Lease;
pub use managed::{Managed, ManagedRows, ManagedViews, RowsFault, SchemaFault, TableFault};
pub use message::{Column, Format, ServerMessage};
pub use pages::{Demand, Pages};
pub use pool::{LONGEST_MESSAGE, Pool, PoolStats};
pub use query::{Event, Run};
pub use request::{CommandTag, Parameter, Request};
pub use settings::SessionSettings;
pub use tls::TlsError;
