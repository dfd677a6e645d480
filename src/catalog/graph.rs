//! "Includes" and "implies": what is reached from where, and what goes in circles.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that is reached from each node, itself among them.
pub(super) fn closure<K: Ord + Clone>(edges: &BTreeMap<K, Vec<K>>) -> BTreeMap<K, BTreeSet<K>> {
    edges.keys().map(|start| (start.clone(), reached(edges, start))).collect()
}

/// Everything that is reached from one node, itself among them.
pub(super) fn reached<K: Ord + Clone>(edges: &BTreeMap<K, Vec<K>>, start: &K) -> BTreeSet<K> {
    let mut seen = BTreeSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for next in edges.get(node).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen
}

/// One shortest circle for each group of nodes that reach each other, as a path that ends where it began.
pub(super) fn circles<K: Ord + Clone>(edges: &BTreeMap<K, Vec<K>>) -> Vec<Vec<K>> {
    let mut told: BTreeSet<K> = BTreeSet::new();
    let mut circles = Vec::new();
    for start in edges.keys().filter(|node| edges.get(*node).is_some_and(|next| !next.is_empty())) {
        if told.contains(start) {
            continue;
        }
        if let Some(circle) = circle_from(edges, start) {
            told.extend(circle.iter().cloned());
            circles.push(circle);
        }
    }
    circles
}

fn circle_from<K: Ord + Clone>(edges: &BTreeMap<K, Vec<K>>, start: &K) -> Option<Vec<K>> {
    let mut came_from: BTreeMap<&K, &K> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for next in edges.get(node).into_iter().flatten() {
            if next == start {
                let mut path = vec![start.clone(), node.clone()];
                let mut at = node;
                while let Some(before) = came_from.get(at) {
                    path.push((*before).clone());
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, node);
                open.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(pairs: &[(&'static str, &[&'static str])]) -> BTreeMap<&'static str, Vec<&'static str>> {
        pairs.iter().map(|(from, to)| (*from, to.to_vec())).collect()
    }

    #[test]
    fn a_closure_reaches_everything_and_ends_on_circles() {
        let graph = edges(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &[])]);
        assert_eq!(closure(&graph)["a"], BTreeSet::from(["a", "b", "c"]));
        assert_eq!(closure(&graph)["d"], BTreeSet::from(["d"]));
    }

    #[test]
    fn each_circle_is_told_once() {
        let graph = edges(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["d"]), ("e", &["a"])]);
        assert_eq!(circles(&graph), vec![vec!["a", "b", "c", "a"], vec!["d", "d"]]);
        assert_eq!(circles(&edges(&[("a", &["b"]), ("b", &[])])), Vec::<Vec<&str>>::new());
    }
}
