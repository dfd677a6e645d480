//! Ways to get at what is hidden: names that shadow, quotes, catalogs, denied and invisible things.

use super::fixture::{Fixture, parse, table_command};
use crate::govern::{ResolveFault, undiscoverable};
use crate::types::DatasetName;

#[test]
fn no_name_of_the_user_takes_the_place_of_a_governed_relation() {
    let fixture = Fixture::new();
    for (sql, tree) in [
        (
            "WITH \"__querygate.r0\" AS (SELECT 1 AS id) SELECT p.id FROM people p, \"__querygate.r0\" x",
            "WITH cte AS (SELECT 1 AS id) SELECT p.id FROM __querygate.r0 AS p, cte AS x",
        ),
        (
            "WITH r0 AS (SELECT 1 AS id) SELECT p.id FROM people p, r0",
            "WITH r0 AS (SELECT 1 AS id) SELECT p.id FROM __querygate.r0 AS p, r0 AS r0",
        ),
        (
            "WITH __querygate AS (SELECT 1 AS r0) SELECT p.id FROM people p, __querygate",
            "WITH cte AS (SELECT 1 AS r0) SELECT p.id FROM __querygate.r0 AS p, cte AS t",
        ),
        ("SELECT __querygate.id FROM people AS __querygate", "SELECT t.id FROM __querygate.r0 AS t"),
        (
            "WITH \"PEOPLE\" AS (SELECT 1 AS id) SELECT id FROM people",
            "WITH cte AS (SELECT 1 AS id) SELECT people.id FROM __querygate.r0 AS people",
        ),
        (
            "WITH people AS (SELECT 1 AS id) SELECT id FROM public.people",
            "WITH people AS (SELECT 1 AS id) SELECT people.id FROM __querygate.r0 AS people",
        ),
        ("SELECT \"x\"\"y\".id FROM people \"x\"\"y\"", "SELECT t.id FROM __querygate.r0 AS t"),
        (
            "SELECT id AS \"a\"\" FROM vault --\" FROM people",
            "SELECT people.id AS \"a_ FROM vault --\" FROM __querygate.r0 AS people",
        ),
    ] {
        assert_eq!(fixture.tree(sql), tree, "{sql}");
    }
    let tree = fixture.tree("SELECT 'x\\'' UNION SELECT key FROM vault --' AS a FROM people");
    assert_eq!(tree, "SELECT $q$x\\' UNION SELECT key FROM vault --$q$ AS a FROM __querygate.r0 AS people");
    let tree = fixture.tree("SELECT 'a''$q$b' AS a");
    assert_eq!(tree, "SELECT $q1$a'$q$b$q1$ AS a");
}

#[test]
fn the_search_path_decides_and_pg_catalog_comes_first() {
    let mut fixture = Fixture::new();
    let name = |fixture: &Fixture, sql: &str| {
        fixture
            .resolve(sql)
            .map(|resolved| resolved.datasets().into_keys().map(|name| name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(name(&fixture, "SELECT 1 FROM people").unwrap(), ["public.people"]);
    fixture.search_path = vec!["nowhere".into(), "ops".into(), "public".into()];
    assert_eq!(name(&fixture, "SELECT 1 FROM people").unwrap(), ["ops.people"]);
    assert_eq!(name(&fixture, "SELECT 1 FROM pg_class").unwrap(), Vec::<String>::new());
    fixture.search_path = Vec::new();
    assert!(name(&fixture, "SELECT 1 FROM people").is_err());
    assert!(name(&fixture, "SELECT 1 FROM pg_class").is_ok());
}

#[test]
fn a_denied_column_is_not_there_unless_it_is_named() {
    let fixture = Fixture::denying("public.people", &["salary", "email"]);
    assert_eq!(
        fixture.tree("SELECT * FROM people"),
        "SELECT people.id, people.name, people.region, people.born FROM __querygate.r0 AS people"
    );
    for sql in [
        "SELECT salary FROM people",
        "SELECT p.salary FROM people p",
        "SELECT 1 FROM people WHERE salary > 1",
        "SELECT 1 FROM people ORDER BY salary",
        "SELECT (SELECT salary) FROM people",
        "SELECT 1 FROM people a JOIN people b USING (salary)",
        "SELECT (people).salary FROM people",
        "SELECT c FROM people AS p(a, b, c)",
        "SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM people WHERE salary > o.amount)",
    ] {
        let error = fixture.resolve(sql).unwrap_err();
        assert!(matches!(error.fault, ResolveFault::DeniedColumn { .. }), "{sql}: {error}");
        assert_eq!(error.report().sqlstate.0, "42501");
    }
    assert!(fixture.resolve("SELECT salary FROM (SELECT 1 AS salary) x").is_ok());
    let tree = fixture.tree("SELECT 1 AS a FROM people a NATURAL JOIN people b");
    assert!(!tree.contains("salary"), "{tree}");
    let all = Fixture::denying("public.regions", &["region", "label"]);
    assert_eq!(all.error("SELECT * FROM regions").sqlstate.0, "42501");
}

#[test]
fn what_is_invisible_reads_as_if_it_were_absent() {
    let mut fixture = Fixture::new();
    fixture.invisible.insert(DatasetName::new("public", "vault"));
    let hidden = fixture.error("SELECT 1 FROM vault");
    let absent = fixture.error("SELECT 1 FROM vaulx");
    assert_eq!(hidden.message.replace("vault", "vaulx"), absent.message);
    assert_eq!((hidden.sqlstate, hidden.hint, hidden.detail), (absent.sqlstate, absent.hint, absent.detail));
    assert_eq!(fixture.error("SELECT key FROM public.vault").message, "relation \"public.vault\" does not exist");
    fixture.workspace.datasets = [DatasetName::new("public", "orders")].into();
    assert_eq!(fixture.error("SELECT 1 FROM people").sqlstate.0, "42P01");
    assert!(fixture.resolve("SELECT 1 FROM orders").is_ok());
    assert!(fixture.resolve("SELECT 1 FROM pg_class").is_ok());
}

#[test]
fn hiding_datasets_are_asked_about_wherever_they_are_named() {
    let fixture = Fixture::new();
    for sql in [
        "SELECT 1 FROM vault",
        "SELECT 1 FROM public.\"vault\"",
        "SELECT (SELECT 1 FROM VAULT)",
        "WITH x AS (SELECT 1 FROM vault) SELECT 1",
    ] {
        assert_eq!(undiscoverable(&parse(sql), &fixture.catalog).len(), 1, "{sql}");
    }
    assert_eq!(undiscoverable(&table_command("vault"), &fixture.catalog).len(), 1);
    assert!(undiscoverable(&parse("SELECT 'vault' FROM people"), &fixture.catalog).is_empty());
}
