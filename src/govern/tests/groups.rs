//! `min_group_size`.

use super::fixture::{Fixture, checked, grouped};
use crate::decision::{Mask, Obligations};
use crate::govern::{GovernError, GovernedStatement};
use crate::types::{Classification, Tag};

fn run(sql: &str) -> Result<GovernedStatement, GovernError> {
    Fixture::new().govern(sql, "public.people", grouped(5))
}

#[test]
fn blocks_over_a_limited_dataset_count_its_entities() {
    for (sql, having) in [
        ("SELECT count(*) FROM people", "HAVING count(DISTINCT people.id) >= 5"),
        ("SELECT region, avg(salary) FROM people p GROUP BY region", "HAVING count(DISTINCT p.id) >= 5"),
        (
            "SELECT region, avg(salary) FROM people GROUP BY region HAVING avg(salary) > 1 OR true",
            "HAVING (avg(people.salary) > 1 OR true) AND count(DISTINCT people.id) >= 5",
        ),
        ("SELECT sum(a) FROM people AS p(x, y, z, r, a)", "HAVING count(DISTINCT p.x) >= 5"),
        ("SELECT count(*) FROM people p JOIN orders o ON o.person_id = p.id", "HAVING count(DISTINCT p.id) >= 5"),
        ("SELECT count(*) FROM people a, people b", "HAVING (count(DISTINCT a.id) >= 5) AND count(DISTINCT b.id) >= 5"),
        (
            "SELECT o.id FROM orders o WHERE amount > (SELECT avg(salary) FROM people)",
            "FROM __querygate.r1 AS people HAVING count(DISTINCT people.id) >= 5)",
        ),
        (
            "WITH x AS (SELECT region, count(*) AS n FROM people GROUP BY region) SELECT max(n) FROM x",
            "GROUP BY people.region HAVING count(DISTINCT people.id) >= 5)",
        ),
        (
            "SELECT 1 FROM (people p CROSS JOIN orders o) HAVING count(*) > 0",
            "HAVING (count(*) > 0) AND count(DISTINCT p.id) >= 5",
        ),
    ] {
        let governed = run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let tree = checked(sql, &governed);
        assert!(tree.contains(having), "{sql}: {tree}");
        assert!(governed.expected_scans()["r0"].columns.is_some());
    }
}

#[test]
fn what_shows_single_entities_is_refused() {
    for sql in [
        "SELECT name FROM people",
        "SELECT * FROM people",
        "SELECT DISTINCT region FROM people",
        "SELECT max(salary) FROM people",
        "SELECT min(name) FROM people",
        "SELECT array_agg(name) FROM people",
        "SELECT string_agg(name, ',') FROM people",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY salary) FROM people",
        "SELECT sum(salary) FILTER (WHERE id = 7) FROM people",
        "SELECT sum(CASE WHEN id = 7 THEN salary ELSE 0 END) FROM people",
        "SELECT avg(salary) OVER () FROM people",
        "SELECT count(*) FROM (SELECT id FROM people) x",
        "WITH x AS (SELECT id, salary FROM people) SELECT avg(salary) FROM x",
        "SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = o.person_id)",
        "SELECT count(*) FROM people HAVING max(salary) > 5",
        "SELECT count(*) FROM people UNION ALL SELECT salary FROM people",
        "SELECT o.id FROM orders o JOIN people p ON p.id = o.person_id",
        "SELECT region, count(*) FROM people GROUP BY region ORDER BY max(salary)",
    ] {
        let error = run(sql).map(|governed| governed.query().to_string()).unwrap_err();
        assert!(matches!(error, GovernError::GroupSize { least: 5, .. }), "{sql}: {error:?}");
        let report = error.report();
        assert_eq!(report.sqlstate.0, "42501");
        assert!(report.hint.is_some_and(|hint| hint.contains("aggregate over at least 5")), "{sql}");
    }
}

#[test]
fn without_an_entity_key_rows_are_counted_and_joins_refused() {
    let fixture = Fixture::new();
    let governed = fixture.govern("SELECT sum(amount) FROM orders", "public.orders", grouped(3)).unwrap();
    assert!(checked("", &governed).ends_with("HAVING count(*) >= 3"));
    for sql in [
        "SELECT sum(amount) FROM orders, generate_series(1, 100)",
        "SELECT sum(amount) FROM orders o JOIN regions r ON true",
        "SELECT sum(amount) FROM orders, (VALUES (1), (2)) v",
    ] {
        assert!(fixture.govern(sql, "public.orders", grouped(3)).is_err(), "{sql}");
    }
}

#[test]
fn a_denied_entity_key_can_not_be_counted() {
    let mut obligations = grouped(5);
    obligations.column_masks = super::fixture::masked("id", Mask::Deny).column_masks;
    let fixture = Fixture::denying("public.people", &["id"]);
    let error = fixture.govern("SELECT count(*) FROM people", "public.people", obligations).unwrap_err();
    assert!(matches!(error, GovernError::GroupSize { .. }));
}

#[test]
fn aggregates_over_large_groups_step_down() {
    let fixture = Fixture::new();
    let sql = "SELECT region, avg(salary) FROM people WHERE salary > 5 GROUP BY region";
    let stepped = run(sql).unwrap();
    let average = &stepped.output()[1];
    assert_eq!(average.classification, Classification::Internal);
    assert!(average.tags.contains(&Tag::new("DERIVED_FROM_SENSITIVE")));
    assert!(!average.tags.contains(&Tag::new("SENSITIVE")));
    let plain = fixture.govern(sql, "public.people", Obligations::default()).unwrap();
    assert_eq!(plain.output()[1].classification, Classification::Proprietary);
    assert!(plain.output()[1].tags.contains(&Tag::new("SENSITIVE")));
}
