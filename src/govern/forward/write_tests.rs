//! What is sent for a statement that writes, and that no changed text is proved.

use super::tests::{World, filtered, masked};
use super::verify_write::verify_text;
use super::*;
use crate::decision::Mask;
use crate::govern::GovernError;

#[test]
fn the_row_filter_stands_at_the_target_and_over_what_is_written() {
    let world = World::new();
    let sql = "UPDATE people p SET name = 'x', salary = p.salary + 1 FROM orders o WHERE p.id = o.person_id";
    assert_eq!(
        world.forward(sql).text(),
        "WITH __querygate_w AS (UPDATE sales.people AS __querygate_t SET name = 'x', salary = __querygate_t.salary + 1 \
         FROM (SELECT __querygate_t.person_id AS person_id FROM sales.orders AS __querygate_t) AS o \
         WHERE ((__querygate_t.region = 'EU')) AND (__querygate_t.id = o.person_id) \
         RETURNING CAST(CASE WHEN ((__querygate_t.region = 'EU')) THEN 't' ELSE 'querygate: row filter' END AS pg_catalog.bool) \
         AS __querygate_ok) SELECT 1 AS one FROM __querygate_w AS w WHERE w.__querygate_ok"
    );
}

#[test]
fn each_form_is_proved() {
    let world = World::new();
    for sql in [
        "INSERT INTO people (id, name, region) VALUES (1, 'x', 'EU'), ($1, $2, 'U''S')",
        "INSERT INTO people AS p (id, name) SELECT o.id, upper('x') FROM orders o WHERE o.amount > 3 RETURNING p.id, email, *",
        "INSERT INTO orders VALUES (1, 2)",
        "INSERT INTO orders (id) WITH a AS (SELECT id FROM people) SELECT id FROM a UNION ALL SELECT 7 ORDER BY 1 LIMIT 3",
        "UPDATE people SET name = upper(name), salary = salary + 1 WHERE id = 7",
        "UPDATE people p SET name = $1 WHERE ssn::int > 0 AND id = $2 RETURNING id, email, name || '!' AS loud",
        "UPDATE people SET salary = (SELECT max(o.amount) FROM orders o WHERE o.person_id = people.id)::int",
        "UPDATE people p SET name = o.id::text FROM orders o JOIN orders q ON q.id = o.id WHERE o.person_id = p.id AND 1 / o.id > 0",
        "UPDATE orders SET amount = 0 WHERE id IN (SELECT id FROM people WHERE email LIKE 'x%')",
        "UPDATE people SET name = 'x' WHERE email = 'ann***@x' AND region = 'EU'",
        "DELETE FROM people",
        "DELETE FROM people p USING orders o WHERE o.person_id = p.id AND p.name = 'a' RETURNING p.id, o.id, p.ssn",
        "DELETE FROM orders WHERE amount > 3",
    ] {
        let text = world.forward(sql).text().to_owned();
        assert!(text.starts_with("WITH __querygate_w AS ("), "{sql}: {text}");
    }
    for world in [
        World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t WHERE t.tenant = 3)")),
        World::new().people(filtered("1 / salary > 0 AND region = :quoted")),
        World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Expression("left(name, 1)".into()))),
    ] {
        for sql in [
            "INSERT INTO people (id, region) VALUES (1, 'x') RETURNING name",
            "UPDATE people SET salary = 2 WHERE id = 7 AND name = 'y'",
            "DELETE FROM people WHERE id = 7 RETURNING name",
        ] {
            world.forward(sql);
        }
    }
}

#[test]
fn what_is_masked_is_not_written() {
    let world = World::new();
    for sql in [
        "UPDATE people SET email = 'x'",
        "INSERT INTO people (id, email) VALUES (1, 'x')",
        "INSERT INTO people VALUES (1, 'x', 'y')",
    ] {
        match world.written(sql) {
            Err(GovernError::NotWritable { column, .. }) => assert_eq!(column, "email", "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(world.written("INSERT INTO people VALUES (1, 'x')").is_ok());
    let refused = world.refused("INSERT INTO people (id) SELECT people.salary FROM orders");
    assert_eq!(refused.sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
    let mut view = World::new();
    view.tables.clear();
    assert_eq!(view.refused("DELETE FROM orders").sqlstate, SqlState::FEATURE_NOT_SUPPORTED);
}

#[test]
fn guards_and_views_are_not_for_writes() {
    let world = World::new();
    let (condition, views) = ("WHERE p.id = 7 AND p.ssn::int > 0", "kept");
    let read = forward(&world.govern(&format!("SELECT p.id FROM people p {condition}")), &world.context()).unwrap();
    assert_eq!(read.relations()[0].barrier, Barrier::Guarded);
    for sql in [format!("DELETE FROM people p {condition}"), format!("DELETE FROM orders o USING people p {condition}")]
    {
        let governed = world.govern(&sql);
        let context = world.context();
        let written = forward_with_views(&governed, &context, views).unwrap();
        assert!(written.views().is_empty() && !written.text().contains("__querygate_visible"), "{}", written.text());
        assert!(written.text().contains(" AND (__querygate_t.id = 7)"), "{}", written.text());
        let people = written.relations().iter().find(|relation| relation.dataset.name() == "people").unwrap();
        assert_eq!((people.barrier, people.copied), (Barrier::Fenced, 1), "{sql}");
        // Nor are they proved.
        let key = KeyParameters { inner: 3, outer: 4 };
        let mut fences = leak::barriers(&governed, &context);
        let verify = |fences: &Barriers| {
            verify_text(written.text(), (&governed, governed.write().unwrap()), fences, &context, key)
        };
        assert_eq!(verify(&fences), Ok(()));
        let fenced = fences.relations.get_mut(&people.key).unwrap();
        fenced.barrier = Barrier::Guarded;
        assert!(verify(&fences).is_err(), "{sql}");
    }
}

#[test]
fn a_filter_that_asks_a_subquery_never_becomes_a_join() {
    let asking = World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t WHERE t.tenant = 3)"));
    let context = asking.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    for sql in [
        "DELETE FROM people WHERE id = 7",
        "DELETE FROM people",
        "UPDATE people SET name = 'x' WHERE id = 7",
        "DELETE FROM orders o USING people p WHERE p.id = o.person_id",
        "INSERT INTO orders (id) SELECT p.id FROM people p",
    ] {
        let governed = asking.govern(sql);
        let text = forward(&governed, &context).unwrap().text;
        let fences = leak::barriers(&governed, &context);
        let verify = |text: &str| verify_text(text, (&governed, governed.write().unwrap()), &fences, &context, key);
        assert_eq!(verify(&text), Ok(()), "{text}");
        let changed = text.replacen(" IS TRUE", "", 1);
        assert_ne!(changed, text, "{sql}");
        assert!(verify(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_changed_text_that_writes_is_not_proved() {
    let world = World::new();
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    let update = "UPDATE people p SET name = $1 FROM orders o \
                  WHERE p.id = 7 AND p.ssn::int > 0 AND o.person_id = p.id RETURNING p.id, p.email";
    let changes: &[(&str, &[(&str, &str)])] = &[
        (
            update,
            &[
                // The row filter dropped, weakened or moved; the check dropped or weakened.
                ("WHERE ((__querygate_t.region = 'EU')) AND ", "WHERE "),
                ("WHERE ((__querygate_t.region = 'EU'))", "WHERE (true)"),
                ("WHERE ((__querygate_t.region = 'EU')) AND", "WHERE ((__querygate_t.region = 'EU')) OR"),
                ("CASE WHEN ((__querygate_t.region = 'EU')) THEN (", "CASE WHEN true THEN ("),
                ("ELSE false END", "ELSE true END"),
                (
                    "CAST(CASE WHEN ((__querygate_t.region = 'EU')) THEN 't' ELSE 'querygate: row filter' END AS pg_catalog.bool)",
                    "true",
                ),
                ("THEN 't' ELSE 'querygate", "THEN 't' ELSE 't"),
                (" WHERE w.__querygate_ok", ""),
                // The user's conditions.
                (" AND (__querygate_t.id = 7)", " AND (__querygate_t.email = 'x')"),
                (" AND (__querygate_t.id = 7)", " AND (1 / __querygate_t.salary > 0)"),
                ("(__querygate_t.id = 7 AND", "(__querygate_t.id = 8 AND"),
                // Target, columns, values.
                ("UPDATE sales.people", "UPDATE sales.salaries"),
                ("UPDATE sales.people", "UPDATE people"),
                ("UPDATE sales.people", "UPDATE ONLY sales.people"),
                ("SET name =", "SET email ="),
                ("SET name = $1", "SET name = $1, salary = 2"),
                ("SET name = $1", "SET name = $2"),
                ("SET name = $1", "SET name = __querygate_t.ssn"),
                // Others and what is returned.
                ("sales.orders", "sales.secrets"),
                ("'***@'", "'@'"),
                ("__querygate_t.id AS o0", "__querygate_t.ssn AS o0"),
                (" AS o0,", " AS o0, __querygate_t.ssn AS more,"),
                ("SELECT w.o0 AS o0", "SELECT w.o1 AS o0"),
                ("UPDATE sales.people", "DELETE FROM sales.people"),
            ],
        ),
        (
            "INSERT INTO people (id, name, region) SELECT o.id, $1, 'US' FROM orders o",
            &[
                ("INSERT INTO sales.people", "INSERT INTO sales.salaries"),
                ("(id, name, region)", "(id, email, region)"),
                ("(id, name, region)", "(id, name, ssn)"),
                ("(id, name, region)", ""),
                ("'US'", "'EU'"),
                ("sales.orders", "sales.secrets"),
                (
                    "RETURNING CAST(CASE WHEN ((__querygate_t.region = 'EU')) THEN 't' ELSE 'querygate: row filter' END AS pg_catalog.bool)",
                    "RETURNING true",
                ),
                (" RETURNING", " ON CONFLICT DO NOTHING RETURNING"),
            ],
        ),
        (
            "DELETE FROM people WHERE name LIKE 'x%'",
            &[
                ("WHERE ((__querygate_t.region = 'EU')) AND ", "WHERE "),
                ("CASE WHEN ((__querygate_t.region = 'EU')) THEN ", ""),
                ("LIKE 'x%'", "LIKE '%'"),
                ("DELETE FROM sales.people", "DELETE FROM sales.orders"),
                ("SELECT 1 AS one", "SELECT (SELECT 1 FROM sales.people) AS one"),
                ("AS w WHERE", "AS w, sales.people AS x WHERE"),
            ],
        ),
    ];
    for (sql, changes) in changes {
        let governed = world.govern(sql);
        let fences = leak::barriers(&governed, &context);
        let text = forward(&governed, &context).unwrap().text;
        let write = governed.write().unwrap();
        let verify = |text: &str| verify_text(text, (&governed, write), &fences, &context, key);
        assert_eq!(verify(&text), Ok(()), "{text}");
        for (from, to) in *changes {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(verify(&changed).is_err(), "{changed}");
        }
        for tail in [" FOR UPDATE", "; SELECT 1", " UNION SELECT 1", " LIMIT 1"] {
            assert!(verify(&format!("{text}{tail}")).is_err(), "{tail}");
        }
    }
}
