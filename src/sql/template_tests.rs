//! Tests of templates.

use super::*;

fn read(templates: &Templates, text: &str) -> ParsedStatement {
    templates.read("ana", text, &ParseBounds::default()).unwrap().remove(0)
}

fn lifted(statement: &ParsedStatement) -> (String, Vec<String>) {
    let templated = statement.templated().unwrap();
    let constants = templated.constants().iter().map(|constant| constant.value().into_owned()).collect();
    (templated.template().query().unwrap().to_string(), constants)
}

#[test]
fn what_columns_are_compared_with_is_lifted_and_nothing_else() {
    let templates = Templates::default();
    let text = "SELECT a + 1, 'x' FROM t WHERE id = 41 AND b IN ('it''s', $1) AND 7 < c AND d BETWEEN 1.5 AND 3000000000 \
        AND e = -1 AND f LIKE 'a%' AND g + 2 = 3 ORDER BY 1 LIMIT 10;";
    let (query, constants) = lifted(&read(&templates, text));
    assert_eq!(
        query,
        "SELECT a + 1, 'x' FROM t WHERE id = $2 AND b IN ($3, $1) AND $4 < c AND d BETWEEN $5 AND $6 \
         AND e = -1 AND f LIKE 'a%' AND g + 2 = 3 ORDER BY 1 LIMIT 10"
    );
    assert_eq!(constants, ["41", "it's", "7", "1.5", "3000000000"]);
}

#[test]
fn conditions_are_found_in_joins_subqueries_and_with() {
    let templates = Templates::default();
    let text = "WITH w AS (SELECT * FROM a WHERE x = 1) SELECT (SELECT max(y) FROM z WHERE q = 2), count(*) FROM w \
        JOIN (SELECT * FROM b WHERE y = 3) s ON s.k = 4 OR NOT (s.l <> 5) WHERE EXISTS (SELECT 1 FROM c WHERE v = 6) \
        AND w.i IN (SELECT j FROM d WHERE u = 7) GROUP BY s.k = 8 HAVING count(*) > 9 UNION SELECT 1, 2 FROM e WHERE f = 10";
    let (query, constants) = lifted(&read(&templates, text));
    assert_eq!(constants, ["1", "3", "4", "5", "6", "7", "10"]);
    for kept in ["q = 2", "s.k = 8", "> 9", "SELECT 1 FROM c"] {
        assert!(query.contains(kept), "{query}");
    }
}

#[test]
fn a_statement_of_a_known_template_is_what_parsing_would_give() {
    let templates = Templates::default();
    for (first, second) in [
        ("SELECT a FROM t WHERE id = 41", "select a from t where id=  7 -- seven"),
        ("SELECT a FROM t WHERE é = 'ü' AND b = 1.0", "SELECT a FROM t WHERE é = 'a''b' AND b = 22.5"),
        ("SELECT a FROM t WHERE b IN (1, 2) AND c = $2", "SELECT a FROM t WHERE b IN (30, 2) AND c = $2;"),
    ] {
        let first_read = read(&templates, first);
        // Keywords are part of the key as they were written.
        let again = read(&templates, second);
        let plain = parse(second, &ParseBounds::default()).unwrap().remove(0);
        assert_eq!(again.tree().to_string(), plain.tree().to_string());
        assert_eq!((again.sanitized(), again.fingerprint()), (plain.sanitized(), plain.fingerprint()));
        assert_eq!(again.parameters(), plain.parameters());
        let plain = parse(first, &ParseBounds::default()).unwrap().remove(0);
        assert_eq!(first_read.tree(), plain.tree());
    }
}

#[test]
fn texts_share_a_template_only_if_they_differ_in_lifted_constants() {
    let templates = Templates::default();
    let of = |text: &str| Arc::as_ptr(read(&templates, text).templated().unwrap().template());
    let one = of("SELECT a FROM t WHERE id = 41");
    assert_eq!(one, of("SELECT a FROM t WHERE id = 42"));
    assert_eq!(one, of("SELECT a /* c */ FROM t\nWHERE id = 2147483647 ;"));
    for other in [
        "SELECT a FROM t WHERE id = 2147483648",
        "SELECT a FROM t WHERE id = '41'",
        "SELECT a FROM t WHERE id = 41.0",
        "SELECT a FROM t WHERE id = $1",
        "SELECT a FROM t WHERE id = 41 LIMIT 1",
        "SELECT \"a\" FROM t WHERE id = 41",
        "SELECT b FROM t WHERE id = 41",
    ] {
        assert_ne!(one, of(other), "{other}");
    }
    assert_ne!(of("SELECT a FROM t WHERE id = 41 LIMIT 1"), of("SELECT a FROM t WHERE id = 41 LIMIT 2"));
    assert_ne!(of("SELECT 'x' FROM t WHERE id = 1"), of("SELECT 'y' FROM t WHERE id = 1"));
    let another = templates.read("bob", "SELECT a FROM t WHERE id = 41", &ParseBounds::default()).unwrap();
    assert_ne!(one, Arc::as_ptr(another[0].templated().unwrap().template()));
}

#[test]
fn a_key_can_be_read_in_one_way_only() {
    let templates = Templates::default();
    let of = |text: &str| read(&templates, text).tree().to_string();
    let quoted = "SELECT \"a\u{1}i\" FROM t WHERE b = 1";
    assert_eq!(of(quoted), parse(quoted, &ParseBounds::default()).unwrap()[0].tree().to_string());
    assert_eq!(of("SELECT 1 FROM t WHERE b = 'x'"), "SELECT 1 FROM t WHERE b = 'x'");
    assert_eq!(of("SELECT '1' FROM t WHERE b = 'x'"), "SELECT '1' FROM t WHERE b = 'x'");
}

#[test]
fn what_is_no_single_query_has_no_template() {
    let templates = Templates::default();
    for text in ["SHOW x", "SELECT 1; SELECT 2", "COPY (SELECT 1) TO STDOUT", "BEGIN"] {
        let statements = templates.read("ana", text, &ParseBounds::default()).unwrap();
        assert!(statements.iter().all(|statement| statement.templated().is_none()), "{text}");
    }
    assert!(templates.read("ana", " ; ", &ParseBounds::default()).unwrap().is_empty());
    assert!(templates.read("ana", "SELECT a FROM t WHERE", &ParseBounds::default()).is_err());
    // Refused each time, also when it is sent again.
    for _ in 0..2 {
        let refused = read(&templates, "SELECT a FROM t WHERE b = 1 FOR UPDATE");
        assert!(command(&refused).is_err());
    }
}

#[test]
fn many_constants_stay_where_they_are() {
    let templates = Templates::default();
    let list = vec!["1"; MOST_LIFTED + 1].join(", ");
    let (query, constants) = lifted(&read(&templates, &format!("SELECT a FROM t WHERE b IN ({list})")));
    assert!(constants.is_empty() && query.contains("IN (1, 1"), "{query}");
}

#[test]
fn a_kept_constant_is_no_token_more() {
    let key = |text: &'static str, lifted: bool| Form::of("ana", text).unwrap().whole_key(&[lifted]).into_owned();
    assert_ne!(key("SELECT a FROM t WHERE b = 'x'", false), key("SELECT a FROM t WHERE b = 'y' x", true));
    assert_ne!(key("SELECT a FROM t WHERE b = ''", false), key("SELECT a FROM t WHERE b = 'y'", true));
}

#[test]
fn a_template_weighs_what_its_statement_does() {
    let templates = Templates::default();
    let bytes = |columns: usize| {
        let sql = format!("SELECT {} FROM t WHERE id = 7", vec!["a + b"; columns].join(", "));
        let read = templates.read("r", &sql, &ParseBounds::default()).unwrap();
        read[0].templated().unwrap().template().bytes()
    };
    assert!(bytes(1) > 1_000 && bytes(500) > 100 * bytes(1));
}
