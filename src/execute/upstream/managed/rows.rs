//! Roles that statements run as, with policies of native row security: `barrier: rls`.
//!
//! A role stands for what one statement may see (`govern::forward::RowSecurity`). It can't log in, owns nothing, is a member of
//! nothing, and may read the columns of its tables alone. On each that has row security it has one policy, which holds for
//! it alone and only while it is acted as: the login, which is its member, sees no more by it.
//!
//! A statement runs in a transaction of its own: BEGIN, LOCK, a look at the policies, SET LOCAL ROLE, the statement, COMMIT.
//! While the lock is held nobody can change row security or policies of its tables.
//!
//! INVARIANT: a text without its row filter is sent only after the upstream has shown, in that transaction, that the role's
//! policy is as this process made it, that no other one holds for it, and that row security acts on it. What can't be made
//! or is not so is fenced instead. The text itself gives nobody else a row.

use super::questions::{facts_question, fit_question, given_question};
use super::shelf::{Held, Kept, is_name};
use super::{Unready, WAIT};
use crate::catalog::RowSettings;
use crate::execute::upstream::control::{Control, Isolation};
use crate::execute::upstream::error::UpstreamError;
use crate::execute::upstream::lease::Lease;
use crate::govern::forward::{RowSecurity, SecuredRelation};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// How long a change of policies waits for statements that read the table. All others wait behind it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout TO '200ms'";
/// What the gateway's roles are called.
const PREFIX: &str = "querygate_";

/// Why the gateway can keep no roles in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowsFault {
    /// The login may make none.
    #[error("may make no roles")]
    NoRoles,
    /// The server takes no DDL.
    #[error("is on a standby, which takes no policies")]
    Standby,
}

/// Why a table is no place for policies of the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFault {
    /// It has no row security.
    Unsecured,
    /// The login is neither its owner nor a member of that.
    NotOwned,
    /// Its row security holds for its owner too.
    Forced,
    /// It has a policy that holds for everybody.
    Public,
    /// The login may not let others read it.
    Ungrantable,
    /// The login may not let others use its schema.
    Schema,
    /// A part of it is a foreign table, which is read with each role's own right.
    Foreign,
}

impl TableFault {
    /// What is wrong with a table, and what to do about it.
    pub fn told(self, schema: &str, name: &str) -> (String, String) {
        let (what, help) = match self {
            Self::Unsecured => (
                "has no row security",
                format!(
                    "have its owner run ALTER TABLE {schema}.{name} ENABLE ROW LEVEL SECURITY: from then on every other role that \
                     is not its owner sees no row of it without a policy of its own"
                ),
            ),
            Self::NotOwned => {
                ("is not the login's own", "make the login its owner, or a member of its owner's role".to_owned())
            }
            Self::Forced => (
                "forces row security on its owner",
                format!(
                    "the gateway's login must see all rows: ALTER TABLE {schema}.{name} NO FORCE ROW LEVEL SECURITY"
                ),
            ),
            Self::Public => (
                "has a policy for PUBLIC",
                "a policy for everybody holds for the gateway's roles too: name the roles it is for".to_owned(),
            ),
            Self::Ungrantable => (
                "can't be granted by the login",
                format!("GRANT SELECT ON {schema}.{name} TO the login WITH GRANT OPTION, or make the login its owner"),
            ),
            Self::Schema => (
                "lies in a schema whose use the login can't grant",
                format!("GRANT USAGE ON SCHEMA {schema} TO the login WITH GRANT OPTION"),
            ),
            Self::Foreign => ("has foreign tables among its parts", "such a table is fenced".to_owned()),
        };
        (format!("relation {schema}.{name} {what}: what is hidden of it is fenced"), help)
    }

    /// Whether a role can read the table all the same.
    pub fn leaves_readable(self) -> bool {
        self == Self::Unsecured
    }
}

/// The roles of one upstream.
#[derive(Debug)]
pub struct ManagedRows {
    settings: RowSettings,
    shelf: Arc<Kept>,
}

impl ManagedRows {
    /// The roles of an upstream, of which nothing is known yet.
    pub fn new(settings: RowSettings) -> Self {
        let shelf = Arc::new(Kept::new(settings.max));
        Self { settings, shelf }
    }

    /// How many there may be.
    pub fn settings(&self) -> &RowSettings {
        &self.settings
    }

    pub(super) fn shelf(&self) -> &Arc<Kept> {
        &self.shelf
    }

    /// Looks whether roles may be made, and which of another time there are.
    ///
    /// # Errors
    /// As [`Lease::run`]. The inner one: none may be made.
    pub async fn adopt(
        &self,
        lease: &mut Lease,
        deadline: Option<Instant>,
    ) -> Result<Result<(), RowsFault>, UpstreamError> {
        let question = "SELECT r.rolsuper OR r.rolcreaterole, pg_catalog.pg_is_in_recovery() \
                        FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER";
        match lease.table(question, deadline).await?.into_iter().next() {
            Some([_, standby]) if is_true(&standby) => return Ok(Err(RowsFault::Standby)),
            Some([roles, _]) if is_true(&roles) => {}
            Some(_) | None => return Ok(Err(RowsFault::NoRoles)),
        }
        // Those of other databases are not for this one to drop.
        let question = "SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname LIKE 'querygate\\_%' \
             AND NOT r.rolcanlogin AND pg_catalog.pg_has_role(r.oid, 'MEMBER') \
             AND (NOT EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend AS d \
                 WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = r.oid) \
               OR EXISTS (SELECT 1 FROM pg_catalog.pg_shdepend AS d \
                 JOIN pg_catalog.pg_database AS b ON b.oid = d.dbid AND b.datname = pg_catalog.current_database() \
                 WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = r.oid))";
        let names = lease.table(question, deadline).await?;
        let names = names.into_iter().filter_map(|[name]| name).filter(|name| is_name(name, PREFIX));
        names.for_each(|name| self.shelf.found(name));
        Ok(Ok(()))
    }

    /// Looks whether policies may be made on a table; `None`: there is none of that name.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub async fn fit(
        lease: &mut Lease,
        (schema, name): (&str, &str),
        deadline: Option<Instant>,
    ) -> Result<Option<Result<(), TableFault>>, UpstreamError> {
        let row = lease.table(&fit_question(schema, name), deadline).await?.into_iter().next();
        let Some([foreign, usable, secured, owned, forced, public, grantable]) = row else { return Ok(None) };
        let secured = is_true(&secured);
        let faults = [
            (is_true(&foreign), TableFault::Foreign),
            (!is_true(&usable), TableFault::Schema),
            (secured && !is_true(&owned), TableFault::NotOwned),
            (secured && is_true(&forced), TableFault::Forced),
            (secured && is_true(&public), TableFault::Public),
            (!secured && !is_true(&grantable), TableFault::Ungrantable),
            (!secured, TableFault::Unsecured),
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong);
        Ok(Some(fault.map_or(Ok(()), |(_, fault)| Err(fault))))
    }

    /// Has a connection act as a role, whose policies are as they must be, for one statement.
    pub(super) async fn enter(&self, lease: &mut Lease, rows: &RowSecurity) -> Result<Held, Unready> {
        let deadline = Instant::now() + WAIT;
        let held = self.shelf.hold([rows.role()]);
        if self.act(lease, rows, deadline).await? {
            return Ok(held);
        }
        // What has been made goes on meanwhile.
        if self.shelf.is_paused() {
            return Err(Unready::Paused);
        }
        let maker = tokio::time::timeout_at(deadline, self.shelf.making()).await;
        let _maker = maker.map_err(|_| UpstreamError::Deadline)?;
        // Another statement may have made it in the meantime.
        let held = self.shelf.hold([rows.role()]);
        if self.act(lease, rows, deadline).await? {
            return Ok(held);
        }
        self.make(lease, rows, deadline).await?;
        let held = self.shelf.hold([rows.role()]);
        if self.act(lease, rows, deadline).await? { Ok(held) } else { Err(Unready::Different) }
    }

    /// Acts as a role, if it is known and as it was made.
    async fn act(&self, lease: &mut Lease, rows: &RowSecurity, deadline: Instant) -> Result<bool, UpstreamError> {
        let Some(made) = self.shelf.shown(rows.role()) else { return Ok(false) };
        let begin = Control::Begin { isolation: Isolation::ReadCommitted, read_only: true, deferrable: false }.sql();
        let secured: Vec<String> = secured(rows).map(qualified).collect();
        let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", secured.join(", ONLY "));
        let active: Vec<String> =
            secured.iter().map(|name| format!("pg_catalog.row_security_active({})", escape_literal(name))).collect();
        let acts = format!("SELECT CURRENT_USER, {}", active.join(" AND "));
        let (facts, set) = (facts_question(rows), set_role(rows));
        let steps = [&begin, &lock, &facts, &set, &acts].map(String::as_str);
        let shown = match lease.act_as(&steps, deadline).await {
            Ok(shown) => shown,
            // There is no such role or table any more, or not for the login.
            Err(UpstreamError::Server(_)) if !lease.is_broken() => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_so = match shown.as_slice() {
            [facts, acts] => {
                shown_of(facts, rows).is_some_and(|shown| shown == made)
                    && matches!(acts.as_slice(), [Some(user), active] if *user == rows.role() && is_true(active))
            }
            _other => false,
        };
        if is_so {
            self.shelf.used([rows.role()]);
        } else {
            lease.act_no_more().await?;
        }
        Ok(is_so)
    }

    /// Makes a role and its policies, in the place of whatever has its name.
    async fn make(&self, lease: &mut Lease, rows: &RowSecurity, deadline: Instant) -> Result<(), Unready> {
        if self.shelf.shown(rows.role()).is_some() {
            tracing::error!(
                role = rows.role(),
                "row security of the gateway's was changed or dropped by somebody else, and is made anew"
            );
        }
        self.make_room(lease, rows.role(), deadline).await?;
        // Another gateway, over another database of the same server perhaps, may make it at the same time.
        let mut again = true;
        let shown = loop {
            let steps = self.making_of(lease, rows, deadline).await?;
            let texts: Vec<&str> = steps.iter().map(String::as_str).collect();
            // In one transaction, and read back within it: nobody else can have had a hand in what is shown.
            match lease.act_as(&texts, deadline).await {
                Err(UpstreamError::Server(error)) if is_there_now(&error.code) && again => again = false,
                shown => break shown?,
            }
        };
        let Some(shown) = shown.first().and_then(|facts| shown_of(facts, rows)) else {
            lease.act_no_more().await?;
            return Err(Unready::Different);
        };
        lease.act_for_good(deadline).await?;
        self.shelf.made(rows.role(), shown);
        Ok(())
    }

    /// The statements that make a role what it is, and then show it.
    async fn making_of(
        &self,
        lease: &mut Lease,
        rows: &RowSecurity,
        deadline: Instant,
    ) -> Result<Vec<String>, UpstreamError> {
        let role = escape_identifier(rows.role());
        let found = format!(
            "SELECT pg_catalog.pg_has_role(r.oid, 'MEMBER') FROM pg_catalog.pg_roles AS r WHERE r.rolname = {}",
            escape_literal(rows.role())
        );
        let found = lease.act_as(&["BEGIN READ WRITE", &found], deadline).await?;
        let mut steps = vec!["BEGIN READ WRITE".to_owned(), LOCK_TIMEOUT.to_owned()];
        match found.first().map(|row| row.first().is_some_and(is_true)) {
            Some(is_member) => {
                steps.extend(self.undo(lease, rows.role(), deadline).await?);
                steps.extend((!is_member).then(|| format!("GRANT {role} TO CURRENT_USER")));
            }
            None => steps.push(format!(
                "CREATE ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOLOGIN NOREPLICATION NOBYPASSRLS \
                 ROLE CURRENT_USER"
            )),
        }
        let schemas: BTreeSet<&str> = rows.relations().iter().map(|relation| relation.name().0).collect();
        steps.extend(
            schemas.iter().map(|schema| format!("GRANT USAGE ON SCHEMA {} TO {role}", escape_identifier(schema))),
        );
        for relation in rows.relations() {
            let table = qualified(relation);
            let columns: Vec<String> = relation.columns().iter().map(|column| escape_identifier(column)).collect();
            steps.push(format!("GRANT SELECT ({}) ON TABLE {table} TO {role}", columns.join(", ")));
            if let Some(policy) = relation.policy() {
                steps.push(format!("DROP POLICY IF EXISTS {role} ON {table}"));
                // Who is a member of the role, and does not act as it, sees nothing by it. Written so that the planner
                // expects it to hold: of an equality it would expect one row in two hundred.
                let acting = format!("CASE WHEN CURRENT_USER = {} THEN 1 ELSE 0 END <> 0", escape_literal(rows.role()));
                steps.push(format!(
                    "CREATE POLICY {role} ON {table} AS PERMISSIVE FOR SELECT TO {role} USING ({acting} AND ({policy}))"
                ));
            }
        }
        steps.push(facts_question(rows));
        Ok(steps)
    }

    /// Drops the role that has been used least lately, if there is no room for another.
    async fn make_room(&self, lease: &mut Lease, new: &str, deadline: Instant) -> Result<(), Unready> {
        for victim in self.shelf.make_room(new)? {
            let dropped = self.drop_role(lease, &victim, deadline).await;
            if let Err(error) = dropped {
                // Still there: it counts, and is tried again.
                self.shelf.found(victim);
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn drop_role(&self, lease: &mut Lease, role: &str, deadline: Instant) -> Result<(), UpstreamError> {
        let mut steps = vec!["BEGIN READ WRITE".to_owned(), LOCK_TIMEOUT.to_owned()];
        steps.extend(self.undo(lease, role, deadline).await?);
        let drop = format!("DROP ROLE IF EXISTS {}", escape_identifier(role));
        let mut texts: Vec<&str> = steps.iter().map(String::as_str).collect();
        texts.push(&drop);
        match lease.act_as(&texts, deadline).await {
            // Something else hangs on it, in another database perhaps: then only what it has here goes.
            Err(UpstreamError::Server(error)) if &*error.code == "2BP01" => {
                texts.pop();
                lease.act_as(&texts, deadline).await?;
            }
            done => _ = done?,
        }
        lease.act_for_good(deadline).await
    }

    /// What takes from a role all that the gateway gave it. Nothing that the role may own is touched.
    async fn undo(&self, lease: &mut Lease, role: &str, deadline: Instant) -> Result<Vec<String>, UpstreamError> {
        let rows = lease.act_as(&["BEGIN READ WRITE", &given_question(role)], deadline).await?;
        lease.act_no_more().await?;
        let role = escape_identifier(role);
        let undo = rows.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            let (kind, schema, name) = (row.next()??, row.next()??, row.next()??);
            let schema = escape_identifier(&schema);
            let table = format!("{schema}.{}", escape_identifier(&name));
            Some(match kind.as_str() {
                "policy" => format!("DROP POLICY IF EXISTS {role} ON {table}"),
                "table" => format!("REVOKE ALL ON TABLE {table} FROM {role}"),
                _schema => format!("REVOKE ALL ON SCHEMA {schema} FROM {role}"),
            })
        });
        Ok(undo.collect())
    }
}

fn secured(rows: &RowSecurity) -> impl Iterator<Item = &SecuredRelation> {
    rows.relations().iter().filter(|relation| relation.policy().is_some())
}

fn qualified(relation: &SecuredRelation) -> String {
    let (schema, name) = relation.name();
    format!("{}.{}", escape_identifier(schema), escape_identifier(name))
}

fn set_role(rows: &RowSecurity) -> String {
    format!("SET LOCAL ROLE {}", escape_identifier(rows.role()))
}

/// Whether an error says that a role has been made by somebody else.
fn is_there_now(code: &str) -> bool {
    matches!(code, "42710" | "23505")
}

fn is_true(value: &Option<String>) -> bool {
    value.as_deref() == Some("t")
}

/// What a row of [`facts_question`] shows, if it speaks of all relations.
fn shown_of(facts: &[Option<String>], rows: &RowSecurity) -> Option<String> {
    match facts {
        [Some(count), Some(shown)] if *count == rows.relations().len().to_string() => Some(shown.clone()),
        _other => None,
    }
}
