//! Which barrier is chosen, and what stands below a fence.

use super::*;
use Barrier::{Fenced, Flattened, Guarded, Open};

#[test]
fn the_barrier_is_chosen_by_analysis() {
    let world = World::new();
    for (sql, barrier) in [
        ("SELECT id, name, email FROM people WHERE id = 7", Flattened),
        ("SELECT id FROM people WHERE id = $1 AND region IN ('EU', 'US') AND salary BETWEEN 1 AND 5", Flattened),
        ("SELECT id FROM people WHERE email = 'x' OR NOT name <> 'y' AND ssn IS NOT NULL", Flattened),
        ("SELECT id FROM people WHERE worth > 3 AND worth <= 7.25 AND worth IS NOT NULL", Flattened),
        // What is evaluated above the scan may hold anything.
        ("SELECT 1 / (salary - 1007), ssn::int FROM people WHERE id = 7 ORDER BY upper(name)", Flattened),
        ("SELECT sum(salary / 2), upper(region) FROM people GROUP BY upper(region) HAVING count(*) > 3", Flattened),
        (
            "SELECT o.amount * 2, p.name || 'x' FROM people p JOIN orders o ON o.person_id = p.id WHERE o.amount > 3.5",
            Flattened,
        ),
        ("SELECT count(*) FROM people HAVING max(salary) > min(salary) + 1", Flattened),
        ("SELECT rank() OVER (PARTITION BY ssn::int ORDER BY 1 / salary) FROM people", Flattened),
        ("SELECT p.ssn::int, o.id FROM orders o LEFT JOIN people p ON o.person_id = p.id", Flattened),
        ("SELECT p.id, o.id FROM people p FULL JOIN orders o ON o.person_id = p.id", Flattened),
        ("SELECT p.id FROM people p, generate_series(1, 2) g WHERE 1 / (g - 1) > 0", Flattened),
        ("SELECT p.id, t FROM people p JOIN orders o ON o.id = p.id, unnest(o.tags) t WHERE t LIKE 'x%'", Flattened),
        ("SELECT p.id FROM people p JOIN generate_series(1, 9) g ON p.id = g", Flattened),
        (
            "SELECT p.id FROM people p JOIN (VALUES (1, 'x'), (2, 'y')) v (k, n) ON p.id = v.k AND p.name = v.n",
            Flattened,
        ),
        // Blocks within blocks.
        ("SELECT x.id FROM (SELECT id, name FROM people WHERE id = 3) x", Flattened),
        ("SELECT x.id FROM (SELECT id FROM people) x WHERE x.id = 3", Flattened),
        ("SELECT x.y FROM (SELECT ssn::int AS y FROM people) x ORDER BY x.y", Flattened),
        ("WITH x AS (SELECT id, 1 / salary AS y FROM people) SELECT id, y FROM x WHERE id = 3", Flattened),
        (
            "WITH x (k, n) AS (SELECT region, count(*) FROM people GROUP BY region) SELECT k FROM x WHERE n > 3 AND k = 'EU'",
            Flattened,
        ),
        (
            "SELECT k FROM (SELECT region AS k, sum(salary) AS s FROM people GROUP BY region) x WHERE s / 2 > 3",
            Flattened,
        ),
        (
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY 1 / salary) AS n FROM people) x WHERE n / 2 < 3",
            Flattened,
        ),
        ("SELECT id FROM people UNION SELECT id FROM people", Flattened),
        ("SELECT id / 2 FROM people UNION ALL SELECT id FROM people", Flattened),
        ("SELECT id FROM (SELECT id FROM people UNION ALL SELECT id FROM orders) x WHERE id = 3", Flattened),
        (
            "WITH RECURSIVE r (n) AS (SELECT id FROM orders UNION ALL SELECT p.id FROM r JOIN people p ON p.salary = r.n) \
             SELECT n FROM r WHERE n = 3",
            Flattened,
        ),
        // Subqueries that hold nothing else.
        ("SELECT id FROM people WHERE id = (SELECT 7)", Flattened),
        ("SELECT id FROM people WHERE id IN (SELECT o.person_id FROM orders o WHERE o.amount > 3)", Flattened),
        ("SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id)", Flattened),
        ("SELECT id FROM people WHERE id = (SELECT max(o.person_id) FROM orders o)", Flattened),
        ("SELECT id FROM people WHERE id = (SELECT o.person_id FROM orders o ORDER BY o.id LIMIT 1)", Flattened),
        ("SELECT (SELECT max(o.amount) FROM orders o WHERE o.person_id = p.id) FROM people p", Flattened),
        ("SELECT (SELECT sum(o.amount / 2) FROM orders o WHERE o.person_id = p.id) FROM people p", Flattened),
        ("SELECT o.id FROM orders o WHERE o.person_id IN (SELECT p.id FROM people p WHERE p.name = 'x')", Flattened),
        // What can fail, or tell, in a place where a guard can stand.
        ("SELECT id FROM people WHERE id = 7 AND ssn::int > 0", Guarded),
        ("SELECT id FROM people WHERE 1 / (salary - 1007) > 0 OR id = 3", Guarded),
        ("SELECT id FROM people WHERE id = 7.5", Guarded),
        ("SELECT id FROM people WHERE id = 99999999999999999999", Guarded),
        ("SELECT id FROM people WHERE name LIKE 'a%' ORDER BY id LIMIT 3", Guarded),
        ("SELECT id FROM people WHERE lower(name) = 'x' AND salary = extract(year FROM current_date)", Guarded),
        ("SELECT id FROM people WHERE salary = id + 1", Guarded),
        ("SELECT id FROM people WHERE id = salary AND id = $1 AND name = $1", Guarded),
        ("SELECT p.id FROM people p JOIN orders o ON o.person_id = p.id AND p.salary > o.amount / 2", Guarded),
        ("SELECT p.id FROM orders o LEFT JOIN people p ON o.person_id = p.id AND p.ssn::int > 0", Guarded),
        ("SELECT x.id FROM (SELECT id FROM people WHERE upper(name) = 'x') x WHERE x.id = 3", Guarded),
        // And where none can.
        ("SELECT salary FROM people GROUP BY salary HAVING 1 / salary > 0", Fenced),
        ("SELECT name FROM people GROUP BY name HAVING name LIKE 'x\\' OR count(*) > 1", Fenced),
        // A guard would be in the row.
        ("SELECT row_to_json(p) FROM people p WHERE id = 7", Flattened),
        ("SELECT row_to_json(p) FROM people p WHERE ssn::int > 0", Fenced),
        ("SELECT id FROM people p WHERE row_to_json(p)::text > 'x'", Fenced),
        ("SELECT p.id FROM people p JOIN orders o ON to_jsonb(o) @> to_jsonb(p)", Fenced),
        ("SELECT x.id FROM (SELECT id, to_json(p) AS j FROM people p) x WHERE x.j::text > 'x'", Fenced),
        // Forms that sqlparser does not know by itself.
        ("SELECT id FROM people WHERE concat(VARIADIC ARRAY[ssn, name]) > 'x'", Guarded),
        ("SELECT id FROM people WHERE normalize(ssn, NFC) IS NORMALIZED", Guarded),
        ("SELECT x.a FROM people p, json_to_record(p.ssn::json) AS x (a int) WHERE x.a > 3", Fenced),
        ("SELECT FROM people WHERE id = 7", Flattened),
        ("SELECT p.id FROM people p JOIN orders o ON o.person_id = p.id AND p.ssn::int = o.id", Fenced),
        ("SELECT p.id FROM people p JOIN (VALUES (1), (2.5)) v (k) ON p.id = v.k", Fenced),
        (
            "SELECT p.id FROM people p JOIN orders o ON o.person_id = p.id JOIN orders b ON o.tags[1]::int = b.id",
            Fenced,
        ),
        ("SELECT p.id FROM people p, LATERAL (SELECT o.id FROM orders o WHERE o.id / p.salary > 1) x", Fenced),
        ("SELECT x.y FROM (SELECT ssn::int AS y FROM people) x WHERE x.y > 3", Fenced),
        ("WITH x AS (SELECT id, name FROM people) SELECT id FROM x WHERE name LIKE 'a%'", Fenced),
        ("SELECT id FROM people WHERE id IN (SELECT o.id / 2 FROM orders o)", Fenced),
        ("SELECT id FROM people WHERE id = (SELECT o.id FROM orders o)", Fenced),
        ("SELECT id FROM people WHERE id = (SELECT o.id FROM orders o LIMIT $1)", Fenced),
        ("SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.amount / p.salary > 1)", Fenced),
        ("SELECT id FROM people WHERE id = 7 AND random() < 0.5", Fenced),
        ("SELECT p.id FROM people p, (VALUES (1), (2)) v (n) WHERE p.id = 7 AND 1 / (v.n - 1) > 0", Fenced),
        ("SELECT ssn FROM (SELECT ssn FROM people UNION ALL SELECT name FROM people) x WHERE x.ssn::int > 0", Fenced),
    ] {
        let forwarded = world.forward(sql);
        let people = forwarded.relations().iter().find(|one| one.dataset.name() == "people").unwrap();
        assert_eq!(people.barrier, barrier, "{sql}: {}\n{}", people.reason, forwarded.text());
    }
}

#[test]
fn each_relation_has_the_barrier_that_it_needs() {
    let mut world = World::new();
    world.decisions.insert(DatasetName::new("public", "orders"), filtered("amount > 3.0"));
    for (sql, people, orders) in [
        ("SELECT 1 FROM people p JOIN orders o ON o.person_id = p.id WHERE o.tags[1] LIKE 'x%'", Flattened, Guarded),
        ("SELECT 1 FROM people p JOIN orders o ON o.person_id = p.id WHERE p.name LIKE 'x%'", Guarded, Flattened),
        ("SELECT 1 FROM people p JOIN orders o ON o.person_id = p.id WHERE o.amount / p.salary > 2", Guarded, Guarded),
        ("SELECT 1 FROM people p JOIN orders o ON o.person_id = p.salary + 1", Fenced, Fenced),
        (
            "SELECT 1 FROM people p, (SELECT id, amount / 2 AS h FROM orders) o WHERE o.id = p.id AND o.h > 3",
            Flattened,
            Fenced,
        ),
        (
            "SELECT 1 FROM people p, (SELECT id, amount / 2 AS h FROM orders) o WHERE o.h > p.salary / 2",
            Guarded,
            Fenced,
        ),
        (
            "SELECT 1 FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id AND o.amount / 2 > 3)",
            Fenced,
            Guarded,
        ),
        (
            "SELECT 1 FROM people p WHERE p.id IN (SELECT o.person_id FROM orders o WHERE o.amount / 2 > 3)",
            Fenced,
            Guarded,
        ),
        (
            "SELECT 1 FROM people p WHERE p.ssn::int > 0 AND EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id)",
            Guarded,
            Flattened,
        ),
    ] {
        let forwarded = world.forward(sql);
        let of = |name: &str| {
            let found = forwarded.relations().iter().find(|one| one.dataset.name() == name).unwrap();
            found.barrier
        };
        assert_eq!((of("people"), of("orders")), (people, orders), "{sql}: {}", forwarded.text());
    }
    // One alias in two places: nobody could say which a guard means.
    let sql =
        "SELECT (SELECT count(*) FROM orders x WHERE x.id = 3), (SELECT count(*) FROM people x WHERE x.name LIKE 'x%')";
    assert_eq!(world.forward(sql).relations()[1].barrier, Fenced);
}

#[test]
fn what_is_hidden_and_how_it_is_filtered_count() {
    let open = World::new().people(Obligations::default());
    assert_eq!(open.barrier("SELECT id FROM people WHERE ssn::int > 0"), Open);
    // No row is hidden: masks alone stand below everything.
    let only_masked = World::new().people(masked(Obligations::default(), "email", Mask::Email));
    assert_eq!(only_masked.barrier("SELECT id FROM people WHERE email LIKE 'a%' AND 1 / salary > 0"), Flattened);
    for (filter, sql, barrier, copied) in [
        ("lower(btrim(region)) = 'eu'", "SELECT id FROM people WHERE id = 7", Flattened, 0),
        ("region LIKE 'E%' AND worth > 3", "SELECT id FROM people WHERE id = 7", Flattened, 0),
        ("1 / (salary - 3) > 0", "SELECT id FROM people WHERE id = 7", Fenced, 0),
        ("region::int = 3", "SELECT id FROM people WHERE id = 7", Fenced, 0),
        (
            "region IN (SELECT t.region FROM ops.tenants t WHERE tenant / 0 = 7)",
            "SELECT id FROM people WHERE id = 7",
            Fenced,
            0,
        ),
    ] {
        let forwarded = World::new().people(filtered(filter)).forward(sql);
        let found = &forwarded.relations()[0];
        assert_eq!((found.barrier, found.copied), (barrier, copied), "{filter}");
    }
    // A filter that asks a subquery may be a join only if nothing can tell below it.
    for (sql, barrier, pinned) in [
        ("SELECT id FROM people WHERE id = 7", Flattened, false),
        ("SELECT ssn::int, 1 / salary FROM people WHERE id = 7 ORDER BY people.id", Flattened, false),
        ("SELECT p.id FROM orders o LEFT JOIN people p ON p.id = o.id", Flattened, false),
        ("SELECT ssn::int AS n FROM people ORDER BY n", Flattened, true),
        ("SELECT DISTINCT ssn::int FROM people", Flattened, true),
        ("SELECT max(ssn::int) FROM people", Flattened, true),
        ("SELECT p.ssn::int FROM orders o LEFT JOIN people p ON p.id = o.id", Flattened, true),
        (
            "SELECT o.id FROM people p JOIN orders o ON p.id = o.id WHERE p.id = 8 AND o.tags[1] LIKE 'x%'",
            Flattened,
            true,
        ),
        ("SELECT id FROM people WHERE id = 7 AND ssn::int > 0", Fenced, false),
    ] {
        let world = World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t WHERE tenant = 7)"));
        let forwarded = world.forward(sql);
        let people = forwarded.relations().iter().find(|one| one.dataset.name() == "people").unwrap();
        assert_eq!((people.barrier, forwarded.text().contains("IS TRUE")), (barrier, pinned), "{}", forwarded.text());
    }
    let computed =
        || World::new().people(masked(filtered("region = 'EU'"), "name", Mask::Expression("left(name, 3)".into())));
    assert_eq!(computed().barrier("SELECT name FROM people WHERE id = 7"), Flattened);
    assert_eq!(computed().barrier("SELECT id FROM people WHERE name = 'x'"), Guarded);
    let mut view = World::new().people(Obligations::default());
    view.tables.clear();
    assert_eq!(view.barrier("SELECT id FROM people"), Fenced);
}

#[test]
fn typed_parameters_are_as_good_as_constants() {
    let mut world = World::new();
    for (types, sql, barrier) in [
        (vec![Some(SqlType::Numeric { precision: 38, scale: 0 })], "SELECT id FROM people WHERE id = $1", Guarded),
        (
            vec![Some(SqlType::Integer)],
            "SELECT id, $1 FROM people WHERE id = $1 OR salary < $1 OR worth > $1",
            Flattened,
        ),
        (vec![Some(SqlType::Numeric { precision: 38, scale: 2 })], "SELECT id FROM people WHERE worth > $1", Flattened),
        (
            vec![Some(SqlType::Text); 2],
            "SELECT id FROM people WHERE name IN ($1, $2) AND region BETWEEN $1 AND $2",
            Flattened,
        ),
        (vec![Some(SqlType::Text)], "SELECT id FROM people WHERE name = $1 AND ssn LIKE $1", Guarded),
        (vec![Some(SqlType::Boolean)], "SELECT id FROM people WHERE $1", Flattened),
        (vec![None], "SELECT id FROM people WHERE id = CAST($1 AS bigint)", Flattened),
        (vec![Some(SqlType::Text)], "SELECT id FROM people WHERE id = CAST($1 AS bigint)", Guarded),
        (
            vec![Some(SqlType::BigInt)],
            "SELECT id FROM people WHERE id IN (SELECT o.id FROM orders o WHERE o.person_id = $1)",
            Flattened,
        ),
    ] {
        world.types = types;
        assert_eq!(world.barrier(sql), barrier, "{sql}");
    }
}

#[test]
fn statistics_are_kept_from_patterns_that_may_fail() {
    let world = World::new();
    let veiled = "CASE WHEN __querygate_t.name IS NOT NULL THEN __querygate_t.name END AS name";
    for (condition, expected) in [
        ("name LIKE 'x%'", false),
        ("name LIKE 'x\\'", true),
        ("name NOT ILIKE $1", true),
        ("name LIKE 'x' ESCAPE '!'", true),
        ("name ~ 'x'", true),
        ("name || '' = 'x'", false),
    ] {
        let forwarded = world.forward(&format!("SELECT id FROM people WHERE {condition} AND random() < 2"));
        assert_eq!(forwarded.relations()[0].barrier, Fenced);
        assert_eq!(forwarded.text().contains(veiled), expected, "{condition}: {}", forwarded.text());
    }
}

#[test]
fn conditions_are_copied_below_a_fence_where_they_mean_the_same() {
    let world = World::new();
    for (sql, copied) in [
        ("SELECT id FROM people WHERE id = 7 AND random() > 0", 1),
        ("SELECT id FROM people WHERE (id = 7 AND salary IS NULL) AND random() > 0 AND region <> name", 3),
        ("SELECT id FROM people WHERE id IN (SELECT o.id FROM orders o) AND random() > 0 AND worth > 7.5", 1),
        // Masked columns stay above.
        ("SELECT id FROM people WHERE email = 'x' AND random() > 0", 0),
        ("SELECT id FROM people WHERE (id = 7 OR email = 'x') AND random() > 0", 0),
        ("SELECT id FROM people WHERE (id = 7 OR salary / 2 > 3) AND random() > 0", 0),
        // The preserved side of an outer join, and the other.
        (
            "SELECT p.id FROM people p LEFT JOIN orders o ON o.person_id = p.id AND p.salary = 3 WHERE p.id = 7 AND random() > 0",
            1,
        ),
        (
            "SELECT p.id FROM orders o LEFT JOIN people p ON o.person_id = p.id AND p.salary = 3 WHERE p.id = 7 AND random() > 0",
            0,
        ),
        ("SELECT p.id FROM people p FULL JOIN orders o ON o.person_id = p.id WHERE p.id = 7 AND random() > 0", 0),
        ("SELECT p.id FROM people p RIGHT JOIN orders o ON o.person_id = p.id WHERE p.id = 7 AND random() > 0", 0),
        ("SELECT p.id FROM people p JOIN orders o ON o.person_id = p.id AND p.salary = 3 WHERE p.ssn::int = o.id", 1),
        // Another block.
        ("SELECT x.id FROM (SELECT id, ssn FROM people) x WHERE x.id = 7 AND x.ssn::int > 0", 0),
        ("SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = 7 AND p.salary + 1 = o.id)", 1),
    ] {
        let forwarded = world.forward(sql);
        let people = forwarded.relations().iter().find(|one| one.dataset.name() == "people").unwrap();
        assert_eq!((people.barrier, people.copied), (Fenced, copied), "{sql}: {}", forwarded.text());
    }
}
