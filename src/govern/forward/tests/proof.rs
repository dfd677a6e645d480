//! No changed text is proved.

use super::*;
use crate::govern::forward::verify::{self, ForwardVerifyError, verify_text};

#[test]
fn a_changed_text_is_not_proved() {
    let world = World::new();
    let sql = "SELECT p.id, p.email, o.amount FROM people p JOIN orders o ON o.person_id = p.id \
               WHERE p.id = 7 AND p.ssn::int > 0 AND p.name = $1 AND random() < 2";
    let governed = world.govern(sql);
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    let fences = leak::barriers(&governed, &context);
    let text = forward(&governed, &context).unwrap().text;
    let verify = |text: &str| verify_text(text, &governed, &fences, &context, key);
    assert_eq!(verify(&text), Ok(()));
    for (from, to) in [
        // The filter dropped, weakened, widened.
        ("((__querygate_t.region = 'EU')) AND ", ""),
        ("region = 'EU'", "region = 'US'"),
        ("region = 'EU'", "region = 'EU' OR true"),
        ("((__querygate_t.region = 'EU')) AND", "((__querygate_t.region = 'EU')) OR"),
        // A mask dropped, or the key's parameter taken for another.
        ("$3", "$4"),
        ("'***@'", "'@'"),
        // A column swapped.
        ("__querygate_t.id AS id", "__querygate_t.salary AS id"),
        ("__querygate_t.ssn AS ssn", "__querygate_t.email AS ssn"),
        ("o.amount FROM", "p.ssn FROM"),
        // The fence dropped, or a condition added below it.
        (" OFFSET 0", ""),
        (" OFFSET 0", " AND 1 / (__querygate_t.salary - 7) > 0 OFFSET 0"),
        ("(__querygate_t.id = 7)", "(__querygate_t.ssn::int = 7)"),
        ("(__querygate_t.id = 7)", "(__querygate_t.email = 'x')"),
        ("(__querygate_t.id = 7)", "(__querygate_t.id = 7) AND (__querygate_t.id = 7)"),
        // Another relation.
        ("sales.people", "sales.salaries"),
        ("sales.people", "people"),
        (" WHERE p.id = 7", ", sales.people x WHERE p.id = 7"),
        (" WHERE p.id = 7", ", pg_catalog.pg_authid x WHERE p.id = 7"),
        (" WHERE p.id = 7", ", pg_authid x WHERE p.id = 7"),
        (" WHERE p.id = 7", ", (SELECT rolname FROM pg_authid) x WHERE p.id = 7"),
        ("p.name = $1", "p.name = $3"),
        ("p.name = $1", "p.name = 'x'"),
        ("p.name = $1", "pg_catalog.pg_sleep(1) IS NULL"),
        ("p.name = $1", "EXISTS (SELECT 1 FROM sales.people)"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(verify(&changed).is_err(), "{changed}");
    }
    for tail in [" FOR UPDATE", "; SELECT 1", " INTO x", " UNION SELECT 1, 'a', 2"] {
        assert!(verify(&format!("{text}{tail}")).is_err(), "{tail}");
    }
    let (mask, end) = (text.find("CASE WHEN __querygate_t.email").unwrap(), text.find(" AS email").unwrap());
    let mut dropped = text.to_owned();
    dropped.replace_range(mask..end, "__querygate_t.email");
    assert!(matches!(verify(&dropped), Err(ForwardVerifyError::Relation(_))), "{dropped}");
}

#[test]
fn a_text_with_a_changed_guard_is_not_proved() {
    let mut world = World::new();
    world.decisions.insert(DatasetName::new("public", "orders"), filtered("amount > 3.0"));
    let sql = "SELECT p.id, o.amount FROM people p LEFT JOIN orders o ON o.person_id = p.id AND o.amount / p.salary > 1 \
               WHERE p.id = 7 AND p.ssn::int > 0 AND (p.name = $1 OR o.tags[1] LIKE 'x%') GROUP BY p.id, o.amount \
               HAVING max(p.salary) / 2 > 3";
    let governed = world.govern(sql);
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    let fences = leak::barriers(&governed, &context);
    let text = forward(&governed, &context).unwrap().text;
    let verify = |text: &str| verify_text(text, &governed, &fences, &context, key);
    assert_eq!(verify(&text), Ok(()), "{text}");
    let (p, o) = ("p.__querygate_visible IS NOT FALSE", "o.__querygate_visible IS NOT FALSE");
    let of_ssn = format!("CASE WHEN {p} THEN p.ssn::INT > 0 END");
    let of_both = format!("CASE WHEN {o} AND {p} THEN o.amount / p.salary > 1 END");
    for (from, to) in [
        // A guard left out, weakened, or of another relation.
        (of_ssn.as_str(), "p.ssn::INT > 0"),
        (&of_ssn, "CASE WHEN true THEN p.ssn::INT > 0 END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT TRUE THEN p.ssn::INT > 0 END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT NULL THEN p.ssn::INT > 0 END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT FALSE OR true THEN p.ssn::INT > 0 END"),
        (&of_ssn, "CASE WHEN o.__querygate_visible IS NOT FALSE THEN p.ssn::INT > 0 END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT FALSE THEN p.ssn::INT > 0 ELSE true END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT FALSE THEN p.ssn::INT > 1 END"),
        (&of_ssn, "CASE WHEN p.__querygate_visible IS NOT FALSE THEN true WHEN true THEN p.ssn::INT > 0 END"),
        (&of_both, "CASE WHEN p.__querygate_visible IS NOT FALSE THEN o.amount / p.salary > 1 END"),
        (&of_both, "o.amount / p.salary > 1"),
        // Moved from one condition to another.
        ("p.id = 7 AND", &format!("CASE WHEN {p} THEN p.id = 7 END AND")),
        // What it asks.
        ("((__querygate_t.region = 'EU')) IS TRUE AS __querygate_visible", "true AS __querygate_visible"),
        (" IS TRUE AS __querygate_visible", " IS NOT NULL AS __querygate_visible"),
        (", ((__querygate_t.region = 'EU')) IS TRUE AS __querygate_visible", ""),
        ("SELECT p.id, o.amount FROM", "SELECT p.id, p.__querygate_visible FROM"),
        ("max(p.salary) / 2", "p.salary / 2"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}\n{text}");
        assert!(verify(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_guard_inside_of_a_subquery_is_read_there() {
    let world = World::new();
    let sql = "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM people p WHERE p.id = o.id AND p.ssn::int > 0)";
    let governed = world.govern(sql);
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    let fences = leak::barriers(&governed, &context);
    let text = forward(&governed, &context).unwrap().text;
    let guard = "CASE WHEN p.__querygate_visible IS NOT FALSE THEN p.ssn::INT > 0 END";
    for to in ["p.ssn::INT > 0", "CASE WHEN true THEN p.ssn::INT > 0 END"] {
        let changed = text.replacen(guard, to, 1);
        assert_ne!(changed, text);
        assert!(verify_text(&changed, &governed, &fences, &context, key).is_err(), "{changed}");
    }
}

#[test]
fn a_filter_that_is_kept_in_the_scan_is_so_in_the_text() {
    let world = World::new().people(filtered("region IN (SELECT t.region FROM ops.tenants t WHERE tenant = 7)"));
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    for (sql, from, to) in [
        ("SELECT max(ssn::int) FROM people", ") IS TRUE)", "))"),
        ("SELECT id FROM people WHERE id = 7", "tenant = 7))", "tenant = 7)) IS TRUE"),
        (
            "SELECT id FROM people WHERE name LIKE $1",
            "CASE WHEN __querygate_t.name IS NOT NULL THEN __querygate_t.name END AS name",
            "__querygate_t.name AS name",
        ),
    ] {
        let governed = world.govern(sql);
        let fences = leak::barriers(&governed, &context);
        let text = forward(&governed, &context).unwrap().text;
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(verify_text(&text, &governed, &fences, &context, key), Ok(()));
        assert!(verify_text(&changed, &governed, &fences, &context, key).is_err(), "{changed}");
    }
}

#[test]
fn a_text_that_is_the_governed_statement_is_read_by_closed_lists_all_the_same() {
    let world = World::new();
    let mut governed = world.govern("SELECT id FROM people");
    let context = world.context();
    let key = KeyParameters { inner: 3, outer: 4 };
    let fences = leak::barriers(&governed, &context);
    let text = forward(&governed, &context).unwrap().text;
    for (own, sent) in [("pg_sleep(1)", "pg_catalog.pg_sleep(1)"), ("$9", "$9"), ("id::evil", "people.id::evil")] {
        let tree = format!("SELECT {} AS id FROM __querygate.r0 AS people", own.replace("id", "people.id"));
        let parsed = crate::sql::parse(&tree, &crate::sql::ParseBounds::default()).unwrap();
        *governed.query = parsed[0].query().unwrap().clone();
        let changed = text.replacen("people.id FROM", &format!("{sent} AS id FROM"), 1);
        assert_ne!(changed, text);
        let told = verify_text(&changed, &governed, &fences, &context, key);
        assert!(matches!(told, Err(ForwardVerifyError::NotAllowed(_))), "{changed}: {told:?}");
    }
}

#[test]
fn what_is_on_no_list_is_refused_by_the_reader_alone() {
    let walk = verify::walk_for_tests;
    let plain = "SELECT pg_catalog.upper('a') || 'b', $1, 1::int, DATE '2024-01-01', now_.x FROM (SELECT 1 AS x) now_";
    assert_eq!(walk(plain, 1), Ok(()));
    for text in [
        "SELECT upper('a')",
        "SELECT pg_catalog.pg_sleep(1)",
        "SELECT pg_catalog.query_to_xml('select 1', true, true, '')",
        "SELECT pg_catalog.lo_import('/etc/passwd')",
        "SELECT pg_catalog.set_config('a', 'b', false)",
        "SELECT evil.f(1)",
        "SELECT pg_catalog.nextval('s')",
        "SELECT 1 OPERATOR(evil.+) 2",
        "SELECT 1 OPERATOR(pg_catalog.+) 2",
        "SELECT 'a'::evil.t",
        "SELECT 'pg_class'::regclass",
        "SELECT current_user",
        "SELECT $2",
        "SELECT 1 FOR UPDATE",
        "SELECT 1 INTO x",
        "TABLE pg_class",
        "SELECT * FROM pg_class",
        "SELECT 1 FROM a.b",
        "WITH x AS (SELECT 1) SELECT 1 FROM y",
        "WITH x AS (SELECT 1 FROM y), y AS (SELECT 1) SELECT 1 FROM x",
        "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "SELECT 1 FROM ROWS FROM (pg_catalog.generate_series(1, 2)) x",
        "SELECT 1 FROM xmltable('/a' PASSING 'b' COLUMNS c text) x",
        "SELECT pg_catalog.ts_stat('SELECT 1')",
        "SELECT pg_catalog.ts_rewrite('a'::tsquery, 'SELECT 1')",
        "SELECT pg_catalog.setseed(1)",
        "SELECT 'a'::pg_catalog.regrole",
        "SELECT pg_catalog.make_interval(days => evil.f())",
        "SELECT 'a' COLLATE evil.c",
        "SELECT evil.f('a') COLLATE \"C\"",
        "SELECT x FROM evil.f(1) WITH ORDINALITY x",
        "SELECT (x).y FROM (SELECT 1 AS x) z",
        "SELECT 1 FROM (SELECT 1) x TABLESAMPLE evil.s(1)",
        "SELECT pg_catalog.count(*) FROM (SELECT 1) a JOIN (SELECT 1) b USING (c)",
        "SELECT xmlelement(name a)",
        "INSERT INTO t VALUES (1)",
        "SELECT 1; SELECT 2",
    ] {
        assert!(walk(text, 1).is_err(), "{text}");
    }
}

#[test]
fn a_text_search_by_what_the_upstream_calls_so_is_not_proved() {
    let own = [
        "pg_catalog.to_tsvector('english', 'x')",
        "pg_catalog.ts_lexize('pg_catalog.english_stem', 'x')",
        "pg_catalog.ts_headline(pg_catalog.lower('X'), CAST('x' AS tsquery), 'MaxWords=3')",
        "pg_catalog.to_tsvector('data.finder')",
    ];
    for call in own {
        assert_eq!(verify::walk_for_tests(&format!("SELECT {call}"), 1), Ok(()), "{call}");
    }
    for call in [
        "pg_catalog.to_tsvector('data.finder', 'x')",
        "pg_catalog.to_tsvector('3748', 'x')",
        "pg_catalog.to_tsquery($1, 'x')",
        "pg_catalog.plainto_tsquery(('data.finder'), 'x')",
        "pg_catalog.phraseto_tsquery('data.finder' COLLATE \"C\", 'x')",
        "pg_catalog.websearch_to_tsquery(COALESCE('data.finder', NULL), 'x')",
        "pg_catalog.json_to_tsvector('data.finder', '{}', '\"all\"')",
        "pg_catalog.jsonb_to_tsvector(CASE WHEN true THEN 'data.finder' END, '{}', '\"all\"')",
        "pg_catalog.ts_headline('data.finder', 'x', CAST('x' AS tsquery))",
        "pg_catalog.ts_headline($1, 'x', CAST('x' AS tsquery))",
        "pg_catalog.ts_headline('data.finder', 'x', CAST('x' AS tsquery), 'MaxWords=3')",
        "pg_catalog.ts_lexize('data.words', 'x')",
    ] {
        let told = verify::walk_for_tests(&format!("SELECT {call}"), 1);
        assert!(matches!(told, Err(ForwardVerifyError::NotAllowed(_))), "{call}: {told:?}");
    }
}

#[test]
fn a_parameter_whose_values_are_names_is_not_forwarded() {
    let world = World::new();
    let governed = world.govern("SELECT id FROM people WHERE id = $1");
    let forwarded = |sql_type: SqlType| {
        let types = [Some(sql_type)];
        forward(&governed, &ForwardContext { parameters: 1, parameter_types: &types, ..world.context() }).map(drop)
    };
    let other = |name: &str| SqlType::Other(name.to_owned());
    for values in [SqlType::BigInt, other("numeric"), other("oid"), SqlType::Array(Box::new(other("inet")))] {
        assert_eq!(forwarded(values.clone()).err(), None, "{values:?}");
    }
    for names in
        ["regclass", "regtype", "regproc", "regrole", "regconfig", "regnamespace", "xml", "aclitem", "_regclass"]
    {
        for sql_type in [other(names), SqlType::Array(Box::new(other(names)))] {
            assert!(matches!(forwarded(sql_type), Err(ForwardError::NotSupported { .. })), "{names}");
        }
    }
}
