//! The prepared statements that a connection holds in its server: named by us, bounded, the least used goes first.

use super::message::Column;
use super::message::Format;
use ahash::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// A longer text is not kept: it is parsed each time, so that memory here and there stays bounded.
const LONGEST_TEXT: usize = 64 * 1024;

/// What executions of a statement with the same result formats give: asked for once.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) result_formats: Arc<[Format]>,
    /// `None`: it gives no rows.
    pub(super) columns: Option<Arc<[Column]>>,
}

#[derive(Debug)]
struct Held {
    name: u64,
    types: Box<[u32]>,
    used: u64,
    shape: Option<Shape>,
}

/// The statements of one connection.
#[derive(Debug)]
pub(super) struct Statements {
    /// A text is some hundred bytes long and looked up for each statement; whoever could make them collide knows no seed.
    by_text: HashMap<Box<str>, Vec<Held>, RandomState>,
    count: usize,
    most: usize,
    clock: u64,
    next_name: u64,
}

/// How a statement is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The server has it under this name.
    Held(u64),
    /// It is to be parsed under this name, after the least used one is closed, if there is no room.
    New { name: u64, evicted: Option<u64> },
    /// It is not kept.
    Unnamed,
}

/// A statement's name in the server.
pub(super) fn name(number: u64) -> String {
    format!("querygate_{number}")
}

impl Statements {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self { by_text: HashMap::default(), count: 0, most, clock: 0, next_name: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Finds a statement, or makes room for it. What is evicted is forgotten here and now: the caller closes it.
    pub(super) fn look_up(&mut self, text: &str, types: &[u32]) -> Lookup {
        self.clock += 1;
        let clock = self.clock;
        if let Some(held) = self.held(text, types) {
            held.used = clock;
            return Lookup::Held(held.name);
        }
        if text.len() > LONGEST_TEXT || self.most == 0 {
            return Lookup::Unnamed;
        }
        let evicted = if self.count >= self.most { self.evict() } else { None };
        self.next_name += 1;
        Lookup::New { name: self.next_name, evicted }
    }

    /// The server has parsed it.
    pub(super) fn keep(&mut self, text: &str, types: &[u32], name: u64) {
        let held = Held { name, types: types.into(), used: self.clock, shape: None };
        self.by_text.entry(text.into()).or_default().push(held);
        self.count += 1;
    }

    /// What its executions give, if that was told for these formats.
    pub(super) fn shape(&mut self, text: &str, types: &[u32], formats: &[Format]) -> Option<Shape> {
        let shape = self.held(text, types)?.shape.as_ref()?;
        (*shape.result_formats == *formats).then(|| shape.clone())
    }

    pub(super) fn set_shape(&mut self, text: &str, types: &[u32], shape: Shape) {
        if let Some(held) = self.held(text, types) {
            held.shape = Some(shape);
        }
    }

    /// Takes one out: its name, to be closed.
    pub(super) fn forget(&mut self, text: &str, types: &[u32]) -> Option<u64> {
        let all = self.by_text.get_mut(text)?;
        let index = all.iter().position(|held| *held.types == *types)?;
        let gone = all.swap_remove(index);
        if all.is_empty() {
            self.by_text.remove(text);
        }
        self.count -= 1;
        Some(gone.name)
    }

    /// Forgets all of them here: their names, to be closed there.
    pub(super) fn take_all(&mut self) -> Vec<u64> {
        let names = self.by_text.values().flatten().map(|held| held.name).collect();
        self.clear();
        names
    }

    /// The server has forgotten all of them.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
        self.count = 0;
    }

    fn held(&mut self, text: &str, types: &[u32]) -> Option<&mut Held> {
        self.by_text.get_mut(text)?.iter_mut().find(|held| *held.types == *types)
    }

    /// The bound is small, and this happens for new statements only: looking at all of them costs less than an order.
    fn evict(&mut self) -> Option<u64> {
        let all = self.by_text.iter().flat_map(|(text, all)| all.iter().map(move |held| (text, held)));
        let (text, oldest) = all.min_by_key(|(_, held)| held.used)?;
        let (text, types) = (text.clone(), oldest.types.clone());
        self.forget(&text, &types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(statements: &mut Statements, text: &str, types: &[u32]) -> Lookup {
        let found = statements.look_up(text, types);
        if let Lookup::New { name, .. } = found {
            statements.keep(text, types, name);
        }
        found
    }

    #[test]
    fn the_least_used_goes_first() {
        let mut held = Statements::new(2);
        assert_eq!(parse(&mut held, "a", &[]), Lookup::New { name: 1, evicted: None });
        assert_eq!(parse(&mut held, "b", &[]), Lookup::New { name: 2, evicted: None });
        assert_eq!(parse(&mut held, "a", &[]), Lookup::Held(1));
        assert_eq!(parse(&mut held, "c", &[]), Lookup::New { name: 3, evicted: Some(2) });
        assert_eq!(parse(&mut held, "a", &[]), Lookup::Held(1));
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn types_are_part_of_what_it_is() {
        let mut held = Statements::new(9);
        assert_eq!(parse(&mut held, "a", &[23]), Lookup::New { name: 1, evicted: None });
        assert_eq!(parse(&mut held, "a", &[25]), Lookup::New { name: 2, evicted: None });
        assert_eq!(parse(&mut held, "a", &[23]), Lookup::Held(1));
        assert_eq!(held.forget("a", &[23]), Some(1));
        assert_eq!(held.forget("a", &[23]), None);
        assert_eq!(parse(&mut held, "a", &[25]), Lookup::Held(2));
        held.clear();
        assert_eq!(parse(&mut held, "a", &[25]), Lookup::New { name: 3, evicted: None });
    }

    #[test]
    fn what_failed_to_parse_is_not_kept_and_long_texts_never_are() {
        let mut held = Statements::new(1);
        assert_eq!(held.look_up("bad", &[]), Lookup::New { name: 1, evicted: None });
        assert_eq!(held.look_up("bad", &[]), Lookup::New { name: 2, evicted: None });
        assert_eq!(held.look_up(&"x".repeat(LONGEST_TEXT + 1), &[]), Lookup::Unnamed);
        assert_eq!(Statements::new(0).look_up("a", &[]), Lookup::Unnamed);
    }

    #[test]
    fn a_shape_holds_for_its_formats() {
        let mut held = Statements::new(1);
        parse(&mut held, "a", &[]);
        held.set_shape("a", &[], Shape { result_formats: [Format::Text].into(), columns: None });
        assert!(held.shape("a", &[], &[Format::Text]).is_some());
        assert!(held.shape("a", &[], &[Format::Binary]).is_none());
        assert!(held.shape("b", &[], &[Format::Text]).is_none());
    }
}
