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
    const PAID: &str = "count(DISTINCT p.id) FILTER (WHERE p.salary IS NOT NULL) >= 5";
    for (sql, having) in [
        ("SELECT count(*) FROM people", "HAVING count(DISTINCT people.id) >= 5".to_owned()),
        (
            "SELECT region, avg(salary) FROM people p GROUP BY region",
            format!("HAVING count(DISTINCT p.id) >= 5 AND {PAID}"),
        ),
        (
            "SELECT region, avg(salary), sum(salary) FROM people p GROUP BY region HAVING avg(salary) > 1 OR true",
            format!("HAVING (avg(p.salary) > 1 OR true) AND count(DISTINCT p.id) >= 5 AND {PAID}"),
        ),
        (
            "SELECT count(born), count(id), stddev(born) FROM people p",
            "HAVING count(DISTINCT p.id) >= 5 AND count(DISTINCT p.id) FILTER (WHERE p.born IS NOT NULL) >= 5"
                .to_owned(),
        ),
        (
            "SELECT sum(a) FROM people AS p(x, y, z, r, a)",
            "HAVING count(DISTINCT p.x) >= 5 AND count(DISTINCT p.x) FILTER (WHERE p.a IS NOT NULL) >= 5".to_owned(),
        ),
        (
            "SELECT count(*) FROM people p JOIN orders o ON o.person_id = p.id",
            "HAVING count(DISTINCT p.id) >= 5".to_owned(),
        ),
        (
            "SELECT count(*) FROM people a, people b",
            "HAVING (count(DISTINCT a.id) >= 5) AND count(DISTINCT b.id) >= 5".to_owned(),
        ),
        (
            "SELECT o.id FROM orders o WHERE amount > (SELECT avg(salary) FROM people p)",
            format!("FROM __querygate.r1 AS p HAVING count(DISTINCT p.id) >= 5 AND {PAID}"),
        ),
        (
            "WITH x AS (SELECT region, count(*) AS n FROM people GROUP BY region) SELECT max(n) FROM x",
            "GROUP BY people.region HAVING count(DISTINCT people.id) >= 5".to_owned(),
        ),
        (
            "SELECT 1 FROM (people p CROSS JOIN orders o) HAVING count(*) > 0",
            "HAVING (count(*) > 0) AND count(DISTINCT p.id) >= 5".to_owned(),
        ),
    ] {
        let governed = run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let tree = checked(sql, &governed);
        assert!(tree.ends_with(&having) || tree.contains(&format!("{having})")), "{sql}: {tree}");
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
        "SELECT sum(salary * id) FROM people",
        "SELECT count(*) FILTER (WHERE salary > 5) FROM people",
        "SELECT corr(salary, id) FROM people",
        "SELECT regr_count(salary, id) FROM people",
        "SELECT sum(salary) - sum(DISTINCT salary) FROM people",
        "SELECT regr_sxy(salary, id) FROM people",
        "SELECT covar_pop(salary, id) FROM people",
        "SELECT count(*) FROM people UNION ALL SELECT salary FROM people",
        "SELECT o.id FROM orders o JOIN people p ON p.id = o.person_id",
        "SELECT region, count(*) FROM people GROUP BY region ORDER BY max(salary)",
    ] {
        let error = run(sql).map(|governed| governed.query().to_string()).unwrap_err();
        assert!(matches!(error, GovernError::GroupSize { least: 5, .. }), "{sql}: {error:?}");
        let report = error.report();
        assert_eq!(report.sqlstate.0, "42501");
        assert!(report.detail.is_some() && report.hint.is_some(), "{sql}");
    }
}

#[test]
fn without_an_entity_key_rows_are_counted_and_joins_refused() {
    let fixture = Fixture::new();
    let governed = fixture.govern("SELECT sum(amount) FROM orders", "public.orders", grouped(3)).unwrap();
    let having = "HAVING count(*) >= 3 AND count(*) FILTER (WHERE orders.amount IS NOT NULL) >= 3";
    assert!(checked("", &governed).ends_with(having));
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

/// `orders` and `regions` with keys, as a catalog gives them.
fn with_keys() -> Fixture {
    let mut fixture = Fixture::new();
    for dataset in fixture.catalog.datasets.values_mut() {
        let dataset = std::sync::Arc::make_mut(dataset);
        match dataset.name.name() {
            "people" if dataset.name.schema() == "public" => dataset.primary_key = vec!["id".into()],
            "orders" => dataset.primary_key = vec!["id".into()],
            "regions" => dataset.primary_key = vec!["region".into()],
            "visits" => dataset.primary_key = vec!["region".into(), "length".into()],
            _other => {}
        }
    }
    fixture
}

#[test]
fn what_a_user_brings_along_weighs_no_entity() {
    let fixture = with_keys();
    for sql in [
        "SELECT sum(p.salary) FROM people p JOIN (VALUES (7, 1), (8, 0)) v(id, w) ON p.id = v.id",
        "SELECT sum(v.w) FROM people p JOIN (VALUES (7, 1), (8, 0)) v(id, w) ON p.id = v.id",
        "SELECT region, sum(w) FROM people p JOIN (SELECT 7 AS id, 1 AS w) v ON p.id = v.id GROUP BY region",
        "WITH v(id, w) AS (VALUES (7, 1)) SELECT sum(v.w) FROM people p JOIN v USING (id)",
        "WITH v AS (SELECT * FROM orders) SELECT count(*) FROM people p JOIN v ON v.person_id = p.id",
        "SELECT avg(salary) FROM people p, generate_series(1, p.id) g(n)",
        "SELECT avg(salary) FROM people p CROSS JOIN LATERAL (SELECT 1 WHERE p.id = 7) x",
        "SELECT avg(salary) FROM people p, unnest(ARRAY[7, 7, 7]) u(n) WHERE p.id = u.n",
        "SELECT count(*) FROM people p LEFT JOIN pg_class c ON c.relname = p.name",
        "SELECT count(*), unnest(ARRAY[1, 2]) FROM people",
        "SELECT region, count(*), generate_series(1, 9) FROM people GROUP BY region",
        // By a dataset of the catalog, with a condition that tells one entity from the others.
        "SELECT count(*) FROM people p JOIN orders o ON p.id = 7 OR o.id = 1",
        "SELECT count(*) FROM people p, orders o WHERE p.id = 7 OR o.id = 1",
        "SELECT count(*) FROM people p, orders o WHERE o.person_id = p.id AND NOT (p.id = 7 AND o.id <> 1)",
        "SELECT count(*) FROM people p JOIN orders o ON o.id = CASE WHEN p.id = 7 THEN 1 ELSE 2 END",
        "SELECT count(*) FROM people p JOIN orders o ON o.id < p.id",
        "SELECT count(*) FROM people p, orders o WHERE (SELECT p.id = 7 OR o.id = 1)",
        "SELECT count(*) FROM people p, orders o WHERE p.id IN (o.id, 7)",
        "SELECT count(*) FROM people p JOIN orders o ON o.person_id = p.id JOIN visits v ON o.person_id = 7 OR v.length = 1",
        "SELECT count(*) FROM people a JOIN people b ON a.id = 7 OR b.id = 7",
        // Rows of people that come out more than once.
        "SELECT avg(p.salary) FROM people p JOIN orders o ON o.person_id = p.id",
        "SELECT count(p.salary) FROM people p, orders o",
        "SELECT count(*) FROM people p JOIN orders o ON o.person_id = p.id HAVING sum(p.salary) > 5",
        "SELECT avg(p.salary) FROM people p JOIN visits v ON v.region = p.region",
        "SELECT avg(p.salary) FROM people p JOIN regions r ON r.label = p.region",
        "SELECT avg(p.salary) FROM (people p CROSS JOIN regions r) LEFT JOIN orders o ON r.region = p.region AND o.id = p.id",
        "SELECT avg(a.salary) FROM people a JOIN people b ON a.region = b.region",
    ] {
        let error = fixture.govern(sql, "public.people", grouped(5)).map(|done| done.query().to_string()).unwrap_err();
        assert!(matches!(error, GovernError::GroupSize { least: 5, .. }), "{sql}: {error:?}");
        let report = error.report();
        assert_eq!(report.sqlstate.0, "42501");
        assert!(report.detail.is_some_and(|detail| detail.contains("people")), "{sql}");
        assert!(report.hint.is_some_and(|hint| !hint.contains("at least")), "{sql}");
    }
}

#[test]
fn what_honest_users_join_is_let_through() {
    let fixture = with_keys();
    for sql in [
        "SELECT r.label, avg(p.salary) FROM people p JOIN regions r ON r.region = p.region GROUP BY r.label",
        "SELECT r.label, avg(p.salary) FROM people p NATURAL JOIN regions r WHERE p.born > '1990-01-01' GROUP BY r.label",
        "SELECT label, avg(salary) FROM regions JOIN people USING (region) GROUP BY label",
        "SELECT r.label, avg(p.salary) FROM people p, regions r WHERE (r.region = p.region) AND r.label <> 'x' GROUP BY 1",
        "SELECT r.label, avg(p.salary) FROM people p LEFT JOIN regions r ON p.region = r.region AND p.id <> 7 GROUP BY 1",
        "SELECT avg(p.salary) FROM regions r RIGHT JOIN people p ON p.region = r.region",
        "SELECT avg(p.salary) FROM people p JOIN (orders o JOIN regions r ON r.region = 'x') ON o.id = p.id AND p.region = r.region",
        "SELECT avg(a.salary) FROM people a JOIN people b ON a.id = b.id",
        "SELECT p.region, sum(o.amount), count(*), count(DISTINCT p.id) FROM people p JOIN orders o ON o.person_id = p.id GROUP BY 1",
        "SELECT count(DISTINCT p.name) FROM people p JOIN orders o ON o.person_id = p.id WHERE o.amount > 5 AND o.day > '2024-01-01'",
        "SELECT n + w FROM (SELECT region, count(*) AS n FROM people GROUP BY region) p JOIN (VALUES ('EU', 1)) v(r, w) ON v.r = p.region",
        "SELECT avg(salary) FROM people WHERE id IN (SELECT person_id FROM orders) AND salary > (SELECT avg(amount) FROM orders)",
    ] {
        let governed =
            fixture.govern(sql, "public.people", grouped(5)).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert!(checked(sql, &governed).contains("count(DISTINCT "), "{sql}");
    }
    // A key that is masked tells rows apart no more, unless it is hashed.
    let sql = "SELECT avg(p.salary) FROM people p JOIN regions r ON r.region = p.region";
    for (mask, is_key) in [(Mask::Redact, false), (Mask::Hash, true)] {
        let mut decisions = fixture.open();
        decisions.insert(crate::types::DatasetName::new("public", "people"), grouped(5));
        decisions.insert(crate::types::DatasetName::new("public", "regions"), super::fixture::masked("region", mask));
        assert_eq!(fixture.govern_with(sql, &decisions).is_ok(), is_key);
    }
}
