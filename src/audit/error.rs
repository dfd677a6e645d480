//! Why something could not be recorded, or the log not be opened.

use crate::error::{ErrorReport, SqlState};
use std::path::PathBuf;
use std::sync::Arc;

/// The log does not take records, or can't be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// A record could not be written. The cause is for the operator, not for clients.
    #[error("audit log is not available: {cause}")]
    Unavailable {
        /// What the operating system or the writer said.
        cause: Arc<str>,
    },
    /// Another gateway writes to the same folder.
    #[error("the audit log in {} is in use by another gateway", folder.display())]
    InUse {
        /// Which folder.
        folder: PathBuf,
    },
    /// The end of the log is not what a gateway wrote: nothing may be added to it.
    #[error("the audit log is broken at {}:{line}: {what}", file.display())]
    Broken {
        /// Which segment.
        file: PathBuf,
        /// Which line, the first is 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The folder can't be opened.
    #[error("can't open the audit log in {}: {cause}", folder.display())]
    Open {
        /// Which folder.
        folder: PathBuf,
        /// What the operating system said.
        cause: Arc<str>,
    },
}

impl AuditError {
    pub(super) fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::Unavailable { cause: Arc::from(cause.to_string()) }
    }

    /// What a client is told: 58000, and nothing about folders or disks.
    pub fn report(&self) -> ErrorReport {
        match self {
            Self::Unavailable { .. } | Self::InUse { .. } | Self::Broken { .. } | Self::Open { .. } => {
                ErrorReport::new(SqlState::SYSTEM_ERROR, "audit log is not available")
                    .with_detail("A statement that can not be recorded is not run.")
                    .with_hint("Try again later; tell the gateway's operator if it lasts.")
            }
        }
    }
}
