//! What the gateway keeps in an upstream in the place of fences: [`views`], or roles with policies of row security
//! ([`rows`]). Each is made when a statement first needs it, looked at before each use, and dropped when others are needed
//! more. What can't be made, or is not as it was made, is fenced instead.

mod questions;
mod rows;
mod shelf;
mod views;

pub use rows::{ManagedRows, RowsFault, TableFault};
pub use views::{ManagedViews, SchemaFault};

use super::error::UpstreamError;
use super::forwarded::{Forwarding, Sendable};
use super::lease::Lease;
use crate::govern::forward::ForwardedStatement;
use shelf::{Held, Kept};
use std::sync::Arc;
use std::time::Duration;

/// How long a statement waits for what it needs there before it is fenced instead.
const WAIT: Duration = Duration::from_secs(3);

/// What the gateway keeps in one upstream.
#[derive(Debug, Clone)]
pub enum Managed {
    /// Views.
    Views(Arc<ManagedViews>),
    /// Roles and policies.
    Rows(Arc<ManagedRows>),
}

/// Why a statement is fenced although it could do without.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    #[error("there is no room for another one")]
    Full,
    #[error("nothing is made for a while after a failure")]
    Paused,
    #[error("the upstream does not show it as it was made")]
    Different,
}

impl Forwarding {
    /// The text to send from a connection as it is, and whatever must be held until it has been taken. Views that it reads
    /// are there.
    pub(super) async fn ready<'a>(&self, sendable: &'a Sendable) -> (&'a ForwardedStatement, Option<Held>) {
        let fenced = (sendable.fenced(), None);
        let (Some(Managed::Views(views)), Some(forwarded)) = (&self.managed, sendable.managed()) else { return fenced };
        if views.shelf().is_paused() || forwarded.row_security().is_some() {
            return fenced;
        }
        let ready = tokio::time::timeout(WAIT, views.ready(&self.pool, forwarded.views())).await;
        match ready.unwrap_or(Err(Unready::Upstream(UpstreamError::Deadline))) {
            Ok(held) => (forwarded, Some(held)),
            Err(error) => {
                failed(views.shelf(), &error);
                fenced
            }
        }
    }

    /// Has a connection act as the role that a statement is for, if it is for one: then its text goes in one request that ends
    /// that. `None`: it is fenced.
    pub(super) async fn act<'a>(
        &self,
        lease: &mut Lease,
        sendable: &'a Sendable,
    ) -> Option<(&'a ForwardedStatement, Held)> {
        let (Some(Managed::Rows(rows)), Some(forwarded)) = (&self.managed, sendable.managed()) else { return None };
        // In a client's transaction the role would outlive the statement.
        let security = forwarded.row_security().filter(|_| self.transaction.is_none())?;
        match rows.enter(lease, security).await {
            Ok(held) => Some((forwarded, held)),
            Err(error) => {
                failed(rows.shelf(), &error);
                None
            }
        }
    }
}

/// Says what went wrong, and leaves the upstream alone for a while if it was the upstream's doing.
fn failed(shelf: &Kept, error: &Unready) {
    match error {
        Unready::Full | Unready::Paused => tracing::debug!("a statement is fenced: {error}"),
        Unready::Upstream(_) | Unready::Different => {
            shelf.pause();
            tracing::warn!(%error, "what stands in the place of fences could not be made; statements are fenced");
        }
    }
}
