//! Stack for walks over trees: how deep a statement may nest is bounded when it is parsed ([`super::ParseBounds`]), and
//! whatever walks what was parsed has stack for that, whichever thread it is on.

/// A walk that finds less than this on its thread is given a stack of its own.
const RED_ZONE: usize = 8 << 20;
/// What it is given. Only what is touched takes memory.
const STACK: usize = 64 << 20;

/// Does work that recurses over a statement's tree.
pub fn on_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, STACK, work)
}
