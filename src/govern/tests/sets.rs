//! Functions that give a set as an output, and the parts of what they give: along arrays of the system's relations alone.

use super::fixture::Fixture;
use crate::error::SqlState;

#[test]
fn sets_along_system_columns_may_be_outputs() {
    let fixture = Fixture::new();
    let cases = [
        (
            "SELECT unnest(relkind) AS k, generate_subscripts(relkind, 1) FROM pg_class",
            "SELECT unnest(pg_class.relkind) AS k, generate_subscripts(pg_class.relkind, 1) AS generate_subscripts FROM __querygate.r0 AS pg_class",
        ),
        (
            "SELECT (information_schema._pg_expandarray(relkind)).n FROM pg_class",
            "SELECT (_pg_expandarray(pg_class.relkind)).n AS n FROM __querygate.r0 AS pg_class",
        ),
        (
            "SELECT (r.keys).x FROM (SELECT information_schema._pg_expandarray(relkind) AS keys FROM pg_class) r WHERE (r.keys).n = 1",
            "SELECT (r.keys).x AS x FROM (SELECT _pg_expandarray(pg_class.relkind) AS keys FROM __querygate.r0 AS pg_class) AS r WHERE (r.keys).n = 1",
        ),
        (
            "SELECT generate_series(array_lower(relkind, 1), array_upper(relkind, 1)) AS i FROM pg_class",
            "SELECT generate_series(array_lower(pg_class.relkind, 1), array_upper(pg_class.relkind, 1)) AS i FROM __querygate.r0 AS pg_class",
        ),
        (
            "SELECT oid FROM pg_class WHERE oid IN (SELECT pg_catalog.pg_partition_ancestors('1'))",
            "SELECT pg_class.oid FROM __querygate.r0 AS pg_class WHERE pg_class.oid IN (SELECT pg_partition_ancestors('1') AS pg_partition_ancestors)",
        ),
        (
            "SELECT a.depth FROM pg_class c, pg_partition_ancestors(c.oid) WITH ORDINALITY AS a(relid, depth)",
            "SELECT a.depth FROM __querygate.r0 AS c, pg_partition_ancestors(c.oid) WITH ORDINALITY AS a (relid, depth)",
        ),
        (
            "SELECT relid FROM pg_partition_ancestors('1')",
            "SELECT pg_partition_ancestors.relid FROM pg_partition_ancestors('1') AS pg_partition_ancestors (relid)",
        ),
    ];
    for (sql, tree) in cases {
        assert_eq!(fixture.tree(sql), tree, "{sql}");
    }
}

#[test]
fn sets_along_an_upstreams_datasets_may_be_outputs() {
    let fixture = Fixture::new();
    for (sql, tree) in [
        ("SELECT unnest(tags) FROM orders", "SELECT unnest(orders.tags) AS \"unnest\" FROM __querygate.r0 AS orders"),
        (
            "SELECT id, generate_series(1, 3) AS n FROM orders",
            "SELECT orders.id, generate_series(1, 3) AS n FROM __querygate.r0 AS orders",
        ),
        (
            "SELECT e FROM orders o, jsonb_array_elements('[1]') e",
            "SELECT e.value AS e FROM __querygate.r0 AS o, jsonb_array_elements('[1]') AS e (value)",
        ),
        (
            "SELECT u.* FROM orders o, unnest(o.tags) WITH ORDINALITY AS u (t)",
            "SELECT u.t, u.ordinality FROM __querygate.r0 AS o, UNNEST(o.tags) WITH ORDINALITY AS u (t, ordinality)",
        ),
    ] {
        assert_eq!(fixture.tree(sql), tree, "{sql}");
    }
    for sql in ["SELECT unnest(tags) FROM orders", "SELECT count(*) FROM orders, unnest(tags) AS t"] {
        let lineage = fixture.resolve(sql).unwrap().output()[0].lineage.clone();
        assert!(!lineage.sources().is_empty(), "{sql}");
    }
}

#[test]
fn sets_along_datasets_and_in_other_places_are_refused() {
    let fixture = Fixture::new();
    for sql in [
        "SELECT unnest(tags), relname FROM orders, pg_class",
        "SELECT (information_schema._pg_expandarray(tags)).x FROM orders",
        "SELECT generate_series(1, 1000000000)",
        "SELECT generate_series(1, array_upper(relkind, 1)) FROM pg_class",
        "SELECT upper(unnest(relkind)) FROM pg_class",
        "SELECT relname FROM pg_class WHERE unnest(relkind) = 'r'",
        "SELECT relname FROM pg_class ORDER BY unnest(relkind)",
        "SELECT count(unnest(relkind)) FROM pg_class",
        "SELECT (unnest(relkind)).n FROM pg_class",
        "SELECT (information_schema._pg_expandarray(relkind)).y FROM pg_class",
        "SELECT (r.t).email FROM (SELECT people AS t FROM people) r",
        "SELECT (r.t).n FROM (SELECT people AS t FROM people) r",
        "SELECT (SELECT people FROM people LIMIT 1).email",
        "SELECT * FROM information_schema._pg_expandarray(ARRAY[1])",
        "SELECT * FROM generate_series(1, 3) WITH ORDINALITY",
        "SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY",
    ] {
        let state = fixture.error(sql).sqlstate;
        assert!([SqlState::FEATURE_NOT_SUPPORTED, SqlState::UNDEFINED_FUNCTION].contains(&state), "{sql}: {state:?}");
    }
    assert_eq!(fixture.error("SELECT unnest(array_agg(relkind)) FROM pg_class").sqlstate, SqlState::GROUPING_ERROR);
    assert_eq!(
        fixture.error("SELECT _pg_expandarray(relkind) FROM pg_class").sqlstate,
        SqlState::FEATURE_NOT_SUPPORTED
    );
}

#[test]
fn a_cast_that_looks_a_name_up_counts_as_its_function() {
    let fixture = Fixture::new();
    for (sql, function) in [
        ("SELECT 'people'::regclass", "to_regclass"),
        ("SELECT regclass 'people'", "to_regclass"),
        ("SELECT '{int4}'::regtype[]", "to_regtype"),
        ("SELECT 'lower'::pg_catalog.regproc", "to_regproc"),
    ] {
        let resolved = fixture.resolve(sql).unwrap();
        assert!(resolved.functions().contains(function), "{sql}: {:?}", resolved.functions());
    }
}
