//! The views that the gateway keeps in a schema of an upstream: made when a statement first needs them, looked at before
//! each use, dropped when others are needed more.
//!
//! INVARIANT: a statement that reads a view is sent only after the upstream has shown the view as it was when this process
//! made it, in a schema in which nobody else may create. What can't be made or is not so is fenced instead.

use super::error::UpstreamError;
use super::forwarded::{Forwarding, Sendable};
use super::lease::Lease;
use super::pool::Pool;
use super::settings::SessionSettings;
use crate::catalog::ViewSettings;
use crate::govern::forward::{BarrierView, ForwardedStatement};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The owner of connections that make views: no user has this name.
const OWNER: &str = "\0views";
/// How long a statement waits for its views before it is fenced instead.
const WAIT: Duration = Duration::from_secs(3);
/// How long making or dropping a view waits for statements that read the one of that name.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout TO '1s'";
/// A view that was used more recently is not dropped for another.
const YOUNG: Duration = Duration::from_secs(1);
/// Views made in a minute, at most: filters that are other ones with each statement would do nothing but DDL.
const MOST_A_MINUTE: usize = 120;
/// After a failure, statements are fenced for so long before a view is tried again.
const PAUSE: Duration = Duration::from_secs(10);

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
    state: Mutex<State>,
    /// One maker at a time.
    making: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<String, Known>,
    made_lately: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

/// A view that is there, as far as is known.
#[derive(Debug)]
struct Known {
    /// How the upstream showed it when this process had made it; `None`: it is of another time, and will be made anew.
    shown: Option<String>,
    used: Option<Instant>,
    /// Statements that are about to read it.
    in_use: usize,
}

/// Views that are not dropped while this is held.
#[derive(Debug)]
pub(super) struct Held {
    views: Arc<ManagedViews>,
    names: Vec<String>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.views.lock();
        for name in &self.names {
            if let Some(known) = state.known.get_mut(name) {
                known.in_use = known.in_use.saturating_sub(1);
            }
        }
    }
}

/// Why a statement is fenced although it could read views.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    #[error("there is no room for another view")]
    Full,
    #[error("the upstream does not show a view as it was made")]
    Different,
}

impl ManagedViews {
    /// The views of a schema, of which nothing is known yet.
    pub fn new(settings: ViewSettings) -> Self {
        Self { settings, state: Mutex::default(), making: tokio::sync::Mutex::default() }
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
        let mut state = self.lock();
        for name in names.into_iter().filter_map(|[name]| name).filter(|name| is_name(name)) {
            state.known.entry(name).or_insert(Known { shown: None, used: None, in_use: 0 });
        }
        Ok(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that views are there as they must be.
    async fn ready(self: &Arc<Self>, pool: &Pool, views: &[BarrierView]) -> Result<Held, Unready> {
        let deadline = Instant::now() + WAIT;
        let _while_looking = self.hold(views);
        let mut lease = pool.lease(OWNER, &SessionSettings::default(), Some(deadline)).await?;
        lease.make_ready().await?;
        let names: BTreeSet<&str> = views.iter().map(BarrierView::name).collect();
        let mut shown = self.shown(&mut lease, &names).await?;
        for view in views {
            if self.is_as_made(view, &shown) {
                continue;
            }
            let _maker = self.making.lock().await;
            // Another statement may have made it in the meantime.
            let one = BTreeSet::from([view.name()]);
            shown = self.shown(&mut lease, &one).await?;
            if !self.is_as_made(view, &shown) {
                self.make(&mut lease, view, &shown).await?;
            }
        }
        let mut state = self.lock();
        for view in views {
            if let Some(known) = state.known.get_mut(view.name()) {
                known.used = Some(Instant::now());
            }
        }
        drop(state);
        Ok(self.hold(views))
    }

    fn is_paused(&self) -> bool {
        self.lock().paused_until.is_some_and(|until| Instant::now() < until)
    }

    fn hold(self: &Arc<Self>, views: &[BarrierView]) -> Held {
        let mut state = self.lock();
        let mut names = Vec::new();
        for view in views {
            if let Some(known) = state.known.get_mut(view.name()) {
                known.in_use = known.in_use.saturating_add(1);
                names.push(view.name().to_owned());
            }
        }
        Held { views: Arc::clone(self), names }
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
        let state = self.lock();
        let made = state.known.get(view.name()).and_then(|known| known.shown.as_ref());
        made.is_some() && made == shown.get(view.name())
    }

    /// Makes a view, in the place of whatever has its name.
    async fn make(
        &self,
        lease: &mut Lease,
        view: &BarrierView,
        shown: &BTreeMap<String, String>,
    ) -> Result<(), Unready> {
        let (was_made, is_new) = {
            let state = self.lock();
            let known = state.known.get(view.name());
            (known.is_some_and(|known| known.shown.is_some()), known.is_none())
        };
        if was_made {
            let is_there = shown.contains_key(view.name());
            tracing::error!(
                schema = view.schema(),
                view = view.name(),
                is_there,
                "a view of the gateway's was changed or dropped by somebody else, and is made anew"
            );
        }
        if is_new {
            self.make_room(lease).await?;
        }
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
        let mut state = self.lock();
        state.made_lately.push_back(Instant::now());
        let known = state.known.entry(view.name().to_owned()).or_insert(Known { shown: None, used: None, in_use: 0 });
        known.shown = Some(shown);
        known.used = Some(Instant::now());
        Ok(())
    }

    /// Drops the view that has been used least lately, if there is no room for another.
    async fn make_room(&self, lease: &mut Lease) -> Result<(), Unready> {
        let now = Instant::now();
        let most = usize::try_from(self.settings.max).unwrap_or(usize::MAX);
        let victims: Vec<String> = {
            let mut state = self.lock();
            while state.made_lately.front().is_some_and(|made| now.duration_since(*made) > Duration::from_secs(60)) {
                state.made_lately.pop_front();
            }
            if state.made_lately.len() >= MOST_A_MINUTE {
                return Err(Unready::Full);
            }
            let many = state.known.len().saturating_add(1).saturating_sub(most);
            let mut old: Vec<(Option<Instant>, &String)> = state
                .known
                .iter()
                .filter(|(_, known)| {
                    known.in_use == 0 && known.used.is_none_or(|used| now.duration_since(used) > YOUNG)
                })
                .map(|(name, known)| (known.used, name))
                .collect();
            old.sort();
            let victims: Vec<String> = old.into_iter().take(many).map(|(_, name)| name.clone()).collect();
            if victims.len() < many {
                return Err(Unready::Full);
            }
            // What goes is unknown from now on: whoever needs it makes it anew.
            for victim in &victims {
                state.known.remove(victim);
            }
            victims
        };
        for victim in victims {
            let name = qualified(&self.settings.schema, &victim);
            let statement = format!("DROP VIEW IF EXISTS {name}");
            let dropped = lease.connection().own(&["BEGIN READ WRITE", LOCK_TIMEOUT, &statement, "COMMIT"]).await;
            if let Err(error) = dropped {
                // Still there: it counts, and is tried again.
                self.lock().known.entry(victim).or_insert(Known { shown: None, used: None, in_use: 0 });
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Says what went wrong, and leaves the upstream alone for a while if it was the upstream's doing.
    fn failed(&self, error: &Unready) {
        match error {
            Unready::Full => tracing::debug!("a statement is fenced: {error}"),
            Unready::Upstream(_) | Unready::Different => {
                self.lock().paused_until = Some(Instant::now() + PAUSE);
                tracing::warn!(schema = %self.settings.schema, %error, "no view could be made; statements are fenced");
            }
        }
    }
}

impl Forwarding {
    /// The text to send, and whatever must be held until it has been taken. Views that it reads are there.
    pub(super) async fn ready<'a>(&self, sendable: &'a Sendable) -> (&'a ForwardedStatement, Option<Held>) {
        let views = self.views.as_ref().filter(|views| !views.is_paused());
        let (Some(views), Some(forwarded)) = (views, sendable.in_views()) else { return (sendable.fenced(), None) };
        let ready = tokio::time::timeout(WAIT, views.ready(&self.pool, forwarded.views())).await;
        match ready.unwrap_or(Err(Unready::Upstream(UpstreamError::Deadline))) {
            Ok(held) => (forwarded, Some(held)),
            Err(error) => {
                views.failed(&error);
                (sendable.fenced(), None)
            }
        }
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", escape_identifier(schema), escape_identifier(name))
}

/// Whether a name is one that the gateway gives.
fn is_name(name: &str) -> bool {
    let digits = name.strip_prefix("v_").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn pair(row: Vec<Option<String>>) -> Option<(String, String)> {
    let mut row = row.into_iter();
    Some((row.next()??, row.next()??))
}
