//! What the front end needs to let somebody in: verifiers, workspaces, the audit log, and a session.

use crate::catalog::{Principal, Workspace};
use crate::error::ErrorReport;
use crate::session::Session;
use crate::types::{Redacted, SessionId};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// One attempt to log in, for the audit log.
#[derive(Debug, Clone)]
pub struct LoginAttempt {
    /// Which connection.
    pub session: SessionId,
    /// The user name that was given. Nobody has proved it yet.
    pub user: String,
    /// The database name that was given.
    pub database: String,
    /// From where.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What the client calls itself.
    pub application_name: String,
    /// If it was held back because of earlier failures, its password not looked at: how many of its address were since one
    /// of them was last recorded, this one among them.
    pub held_back: Option<u64>,
}

/// What anybody who knows a user's name is told of their password: nothing that must be kept, and nothing that may differ
/// between users who are there and users who are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierForm {
    /// Rounds of the hash.
    pub iterations: u32,
    /// Bytes of the salt.
    pub salt_bytes: usize,
}

/// A connection whose user has proved who they are.
#[derive(Debug)]
pub struct SessionOpening {
    /// Which connection.
    pub session: SessionId,
    /// Who.
    pub principal: Arc<Principal>,
    /// Where.
    pub workspace: Arc<Workspace>,
    /// From where.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What the start-up message asked for, `user` and `database` not among it.
    pub startup_parameters: BTreeMap<String, String>,
    /// The process id of BackendKeyData.
    pub backend_pid: i32,
}

/// Lets people in. The composition root implements it over catalog, audit log and engine.
#[async_trait]
pub trait Gatekeeper: Send + Sync + 'static {
    /// A user's SCRAM-SHA-256 verifier; `None` if there is no such user or they can't log in with a password.
    fn verifier(&self, user: &str) -> Option<Redacted<String>>;

    /// The form that the password of a user who is not there would have: of the forms that there are, each gets its share
    /// of the numbers from 0 to `u64::MAX`. The same for the same number while the users stay the same.
    fn decoy_form(&self, number: u64) -> VerifierForm;

    /// Who a user is and the workspace they may enter. Asked only after the password was right.
    ///
    /// # Errors
    /// 3D000 with one and the same text for a workspace that does not exist and one that they are no member of.
    fn login(&self, user: &str, database: &str) -> Result<(Arc<Principal>, Arc<Workspace>), ErrorReport>;

    /// Records a login, or its refusal with what the client is told.
    ///
    /// # Errors
    /// 58000 if it can't be recorded: nobody gets in then.
    async fn audit_login(&self, attempt: &LoginAttempt, result: Result<(), &ErrorReport>) -> Result<(), ErrorReport>;

    /// Begins the session.
    ///
    /// # Errors
    /// What [`Session::start`] says, such as 22023 for a start-up parameter that can't be set.
    async fn open_session(&self, opening: SessionOpening) -> Result<Session, ErrorReport>;
}
