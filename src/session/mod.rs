//! One connection's state: who, where, why; settings, transaction, prepared statements, portals, cursors.
//!
//! It stands between the wire and the [`Engine`]: texts and messages come in, [`Reply`]s go out. It answers everything
//! but queries itself, and everything that it answers is recorded first. It knows no sockets and no messages' bytes.

mod argument;
mod command;
mod cursor;
mod engine;
mod extended;
mod parameter;
mod portal;
mod prepared;
mod query;
mod reply;
mod settings;
mod simple;
mod state;
mod transaction;
mod upstream_transaction;
mod write;

pub use crate::types::BoundParameter;
pub use engine::{
    Binding, Description, Engine, OpenBlock, Purpose, SessionEvent, StatementContext, StepError, TransactionStep,
    Written,
};
pub use extended::BindRequest;
pub use reply::{CopyReply, Reply, ReplyTicket, RowsEnd, RowsReply, RowsTag, StatementDescription};
pub use state::{Session, SessionLimits, SessionStart};
pub use transaction::TransactionStatus;

#[cfg(test)]
mod tests;
