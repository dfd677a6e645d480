//! The views that the gateway keeps in a schema of an upstream: made when a statement first needs them, looked at before
//! each use, dropped when others are needed more.
//!
//! INVARIANT: a statement that reads a view is sent only after the upstream has shown the view as it was when this process
//! made it, in a schema in which nobody else may create. What can't be made or is not so is fenced instead.

use super::shelf::{Held, Kept, is_name};
use super::{Unready, WAIT};
use crate::catalog::ViewSettings;
use crate::execute::upstream::error::UpstreamError;
use crate::execute::upstream::lease::Lease;
use crate::execute::upstream::pool::Pool;
use crate::execute::upstream::settings::SessionSettings;
use crate::govern::forward::BarrierView;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// The owner of connections that make views: no user has this name.
const OWNER: &str = "\0views";
/// How long making or dropping a view waits for statements that read the one of that name.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout TO '1s'";

/// What is wrong with the schema for views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// There is none of that name.
    #[error("does not exist")]
    Absent,
    /// The login does not own it.
    #[error("is not the login's own")]
    NotOwned,
    /// Somebody else may create in it.
    #[error("is one in which others may create")]
    Shared,
    /// Somebody else may act as the login.
    #[error("is the login's, which other roles are members of")]
    Members,
    /// The server takes no DDL.
    #[error("lies on a standby, which takes no views")]
    Standby,
}

/// Whether the schema is the login's alone: exists, owned, created in by the owner only, owned by nobody's group.
fn schema_question(schema: &str) -> String {
    format!(
        "SELECT n.nspowner = r.oid, \
         EXISTS (SELECT 1 FROM pg_catalog.aclexplode(n.nspacl) AS a \
             WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner), \
         EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS m \
             WHERE NOT m.rolsuper AND m.oid <> r.oid AND pg_catalog.pg_has_role(m.oid, r.oid, 'MEMBER')), \
         pg_catalog.pg_is_in_recovery() \
         FROM pg_catalog.pg_namespace AS n CROSS JOIN pg_catalog.pg_roles AS r \
         WHERE r.rolname = current_user AND n.nspname = {}",
        escape_literal(schema)
    )
}

/// How the upstream shows views: one row for each that is there and sound, with its definition.
fn views_question(schema: &str, names: &BTreeSet<&str>) -> String {
    let names: Vec<String> = names.iter().map(|name| escape_literal(name)).collect();
    format!(
        "SELECT c.relname, pg_catalog.pg_get_viewdef(c.oid) \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles AS r ON r.rolname = current_user \
         WHERE n.nspname = {} AND c.relname IN ({}) AND c.relkind = 'v' AND c.relowner = r.oid AND n.nspowner = r.oid \
         AND c.reloptions = ARRAY['security_barrier=true'] \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(n.nspacl) AS a \
             WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner) \
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN')",
        escape_literal(schema),
        names.join(", ")
    )
}

/// The views of one upstream.
#[derive(Debug)]
pub struct ManagedViews {
    settings: ViewSettings,
    shelf: Arc<Kept>,
}

impl ManagedViews {
    /// The views of a schema, of which nothing is known yet.
    pub fn new(settings: ViewSettings) -> Self {
        let shelf = Arc::new(Kept::new(settings.max));
        Self { settings, shelf }
    }

    pub(super) fn shelf(&self) -> &Arc<Kept> {
        &self.shelf
    }

    /// Where they lie, and how many there may be.
    pub fn settings(&self) -> &ViewSettings {
        &self.settings
    }

    /// Looks whether the schema is fit to hold views, and which of another time are in it.
    ///
    /// # Errors
    /// As [`Lease::run`]. The inner one: views may not be made.
    pub async fn adopt(
        &self,
        lease: &mut Lease,
        deadline: Option<Instant>,
    ) -> Result<Result<(), SchemaFault>, UpstreamError> {
        let question = schema_question(&self.settings.schema);
        let row = lease.table(&question, deadline).await?.into_iter().next();
        let Some([owned, shared, members, standby]) = row else { return Ok(Err(SchemaFault::Absent)) };
        let is = |value: &Option<String>| value.as_deref() == Some("t");
        for (wrong, fault) in [
            (!is(&owned), SchemaFault::NotOwned),
            (is(&shared), SchemaFault::Shared),
            (is(&members), SchemaFault::Members),
            (is(&standby), SchemaFault::Standby),
        ] {
            if wrong {
                return Ok(Err(fault));
            }
        }
        let question = format!(
            "SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relkind = 'v' AND c.relname LIKE 'v\\_%'",
            escape_literal(&self.settings.schema)
        );
        let names = lease.table(&question, deadline).await?;
        let names = names.into_iter().filter_map(|[name]| name).filter(|name| is_name(name, "v_"));
        names.for_each(|name| self.shelf.found(name));
        Ok(Ok(()))
    }

    /// Makes sure that views are there as they must be.
    pub(super) async fn ready(&self, pool: &Pool, views: &[BarrierView]) -> Result<Held, Unready> {
        let deadline = Instant::now() + WAIT;
        let _while_looking = self.shelf.hold(views.iter().map(BarrierView::name));
        let mut lease = pool.lease(OWNER, &SessionSettings::default(), Some(deadline)).await?;
        lease.make_ready().await?;
        let names: BTreeSet<&str> = views.iter().map(BarrierView::name).collect();
        let mut shown = self.shown(&mut lease, &names).await?;
        for view in views {
            if self.is_as_made(view, &shown) {
                continue;
            }
            let _maker = self.shelf.making().await;
            // Another statement may have made it in the meantime.
            let one = BTreeSet::from([view.name()]);
            shown = self.shown(&mut lease, &one).await?;
            if !self.is_as_made(view, &shown) {
                self.make(&mut lease, view, &shown).await?;
            }
        }
        self.shelf.used(views.iter().map(BarrierView::name));
        Ok(self.shelf.hold(views.iter().map(BarrierView::name)))
    }

    async fn shown(
        &self,
        lease: &mut Lease,
        names: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, String>, UpstreamError> {
        let rows = lease.connection().own(&[&views_question(&self.settings.schema, names)]).await?;
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    fn is_as_made(&self, view: &BarrierView, shown: &BTreeMap<String, String>) -> bool {
        let made = self.shelf.shown(view.name());
        made.is_some() && made.as_ref() == shown.get(view.name())
    }

    /// Makes a view, in the place of whatever has its name.
    async fn make(
        &self,
        lease: &mut Lease,
        view: &BarrierView,
        shown: &BTreeMap<String, String>,
    ) -> Result<(), Unready> {
        if self.shelf.shown(view.name()).is_some() {
            let is_there = shown.contains_key(view.name());
            tracing::error!(
                schema = view.schema(),
                view = view.name(),
                is_there,
                "a view of the gateway's was changed or dropped by somebody else, and is made anew"
            );
        }
        self.make_room(lease, view.name()).await?;
        let name = qualified(view.schema(), view.name());
        let create = format!("CREATE VIEW {name} WITH (security_barrier=true) AS {}", view.definition());
        let names = BTreeSet::from([view.name()]);
        // In one transaction, and read back within it: nobody else can have had a hand in what is shown.
        let rows = lease
            .connection()
            .own(&[
                "BEGIN READ WRITE",
                LOCK_TIMEOUT,
                &format!("DROP VIEW IF EXISTS {name}"),
                &create,
                &views_question(view.schema(), &names),
                "COMMIT",
            ])
            .await?;
        let shown = rows.into_iter().filter_map(pair).find(|(of, _)| of == view.name());
        let (_, shown) = shown.ok_or(Unready::Different)?;
        self.shelf.made(view.name(), shown);
        Ok(())
    }

    /// Drops the view that has been used least lately, if there is no room for another.
    async fn make_room(&self, lease: &mut Lease, new: &str) -> Result<(), Unready> {
        for victim in self.shelf.make_room(new)? {
            let name = qualified(&self.settings.schema, &victim);
            let statement = format!("DROP VIEW IF EXISTS {name}");
            let dropped = lease.connection().own(&["BEGIN READ WRITE", LOCK_TIMEOUT, &statement, "COMMIT"]).await;
            if let Err(error) = dropped {
                // Still there: it counts, and is tried again.
                self.shelf.found(victim);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", escape_identifier(schema), escape_identifier(name))
}

fn pair(row: Vec<Option<String>>) -> Option<(String, String)> {
    let mut row = row.into_iter();
    Some((row.next()??, row.next()??))
}
