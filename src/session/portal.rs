//! Portals: statements with their parameters, running or not. A SQL cursor is a portal that DECLARE made.
//!
//! INVARIANT: one budget counts everything that a portal ever gives, over all of its pages.

use crate::egress::{Outcome, ResultBudget, ResultRows};
use crate::error::{ErrorReport, SqlState};
use crate::sql::ParsedStatement;
use crate::types::BoundParameter;
use arrow::datatypes::SchemaRef;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The most bytes of parameters, names and statements in all of them.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// One portal.
#[derive(Debug)]
pub(super) struct Portal {
    /// `None` is the empty statement.
    pub(super) statement: Option<ParsedStatement>,
    /// The values of `$1`, `$2` …
    pub(super) parameters: Vec<BoundParameter>,
    /// Format codes of the result, as Bind had them.
    pub(super) result_formats: Vec<i16>,
    /// What all of its pages are counted against.
    pub(super) budget: Arc<Mutex<ResultBudget>>,
    /// How many savepoints were open when it was made: it goes with the innermost.
    pub(super) depth: usize,
    /// How far it has come.
    pub(super) state: PortalState,
    /// The columns that its client has been told of, or that its statement had when it was prepared.
    pub(super) described: Option<SchemaRef>,
    /// Whether `described` was made since the last Sync.
    pub(super) fresh: bool,
    /// Rows that have gone by: sent, or moved over.
    pub(super) position: u64,
    /// Whether it outlives its transaction.
    pub(super) hold: Hold,
    /// Made by DECLARE; its rows are always binary if `Some(true)`.
    pub(super) cursor: Option<bool>,
    /// How much it counts against [`MAX_BYTES`].
    pub(super) bytes: usize,
}

/// WITH HOLD. Its rows are not kept for that: nobody writes through the gateway, so the query goes on as it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It goes with its transaction.
    Without,
    /// It stays if its transaction commits.
    Asked,
    /// Its transaction has committed: it goes when it is closed.
    Kept,
}

/// How far a portal has come.
#[derive(Debug)]
pub(super) enum PortalState {
    /// Not yet run.
    Ready,
    /// Its rows are with the wire, under this ticket; or they were lost there.
    Running(u64),
    /// It has more rows.
    Suspended(Box<ResultRows>),
    /// It runs a FETCH that may give so many rows more; `None` is all.
    Fetching {
        /// The cursor.
        cursor: String,
        /// Rows.
        left: Option<u64>,
    },
    /// It gave all its rows.
    Done,
    /// It was a command, and that has been run.
    Ran,
}

impl Portal {
    /// Ends it. What it had not given yet was not asked for: its statement ends well.
    pub(super) fn close(self) {
        if let PortalState::Suspended(rows) = self.state {
            rows.finish(Outcome::Success);
        }
    }
}

/// All portals of a session; the unnamed one has the name "".
#[derive(Debug)]
pub(super) struct Portals {
    by_name: BTreeMap<String, Portal>,
    bytes: usize,
    /// How many there may be.
    most: usize,
}

impl Portals {
    /// None yet, and so many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { by_name: BTreeMap::new(), bytes: 0, most }
    }

    /// Whether another could be made under a name.
    ///
    /// # Errors
    /// 42P03 if the name is taken, 54000 if there are too many or too large ones.
    pub(super) fn has_room(&self, name: &str, bytes: usize, what: &str) -> Result<(), ErrorReport> {
        let replaced = match self.by_name.get(name) {
            Some(unnamed) if name.is_empty() => unnamed.bytes,
            Some(_) => {
                return Err(ErrorReport::new(SqlState::DUPLICATE_CURSOR, format!("{what} \"{name}\" already exists")));
            }
            None => 0,
        };
        let full = |most: String| {
            ErrorReport::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("a session has at most {most}"))
                .with_hint("Close portals and cursors that are no longer needed.")
        };
        if self.by_name.len() >= self.most && !self.by_name.contains_key(name) {
            return Err(full(format!("{} portals and cursors", self.most)));
        }
        if self.bytes.saturating_sub(replaced).saturating_add(bytes) > MAX_BYTES {
            return Err(full(format!("{MAX_BYTES} bytes of parameters and statements in portals and cursors")));
        }
        Ok(())
    }

    /// Keeps one. The unnamed one replaces its forerunner.
    ///
    /// # Errors
    /// As [`Self::has_room`].
    pub(super) fn insert(&mut self, name: &str, portal: Portal) -> Result<(), ErrorReport> {
        self.has_room(name, portal.bytes, if portal.cursor.is_some() { "cursor" } else { "portal" })?;
        self.close(name);
        self.bytes = self.bytes.saturating_add(portal.bytes);
        self.by_name.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The one of a name.
    ///
    /// # Errors
    /// 34000 if there is none.
    pub(super) fn get(&self, name: &str, what: &str) -> Result<&Portal, ErrorReport> {
        self.by_name.get(name).ok_or_else(|| absent(name, what))
    }

    /// The one of a name, to change it.
    ///
    /// # Errors
    /// 34000 if there is none.
    pub(super) fn get_mut(&mut self, name: &str, what: &str) -> Result<&mut Portal, ErrorReport> {
        self.by_name.get_mut(name).ok_or_else(|| absent(name, what))
    }

    /// Ends one; whether there was one.
    pub(super) fn close(&mut self, name: &str) -> bool {
        match self.by_name.remove(name) {
            Some(portal) => {
                self.bytes = self.bytes.saturating_sub(portal.bytes);
                portal.close();
                true
            }
            None => false,
        }
    }

    /// The transaction has committed: ends those that were not to be held, and keeps the others.
    pub(super) fn commit(&mut self) {
        self.close_if(|portal| portal.hold == Hold::Without);
        for portal in self.by_name.values_mut() {
            portal.hold = Hold::Kept;
        }
    }

    /// The transaction was rolled back: ends all that were made in it.
    pub(super) fn roll_back(&mut self) {
        self.close_if(|portal| portal.hold != Hold::Kept);
    }

    fn close_if(&mut self, ends: impl Fn(&Portal) -> bool) {
        let names: Vec<String> =
            self.by_name.iter().filter(|(_, portal)| ends(portal)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.close(&name);
        }
    }

    /// Ends all.
    pub(super) fn close_all(&mut self) {
        self.bytes = 0;
        for portal in std::mem::take(&mut self.by_name).into_values() {
            portal.close();
        }
    }

    /// Ends those that were made when at least so many savepoints were open.
    pub(super) fn close_from(&mut self, depth: usize) {
        self.close_if(|portal| portal.depth >= depth && portal.hold != Hold::Kept);
    }

    /// Savepoints from `depth` on were released: what was made in them belongs to what is around them.
    pub(super) fn raise_to(&mut self, depth: usize) {
        for portal in self.by_name.values_mut() {
            portal.depth = portal.depth.min(depth);
        }
    }

    /// Descriptions have to be asked for again.
    pub(super) fn age(&mut self) {
        for portal in self.by_name.values_mut() {
            portal.fresh = false;
        }
    }
}

/// 34000.
pub(super) fn absent(name: &str, what: &str) -> ErrorReport {
    ErrorReport::new(SqlState::INVALID_CURSOR_NAME, format!("{what} \"{name}\" does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(depth: usize, bytes: usize) -> Portal {
        Portal {
            statement: None,
            parameters: Vec::new(),
            result_formats: Vec::new(),
            budget: Arc::default(),
            depth,
            state: PortalState::Ready,
            described: None,
            fresh: false,
            position: 0,
            hold: Hold::Without,
            cursor: None,
            bytes,
        }
    }

    #[test]
    fn portals_go_with_the_savepoint_that_they_were_made_in() {
        let mut portals = Portals::new(1_000);
        for (name, depth) in [("a", 0), ("b", 1), ("c", 2)] {
            portals.insert(name, portal(depth, 1)).unwrap();
        }
        portals.close_from(2);
        assert!(portals.get("c", "portal").is_err());
        portals.raise_to(0);
        portals.close_from(1);
        assert!(portals.get("a", "portal").is_ok() && portals.get("b", "portal").is_ok());
        assert_eq!(portals.bytes, 2);
        portals.close_all();
        assert_eq!(portals.get("a", "cursor").unwrap_err().message, "cursor \"a\" does not exist");
        assert_eq!(portals.bytes, 0);
    }

    #[test]
    fn held_portals_stay_when_their_transaction_has_committed() {
        let mut portals = Portals::new(1_000);
        let held = |depth| Portal { hold: Hold::Asked, ..portal(depth, 1) };
        portals.insert("rolled back", held(0)).unwrap();
        portals.roll_back();
        assert!(portals.get("rolled back", "cursor").is_err());
        portals.insert("a", held(1)).unwrap();
        portals.insert("b", portal(0, 1)).unwrap();
        portals.commit();
        assert!(portals.get("b", "cursor").is_err());
        portals.roll_back();
        portals.close_from(0);
        assert!(portals.get("a", "cursor").is_ok());
        portals.close_all();
        assert_eq!(portals.bytes, 0);
    }

    #[test]
    fn number_and_parameters_are_bounded() {
        let mut portals = Portals::new(1_000);
        for n in 0..1_000 {
            portals.insert(&format!("p{n}"), portal(0, 1)).unwrap();
        }
        assert_eq!(portals.insert("one more", portal(0, 1)).unwrap_err().sqlstate.0, "54000");
        assert_eq!(portals.insert("p1", portal(0, 1)).unwrap_err().sqlstate.0, "42P03");
        portals.close_all();
        assert_eq!(portals.insert("", portal(0, MAX_BYTES + 1)).unwrap_err().sqlstate.0, "54000");
    }
}
