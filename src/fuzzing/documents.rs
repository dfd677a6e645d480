//! What operators and stewards write: read, or refused with all that is wrong.

use crate::catalog::{self, CatalogFile};
use crate::config;
use crate::execute::upstream::dsn;
use std::collections::BTreeMap;
use std::path::Path;

/// `querygate.toml`: each mistake says something, and no key of the file is in what is printed.
pub(super) fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = |_: &Path| Ok("k".repeat(64));
    match config::parse(Some((Path::new("querygate.toml"), text)), &BTreeMap::new(), &read) {
        Ok(config) => assert!(!format!("{config:?}").contains(&"k".repeat(64)), "the key is in what is printed of it"),
        Err(error) => assert!(!error.problems.is_empty() && error.problems.iter().all(|problem| !problem.is_empty())),
    }
}

/// A file of the catalog: what has no mistakes can be joined with its data; a mistake has a place and words.
pub(super) fn catalog(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (spec, findings) =
        catalog::load(&[CatalogFile { path: "catalog/catalog.yaml".to_owned(), text: text.to_owned() }]);
    for finding in &findings {
        assert!(!finding.to_string().is_empty());
    }
    if let Some(spec) = spec {
        let (snapshot, all) = spec.assemble(&BTreeMap::new());
        assert!(
            snapshot.is_none() || spec.datasets().next().is_none(),
            "datasets were served whose data nobody has seen"
        );
        assert!(all.len() >= findings.len(), "a mistake was forgotten");
    }
}

/// A connection string: its password is in nothing that is printed.
pub(super) fn dsn(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let printed = match dsn::parse(text) {
        Ok(dsn) => format!("{dsn:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!printed.contains("zqsecret"), "{text:?} is told as {printed:?}");
}
