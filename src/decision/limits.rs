//! Bounds on one statement.

use std::time::Duration;

/// Bounds that a statement is held to; `None` is no bound from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Limits {
    /// Rows of a result.
    pub max_rows: Option<u64>,
    /// Bytes of a result, as they go over the wire.
    pub max_bytes: Option<u64>,
    /// How long a statement may run.
    pub timeout: Option<Duration>,
    /// The fewest entities that a group of an aggregate may stand for.
    pub min_group_size: Option<u64>,
}

impl Limits {
    /// Both sets of bounds at once: the smaller of each, and the larger group size.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Self {
            max_rows: least(self.max_rows, other.max_rows),
            max_bytes: least(self.max_bytes, other.max_bytes),
            timeout: least(self.timeout, other.timeout),
            min_group_size: self.min_group_size.max(other.min_group_size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_bound_wins() {
        let a = Limits { max_rows: Some(10), min_group_size: Some(5), ..Limits::default() };
        let b = Limits { max_rows: Some(7), max_bytes: Some(1), min_group_size: Some(3), ..Limits::default() };
        let both = a.and(b);
        assert_eq!(both.max_rows, Some(7));
        assert_eq!(both.max_bytes, Some(1));
        assert_eq!(both.timeout, None);
        assert_eq!(both.min_group_size, Some(5));
    }
}
