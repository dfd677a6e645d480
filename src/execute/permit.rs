//! What it takes to run a statement: governed, audited, metered and bounded, by construction.

use crate::audit::{AuditReceipt, Beginning};
use crate::govern::GovernedStatement;
use crate::quota::{Deadline, Reservation};
use std::sync::Arc;

/// The right to run one statement once. It is spent by value.
///
/// A statement alone is not enough:
///
/// ```compile_fail
/// fn run(statement: querygate::govern::GovernedStatement) -> querygate::execute::ExecutionPermit {
///     statement.into()
/// }
/// ```
///
/// nor can a permit be used twice:
///
/// ```compile_fail
/// fn twice(permit: querygate::execute::ExecutionPermit) -> [querygate::execute::ExecutionPermit; 2] {
///     [permit.clone(), permit]
/// }
/// ```
///
/// nor can anybody but the governor make a governed statement:
///
/// ```compile_fail
/// let statement = querygate::govern::GovernedStatement { relations: Vec::new() };
/// ```
///
/// Its beginning is in the log, or, for a statement that reads in an upstream, on its way there
/// ([`Announced`](crate::audit::Announced)).
#[derive(Debug)]
pub struct ExecutionPermit<B = AuditReceipt> {
    statement: Arc<GovernedStatement>,
    beginning: B,
    reservation: Reservation,
    deadline: Deadline,
}

impl<B: Beginning> ExecutionPermit<B> {
    /// Brings together what a statement needs before it may run.
    pub fn new(statement: Arc<GovernedStatement>, beginning: B, reservation: Reservation, deadline: Deadline) -> Self {
        Self { statement, beginning, reservation, deadline }
    }

    /// The statement.
    pub fn statement(&self) -> &Arc<GovernedStatement> {
        &self.statement
    }

    /// The bound on its time.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Spends the permit: what must be kept until the statement ends.
    pub fn spend(self) -> (Arc<GovernedStatement>, B, Reservation, Deadline) {
        (self.statement, self.beginning, self.reservation, self.deadline)
    }
}
