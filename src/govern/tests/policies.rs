//! Row filters, masks, what they do to outputs, and what people are shown.

use super::fixture::{Fixture, checked, filter, filtered, masked};
use crate::decision::{ColumnMask, ConstantValue, Mask, MaskOrigin, Obligations, ParamValue};
use crate::govern::{ColumnValue, GovernError, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::types::{Classification, DatasetName, Tag};
use std::collections::BTreeMap;

fn dataset(governed: &GovernedStatement) -> &GovernedDataset {
    match &governed.relations()[0].target {
        GovernedTarget::Dataset(dataset) => dataset,
        GovernedTarget::System(name) => panic!("{name} is a system relation"),
    }
}

fn text(value: &str) -> ParamValue {
    ParamValue::Text(value.into())
}

#[test]
fn filters_are_bound_as_trees() {
    let fixture = Fixture::new();
    let list = |values: &[&str]| ParamValue::List(values.iter().map(|value| text(value)).collect());
    for (expression, params, tree) in [
        ("region = :region", vec![("region", text("EU"))], "(region = 'EU')"),
        ("people.region = :region", vec![("region", text("EU"))], "(region = 'EU')"),
        ("region = :r", vec![("r", text("x' OR true --"))], "(region = $q$x' OR true --$q$)"),
        ("region = :r", vec![("r", text("x\\' OR true --"))], "(region = $q$x\\' OR true --$q$)"),
        ("id > :n", vec![("n", ParamValue::Number("-5".into()))], "(id > (-5))"),
        ("salary < :n", vec![("n", ParamValue::Number("1.5e3".into()))], "(salary < 1.5e3)"),
        ("region IN (:list)", vec![("list", list(&["EU", "US"]))], "(region IN ('EU', 'US'))"),
        ("region IN (:list)", vec![("list", list(&[]))], "(false)"),
        ("region NOT IN (:list)", vec![("list", list(&[]))], "(true)"),
        ("region IN (:one)", vec![("one", text("EU"))], "(region IN ('EU'))"),
        ("region IS NOT DISTINCT FROM :r", vec![("r", ParamValue::Null)], "(region IS NOT DISTINCT FROM NULL)"),
        ("region = 'EU' OR :all", vec![("all", ParamValue::Boolean(false))], "(region = 'EU' OR false)"),
        (
            "region IN (SELECT t.region FROM ops.tenants t WHERE tenant_id = :t)",
            vec![("t", ParamValue::Number("7".into()))],
            "(region IN (SELECT t.region FROM __querygate_raw.f0 AS t WHERE t.tenant_id = 7))",
        ),
        (
            "EXISTS (SELECT 1 FROM orders o WHERE o.person_id = salary)",
            vec![],
            "(EXISTS (SELECT 1 AS \"?column?\" FROM __querygate_raw.f0 AS o WHERE o.person_id = salary))",
        ),
        (
            // In the engine a plain `id` would be the inner relation's.
            "EXISTS (SELECT 1 FROM orders WHERE orders.person_id = people.id AND orders.id > 0)",
            vec![],
            "(EXISTS (SELECT 1 AS \"?column?\" FROM __querygate_raw.f0 AS orders (inner_id, person_id, amount, day, tags) \
             WHERE orders.person_id = id AND orders.inner_id > 0))",
        ),
    ] {
        let governed = fixture.govern("SELECT id FROM people", "public.people", filtered(expression, &params));
        let governed = governed.unwrap_or_else(|error| panic!("{expression}: {error:?}"));
        checked(expression, &governed);
        assert_eq!(dataset(&governed).filter.as_ref().map(ToString::to_string).as_deref(), Some(tree), "{expression}");
        let raw = usize::from(tree.contains("__querygate_raw"));
        assert_eq!(dataset(&governed).raw_relations.len(), raw);
    }
}

#[test]
fn all_filters_hold_and_a_required_one_that_is_missing_means_no_rows() {
    let fixture = Fixture::new();
    let mut both = filtered("region = 'EU' OR true", &[]);
    both.row_filters.push(filter("EXISTS (SELECT 1 FROM regions)", &[]));
    both.row_filters.push(filter("region IN (SELECT label FROM regions)", &[]));
    let governed = fixture.govern("SELECT id FROM people", "public.people", both).unwrap();
    assert_eq!(
        dataset(&governed).filter.as_ref().unwrap().to_string(),
        "(region = 'EU' OR true) AND (EXISTS (SELECT 1 AS \"?column?\" FROM __querygate_raw.f0 AS regions)) AND \
         (region IN (SELECT regions.label FROM __querygate_raw.f1 AS regions))"
    );
    let required = Obligations { filter_required: true, ..Obligations::default() };
    let governed = fixture.govern("SELECT id FROM people", "public.people", required).unwrap();
    assert_eq!(dataset(&governed).filter.as_ref().unwrap().to_string(), "false");
}

#[test]
fn a_wrong_expression_is_the_policys_fault_and_tells_clients_nothing() {
    let fixture = Fixture::new();
    for (expression, params) in [
        ("region = ", vec![]),
        ("region = 'EU'; DROP TABLE people", vec![]),
        ("region = 'EU') OR (true", vec![]),
        ("nothing = 1", vec![]),
        ("region = :absent", vec![]),
        ("region = $1", vec![]),
        ("id = :n", vec![("n", ParamValue::Number("1 OR true".into()))]),
        ("id = :list", vec![("list", ParamValue::List(Vec::new()))]),
        ("pg_sleep(10) IS NULL", vec![]),
        ("count(*) > 1", vec![]),
        ("id IN (SELECT id FROM remote)", vec![]),
        ("id IN (SELECT oid FROM pg_class)", vec![]),
        ("id IN (SELECT id FROM nowhere)", vec![]),
        // Who asks is for the policy to say, not for the engine that runs it.
        ("name = current_user", vec![]),
        ("current_setting('querygate.tenant') = region", vec![]),
    ] {
        let error = fixture
            .govern("SELECT id FROM people", "public.people", filtered(expression, &params))
            .map(|governed| governed.governed_sql())
            .unwrap_err();
        assert!(matches!(error, GovernError::Policy { .. }), "{expression}: {error:?}");
        let report = error.report();
        assert_eq!(report.sqlstate.0, "58000", "{expression}");
        assert_eq!(report.message, "policy P-1 (regional) can not be applied to table \"people\"");
        let told = format!("{report:?}");
        assert!(!told.contains("nowhere") && !told.contains("DROP"), "{told}");
    }
}

#[test]
fn masks_stand_in_the_governed_relation() {
    let fixture = Fixture::new();
    let governed = fixture.govern("SELECT * FROM people", "public.people", masked("email", Mask::Email)).unwrap();
    let email = dataset(&governed).columns.iter().find(|column| column.name == "email").unwrap();
    assert!(matches!(&email.value, ColumnValue::Masked(Mask::Email)));
    assert!(governed.expected_scans()["r0"].masked.contains("email"));
    let computed = masked("name", Mask::Expression("left(name, 3) || region".into()));
    let governed = fixture.govern("SELECT name FROM people", "public.people", computed).unwrap();
    assert!(governed.governed_sql().unwrap().contains("SELECT left(name, 3) || region AS name FROM public.people"));
    let wrong_type = fixture.govern("SELECT id FROM people", "public.people", masked("salary", Mask::Email));
    assert!(matches!(wrong_type.unwrap_err(), GovernError::Policy { .. }));
    let unknown = fixture.govern("SELECT id FROM people", "public.people", masked("nothing", Mask::Null));
    assert!(matches!(unknown.unwrap_err(), GovernError::Policy { .. }));
    let denied = fixture.govern("SELECT salary FROM people", "public.people", masked("salary", Mask::Deny));
    assert!(matches!(denied.unwrap_err(), GovernError::Broken(_)));
}

#[test]
fn a_dataset_without_a_decision_is_not_read() {
    let fixture = Fixture::new();
    let mut decisions = fixture.open();
    decisions.remove(&DatasetName::new("public", "orders"));
    assert!(fixture.govern_with("SELECT id FROM people", &decisions).is_ok());
    for sql in ["SELECT id FROM orders", "SELECT 1 FROM people WHERE EXISTS (SELECT 1 FROM orders)"] {
        assert!(matches!(fixture.govern_with(sql, &decisions).unwrap_err(), GovernError::Undecided(_)), "{sql}");
    }
}

#[test]
fn outputs_inherit_classification_tags_and_masks() {
    let fixture = Fixture::new();
    let open = fixture.govern("SELECT email, id FROM people", "public.people", Obligations::default()).unwrap();
    let email = &open.output()[0];
    assert_eq!(email.classification, Classification::Proprietary);
    assert_eq!(email.tags, [Tag::new("EMAIL"), Tag::new("PII")].into());
    assert_eq!(open.output()[1].classification, Classification::Internal);

    let origin = MaskOrigin::Tag("EMAIL".into());
    let by_tag = Obligations {
        column_masks: BTreeMap::from([("email".to_owned(), ColumnMask { mask: Mask::Email, origin })]),
        ..Obligations::default()
    };
    let governed = fixture.govern("SELECT lower(email) || name FROM people", "public.people", by_tag).unwrap();
    let column = &governed.output()[0];
    assert_eq!(column.tags, [Tag::new("ANONYMIZED_EMAIL"), Tag::new("ANONYMIZED_PII"), Tag::new("PII")].into());
    assert_eq!(column.masks, ["email(email)".to_owned()].into());
    assert_eq!(column.name, "?column?");

    let filtered = fixture.govern("SELECT id FROM people WHERE salary > 5", "public.people", Obligations::default());
    let filtered = filtered.unwrap();
    assert_eq!(filtered.output()[0].classification, Classification::Proprietary, "filters inherit");
    assert_eq!(filtered.output()[0].sources.len(), 1, "but are no source of the value");
    let joined = fixture.tree("SELECT label FROM regions");
    assert!(joined.starts_with("SELECT regions.label"));
    let public = fixture.govern("SELECT label FROM regions", "public.people", Obligations::default()).unwrap();
    assert_eq!(public.output()[0].classification, Classification::Public);
}

#[test]
fn an_output_is_as_restricted_as_the_most_restricted_that_it_is_made_of() {
    let fixture = Fixture::new();
    for sql in [
        "SELECT email || id::text FROM people",
        "SELECT id::text || email FROM people",
        "SELECT region || salary::text FROM people",
        "SELECT salary::text || tags[1] FROM people, orders",
        "SELECT label || (SELECT max(email) FROM people) FROM regions",
    ] {
        let governed = fixture.govern(sql, "public.people", Obligations::default()).unwrap();
        assert_eq!(governed.output()[0].classification, Classification::Proprietary, "{sql}");
    }
}

#[test]
fn a_grouping_key_is_no_aggregate() {
    let fixture = Fixture::new();
    let sql = "SELECT salary, avg(salary) FROM people GROUP BY salary";
    let governed = fixture.govern(sql, "public.people", super::fixture::grouped(5)).unwrap();
    assert_eq!(governed.output()[0].classification, Classification::Proprietary);
    assert!(governed.output()[0].tags.contains(&Tag::new("SENSITIVE")));
    let sql = "SELECT avg(salary) FROM people";
    let governed = fixture.govern(sql, "public.people", super::fixture::grouped(5)).unwrap();
    assert_eq!(governed.output()[0].classification, Classification::Internal);
    assert_eq!(governed.output()[0].tags, [Tag::new("DERIVED_FROM_SENSITIVE")].into());
}

#[test]
fn people_are_shown_what_the_policies_did() {
    let fixture = Fixture::new();
    let mut obligations = filtered("region = :r AND id IN (SELECT tenant_id FROM ops.tenants)", &[("r", text("EU"))]);
    obligations.column_masks = masked("name", Mask::Last { n: 2 }).column_masks;
    obligations.column_masks.extend(masked("email", Mask::Constant(ConstantValue::Text("it's".into()))).column_masks);
    let sql = "SELECT p.id, name, email FROM people p WHERE name LIKE 'A%'";
    let governed = fixture.govern(sql, "public.people", obligations).unwrap();
    assert_eq!(
        governed.governed_sql().unwrap(),
        "SELECT p.id, p.name, p.email FROM (SELECT id, mask_last(name, 2) AS name, mask_constant(email, $q$it's$q$) AS \
         email FROM public.people WHERE (region = 'EU' AND id IN (SELECT tenants.tenant_id FROM ops.tenants AS tenants))) \
         AS p WHERE p.name LIKE 'A%'"
    );
    assert_eq!(
        governed.governed_sql_without_literals().unwrap(),
        "SELECT p.id, p.name, p.email FROM (SELECT id, mask_last(name, ?) AS name, mask_constant(email, ?) AS email \
         FROM public.people WHERE (region = ? AND id IN (SELECT tenants.tenant_id FROM ops.tenants AS tenants))) AS p \
         WHERE p.name LIKE 'A%'"
    );
    let counted = fixture.govern("SELECT count(*) FROM people", "public.people", Obligations::default()).unwrap();
    assert_eq!(
        counted.governed_sql().unwrap(),
        "SELECT count(*) AS count FROM (SELECT 1 FROM public.people) AS people"
    );
    let system = fixture.govern("SELECT relname FROM pg_class c", "public.people", Obligations::default()).unwrap();
    assert_eq!(system.governed_sql().unwrap(), "SELECT c.relname FROM pg_catalog.pg_class AS c");
}

#[test]
fn limits_of_all_datasets_are_joined() {
    let fixture = Fixture::new();
    let mut decisions = fixture.open();
    for (name, rows) in [("people", 10), ("orders", 7)] {
        let obligations = decisions.get_mut(&DatasetName::new("public", name)).unwrap();
        obligations.limits.max_rows = Some(rows);
    }
    let governed = fixture.govern_with("SELECT 1 FROM people, orders", &decisions).unwrap();
    assert_eq!(governed.limits().max_rows, Some(7));
}
