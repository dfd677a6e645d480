//! The values of a session's settings.

use ahash::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// Values by name.
pub type ValuesByName = HashMap<String, String, RandomState>;

/// What `SHOW` and `current_setting()` answer, by lower-case name: the values that every session begins with, of which there
/// is one copy for all, and those of one session in their place. Several are looked up for each statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingValues {
    common: Arc<ValuesByName>,
    own: ValuesByName,
}

impl SettingValues {
    /// `own` stand in the place of `common`.
    pub fn new(common: Arc<ValuesByName>, own: ValuesByName) -> Self {
        Self { common, own }
    }

    /// The value of a setting, by its name in lower case; `None` if there is no such setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.own.get(name).or_else(|| self.common.get(name)).map(String::as_str)
    }

    /// All names with their values, in the order of the names.
    pub fn in_order(&self) -> Vec<(&str, &str)> {
        let common = self.common.iter().filter(|(name, _)| !self.own.contains_key(*name));
        let mut all: Vec<(&str, &str)> =
            common.chain(&self.own).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.sort_unstable();
        all
    }
}

impl FromIterator<(String, String)> for SettingValues {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self { common: Arc::default(), own: values.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_own_values_stand_in_the_place_of_the_common_ones() {
        let of = |pairs: &[(&str, &str)]| -> ValuesByName {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let values = SettingValues::new(Arc::new(of(&[("a", "1"), ("c", "3")])), of(&[("a", "2"), ("b", "")]));
        assert_eq!(values.in_order(), [("a", "2"), ("b", ""), ("c", "3")]);
        assert_eq!(
            (values.get("a"), values.get("b"), values.get("c"), values.get("A")),
            (Some("2"), Some(""), Some("3"), None)
        );
    }
}
