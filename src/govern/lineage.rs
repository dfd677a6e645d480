//! From which dataset columns a value was computed, and how.

use crate::types::DatasetName;
use std::collections::{BTreeMap, BTreeSet};

/// A column of a dataset.
pub type SourceColumn = (DatasetName, String);

/// The ways in which a source reached a value; each may hold beside the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// The value was computed from it.
    pub value: bool,
    /// The value was computed from it, inside an aggregate.
    pub aggregated: bool,
    /// It chose or ordered the rows (WHERE, ON, HAVING, GROUP BY, ORDER BY), not the value.
    pub influence: bool,
    /// It chose the rows that an aggregate was computed from.
    pub aggregated_influence: bool,
}

impl Reach {
    fn join(&mut self, other: Self) {
        self.value |= other.value;
        self.aggregated |= other.aggregated;
        self.influence |= other.influence;
        self.aggregated_influence |= other.aggregated_influence;
    }

    /// Whether the value itself was computed from it.
    pub fn is_source(self) -> bool {
        self.value || self.aggregated
    }

    /// Whether it reached the value through aggregates alone.
    pub fn only_aggregated(self) -> bool {
        !self.value && !self.influence
    }
}

/// All sources of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lineage {
    sources: BTreeMap<SourceColumn, Reach>,
}

impl Lineage {
    /// A column as it is.
    pub fn column(dataset: DatasetName, column: impl Into<String>) -> Self {
        let reach = Reach { value: true, ..Reach::default() };
        Self { sources: BTreeMap::from([((dataset, column.into()), reach)]) }
    }

    /// Each source with the ways in which it reached the value.
    pub fn sources(&self) -> &BTreeMap<SourceColumn, Reach> {
        &self.sources
    }

    /// The sources that the value itself was computed from.
    pub fn value_sources(&self) -> BTreeSet<SourceColumn> {
        self.sources.iter().filter(|(_, reach)| reach.is_source()).map(|(source, _)| source.clone()).collect()
    }

    /// Whether some source is a column of this dataset.
    pub fn reaches(&self, dataset: &DatasetName) -> bool {
        self.sources.keys().any(|(name, _)| name == dataset)
    }

    /// Adds what another value was computed from.
    pub fn absorb(&mut self, other: &Self) {
        for (source, reach) in &other.sources {
            self.sources.entry(source.clone()).or_default().join(*reach);
        }
    }

    /// Adds what an aggregate's arguments were computed from.
    pub fn absorb_aggregated(&mut self, other: &Self) {
        for (source, reach) in &other.sources {
            self.sources.entry(source.clone()).or_default().join(Reach {
                aggregated: reach.is_source(),
                aggregated_influence: reach.influence || reach.aggregated_influence,
                ..Reach::default()
            });
        }
    }

    /// Adds what chose the rows that a value tells of, such as that of EXISTS.
    pub fn absorb_as_value(&mut self, other: &Self) {
        for (source, reach) in &other.sources {
            self.sources.entry(source.clone()).or_default().join(Reach {
                value: reach.value || reach.influence,
                aggregated: reach.aggregated || reach.aggregated_influence,
                ..Reach::default()
            });
        }
    }

    /// Adds what chose the rows. `aggregated`: the rows were then aggregated.
    pub fn absorb_influence(&mut self, other: &Self, aggregated: bool) {
        for (source, reach) in &other.sources {
            let plain = reach.value || reach.influence;
            self.sources.entry(source.clone()).or_default().join(Reach {
                influence: plain && !aggregated,
                aggregated_influence: (plain && aggregated) || reach.aggregated || reach.aggregated_influence,
                ..Reach::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_marks_its_sources_and_a_plain_use_stays_plain() {
        let salary = Lineage::column(DatasetName::new("public", "people"), "salary");
        let mut lineage = Lineage::default();
        lineage.absorb_aggregated(&salary);
        assert!(lineage.sources().values().all(|reach| reach.only_aggregated()));
        lineage.absorb_influence(&salary, true);
        assert!(lineage.sources().values().all(|reach| reach.only_aggregated()));
        lineage.absorb(&salary);
        assert!(lineage.sources().values().all(|reach| !reach.only_aggregated()));
    }
}
