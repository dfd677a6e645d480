//! The second reading can fail: trees that were changed after governing are found.

use super::fixture::{Fixture, filtered, parse};
use crate::decision::Obligations;
use crate::govern::verify::{VerifyError, verify_tree};
use crate::govern::{GovernedStatement, GovernedTarget};

/// A governed statement whose tree was then replaced.
fn replaced(tree: &str) -> GovernedStatement {
    let fixture = Fixture::new();
    let sql = "SELECT id FROM people WHERE region IN (SELECT region FROM regions)";
    let mut governed = fixture.govern(sql, "public.people", Obligations::default()).unwrap();
    assert!(verify_tree(&governed).is_ok());
    governed.query = Box::new(parse(tree));
    governed
}

#[test]
fn a_tree_that_reads_something_else_is_found() {
    for tree in [
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, public.people AS x",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, people AS x",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, __querygate.r2 AS x",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, __querygate_raw.f0 AS x",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r WHERE EXISTS (SELECT 1 FROM ops.tenants)",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r ORDER BY (SELECT max(id) FROM vault)",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, \"/etc/passwd\" AS x",
    ] {
        assert!(matches!(verify_tree(&replaced(tree)), Err(VerifyError::Relation(_))), "{tree}");
    }
    // In words that are no relation for any visitor.
    for tree in [
        "SELECT __querygate_raw.f0.id FROM __querygate.r0 AS p, __querygate.r1 AS r",
        "SELECT p.id AS __querygate_raw FROM __querygate.r0 AS p, __querygate.r1 AS r",
        "SELECT __querygate.id FROM __querygate.r0 AS p, __querygate.r1 AS r",
    ] {
        assert!(matches!(verify_tree(&replaced(tree)), Err(VerifyError::Relation(_))), "{tree}");
    }
    let twice = "SELECT __querygate.r0.id FROM __querygate.r0 AS p, __querygate.r1 AS r";
    assert_eq!(verify_tree(&replaced(twice)), Err(VerifyError::Disagree));
    for tree in [
        "SELECT p.id FROM __querygate.r0 AS p",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, __querygate.r0 AS q",
    ] {
        assert!(matches!(verify_tree(&replaced(tree)), Err(VerifyError::References(..))), "{tree}");
    }
}

#[test]
fn a_function_that_is_not_allowed_is_found() {
    for tree in [
        "SELECT pg_read_file('/etc/passwd') FROM __querygate.r0 AS p, __querygate.r1 AS r",
        "SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, read_parquet('x') AS x",
        "SELECT public.lower(p.id) FROM __querygate.r0 AS p, __querygate.r1 AS r",
    ] {
        assert!(matches!(verify_tree(&replaced(tree)), Err(VerifyError::Function(_))), "{tree}");
    }
}

#[test]
fn a_filter_that_reads_something_else_is_found() {
    let fixture = Fixture::new();
    let obligations = filtered("id IN (SELECT tenant_id FROM ops.tenants)", &[]);
    let mut governed = fixture.govern("SELECT id FROM people", "public.people", obligations).unwrap();
    assert!(verify_tree(&governed).is_ok());
    if let GovernedTarget::Dataset(dataset) = &mut governed.relations[0].target {
        dataset.raw_relations.clear();
    }
    assert!(matches!(verify_tree(&governed), Err(VerifyError::Relation(_))));
}

#[test]
fn a_with_query_is_known_where_it_stands_alone() {
    let inner = "(WITH c AS (SELECT 1 AS one) SELECT one FROM c)";
    let known = format!("SELECT p.id FROM __querygate.r0 AS p, __querygate.r1 AS r, {inner} AS x");
    assert!(verify_tree(&replaced(&known)).is_ok());
    for tree in [format!("{known}, c AS y"), format!("{known} WHERE EXISTS (SELECT 1 FROM c AS y)")] {
        assert!(matches!(verify_tree(&replaced(&tree)), Err(VerifyError::Relation(_))), "{tree}");
    }
}
