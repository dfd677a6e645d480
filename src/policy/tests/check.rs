//! Rules that can never fire.

use super::world::{catalog, files, people};
use crate::policy::PolicyBundle;

fn check(texts: &[(&str, &str)]) -> Vec<String> {
    let bundle = PolicyBundle::load(&files(texts)).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let mut dataset = people();
    dataset.domain = Some("hr".into());
    let catalog = catalog(vec![dataset]);
    bundle.check(&catalog).iter().map(|finding| finding.to_string().replace("\n  help: ", " | ")).collect()
}

fn check_one(rules: &str) -> Vec<String> {
    check(&[("p.rego", &format!("package analytics.data_access\n{rules}"))])
}

#[test]
fn words_that_the_catalog_does_not_know() {
    for (rules, expected) in [
        (
            "allow if input.dataset.name == \"public.poeple\"",
            "p.rego:2:32: error: there is no dataset \"public.poeple\": this can never be true | did you mean \"public.people\"?",
        ),
        ("allow if \"public.x\" == input.dataset.id", "p.rego:2:10: error: there is no dataset \"public.x\""),
        (
            "allow if input.dataset.tier == \"CURATE\"",
            "there is no tier \"CURATE\": this can never be true | did you mean \"CURATED\"?",
        ),
        ("allow if input.dataset.tier in {\"RAW\", \"Curated\"}", "there is no tier \"Curated\""),
        ("allow if input.dataset.classification == \"SECRET\"", "there is no classification \"SECRET\""),
        (
            "allow if input.user.roles[_] == \"Analist\"",
            "there is no role \"Analist\": this can never be true | did you mean",
        ),
        ("allow if \"ADMIN\" in input.user.roles", "there is no role \"ADMIN\""),
        ("allow if { some role in input.user.roles; role == \"ADMIN\" }", "there is no role \"ADMIN\""),
        ("allow if { some c in input.dataset.columns; c.name == \"emial\" }", "there is no column \"emial\""),
        ("allow if { c := input.dataset.columns[_]; \"PIII\" in c.tags }", "there is no tag \"PIII\""),
        ("allow if \"PIII\" in input.dataset.tags", "there is no tag \"PIII\""),
        ("allow if \"ssn\" in input.statement.columns_used", "there is no column \"ssn\""),
        ("allow if input.dataset.domain == \"sales\"", "warning: there is no domain \"sales\""),
        (
            "allow if input.workspace.type == \"ADHOC\"",
            "there is no type of workspace \"ADHOC\": this can never be true | did you mean \"AD_HOC\"?",
        ),
        ("allow if input.source.tags[_] == \"PII\"", "p.rego:2:10: error: input has no input.source.tags[_]"),
        (
            "allow if input.user.business_unit == \"EU\"",
            "input has no input.user.business_unit | did you mean \"businessUnit\"?",
        ),
        (
            "allow if { some a in input.user.approvals; a.dataset == \"x\" }",
            "input has no input.user.approvals[_].dataset | did you mean \"datasetId\"?",
        ),
        (
            "allow if input.environment == \"production\"",
            "input.environment is an object, and equals no text | did you mean input.environment.name?",
        ),
        (
            "row_filter contains {\"expression\": \"id = 1\"}",
            "p.rego:2:1: error: rule row_filter is read by nobody | did you mean \"row_filters\"?",
        ),
        (
            "row_filters contains {\"expression\": \"regoin = 'EU'\"}",
            "no dataset has a column \"regoin\", which this filter reads | did you mean \"region\"?",
        ),
        (
            "row_filters contains {\"expression\": \"id = 1\", \"for_columns\": [\"tenant\"]}",
            "no dataset has a column \"tenant\": this filters nothing",
        ),
        (
            "column_masks := {\"emial\": {\"name\": \"email\"}}",
            "p.rego:2:18: error: no dataset has a column \"emial\": this masks nothing | did you mean \"email\"?",
        ),
        ("column_masks[\"emial\"] := {\"name\": \"email\"}", "no dataset has a column \"emial\""),
        (
            "column_masks[\"salary\"] := {\"name\": \"email\"}",
            "column \"salary\" of public.people: mask email does not suit type numeric(10,2)",
        ),
        ("column_masks := {\"email\": {\"name\": \"blur\"}}", "column \"email\": there is no mask \"blur\""),
        ("column_masks contains {\"salary\": {\"name\": \"round\", \"step\": -1}}", "column \"salary\": mask round"),
        (
            "unmask contains \"PIII\"",
            "p.rego:2:17: error: there is no column or tag \"PIII\": this unmasks nothing | did you mean \"PII\"?",
        ),
        ("unmask := {\"email\", \"phone\"}", "there is no column or tag \"phone\""),
    ] {
        let found = check_one(rules);
        assert!(found.len() == 1 && found[0].contains(expected), "{rules}\n{found:#?}");
    }
}

#[test]
fn what_can_fire_is_left_alone() {
    let rules = r#"
        import data.lib
        allow if {
            some role in input.user.roles
            role in {"ANALYST", "AUDITOR"}
            input.dataset.name == "public.people"
            not input.user.department == "ANYTHING"
            input.user[field] == "x"
        }
        field := "id"
        reason := "a helper that is used"
        reasons contains reason
        row_filters contains {"expression": "lower(region) = lower(:region) and email is not null and notes like '%regoin%'", "params": {"region": "EU"}}
        row_filters contains {"expression": "id in (select x.k from anything x)"}
        column_masks[column] := {"name": "redact", "policy": "P-1"} if some column in ["email"]
        column_masks["salary"] := {"name": "round", "step": 1000}
        unmask contains tag if { some tag in ["PII"]; input.user.id == "nobody at all" }
    "#;
    assert_eq!(check_one(rules), Vec::<String>::new());
    // Packages that nobody asks are not looked at.
    let other = ("o.rego", "package mine\nx if input.source == \"y\"");
    assert_eq!(check(&[("p.rego", "package analytics.data_access\nallow := true"), other]), Vec::<String>::new());
}

#[test]
fn domains_without_datasets_and_domains_that_unmask() {
    let corporate = ("p.rego", "package analytics.data_access\nallow := true");
    let found = check(&[corporate, ("d.rego", "package governance.domains.hrr\nallow := true")]);
    assert!(
        found[0].contains("d.rego:1:1: warning: no dataset has domain \"hrr\"") && found[0].contains("\"hr\""),
        "{found:?}"
    );
    let found = check(&[corporate, ("d.rego", "package governance.domains.hr\nunmask contains \"PII\"")]);
    assert!(found.len() == 1 && found[0].contains("can't unmask"), "{found:?}");
}
