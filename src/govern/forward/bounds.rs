//! How large a forwarded statement may be: what PostgreSQL's planner would work on for long is refused before it is sent.

use super::ForwardError;
use crate::govern::names::{fold, parts};
use sqlparser::ast::{Query, TableFactor, Visit, Visitor};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// References to relations in one statement, each WITH query counted as often as it is referred to.
const MOST_RELATIONS: usize = 1_000;
/// Bytes of a text that is sent.
const LONGEST_TEXT: usize = 4 << 20;

/// # Errors
/// [`ForwardError::TooComplex`].
pub(super) fn check_tree(query: &Query) -> Result<(), ForwardError> {
    let mut counter = Counter::default();
    let _ = query.visit(&mut counter);
    if counter.total(MOST_RELATIONS) { Ok(()) } else { Err(ForwardError::TooComplex) }
}

/// # Errors
/// [`ForwardError::TooComplex`].
pub(super) fn check_text(text: &str) -> Result<(), ForwardError> {
    if text.len() <= LONGEST_TEXT { Ok(()) } else { Err(ForwardError::TooComplex) }
}

/// What is referred to, by the WITH query in which it stands. Names of WITH queries are unique in a tree.
#[derive(Default)]
struct Counter {
    /// The WITH queries around the place that is visited; the statement itself is the empty name.
    around: Vec<String>,
    /// References by WITH query.
    references: BTreeMap<String, Vec<String>>,
    /// WITH queries in the order in which they are complete.
    names: Vec<String>,
    queries: Vec<(usize, String)>,
}

impl Visitor for Counter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // A WITH query's own query is visited soon after its name is known here.
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.queries.push((std::ptr::from_ref(cte.query.as_ref()).addr(), fold(&cte.alias.name)));
        }
        let place = std::ptr::from_ref(query).addr();
        let own = self.queries.iter().find(|(query, _)| *query == place).map(|(_, name)| name.clone());
        self.around.push(own.unwrap_or_else(|| self.around.last().cloned().unwrap_or_default()));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        if let Some(done) = self.around.pop()
            && self.around.last() != Some(&done)
        {
            self.names.push(done);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            let name = match parts(name).as_deref() {
                Some([cte]) => cte.clone(),
                _relation => String::new(),
            };
            self.references.entry(self.around.last().cloned().unwrap_or_default()).or_default().push(name);
        }
        ControlFlow::Continue(())
    }
}

impl Counter {
    /// Whether all references, WITH queries written out, are no more than `most`.
    fn total(&self, most: usize) -> bool {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut all = 0_usize;
        for name in &self.names {
            let references = self.references.get(name).map(Vec::as_slice).unwrap_or_default();
            // A recursive reference, to what is not complete, counts once.
            let of = |reference: &String| sizes.get(reference.as_str()).copied().unwrap_or(1).max(1);
            let size = references.iter().map(of).fold(0, usize::saturating_add);
            all = all.max(size);
            sizes.insert(name, size);
        }
        all <= most
    }
}
