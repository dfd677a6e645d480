//! The room for the durable store: workspaces with their states and lifetimes, approvals, exceptions.
//!
//! Nothing is here yet, on purpose. Until it is, workspaces are what `catalog/workspaces.yaml` says, they are always
//! ACTIVE, no approval exists (a policy sees an empty `input.user.approvals`), and counts of statements live in memory
//! (`quota`). What comes here, one file for each: `store` (SQLite by default, PostgreSQL when several gateways share
//! it), `workspaces` (states and transitions), `approvals` (who asked, who may decide, until when) and `egress` (what a
//! workspace has exported today).
//!
//! Place in the house: above `pipeline`, beside `quota`, below `audit`. A change of state is recorded in the audit log
//! before it takes effect, so the caller, not this module, holds the audit sink. What the policies need of it comes to
//! the pipeline as values (`policy::Approval`), never as a handle to the store.
