//! What answers become which decisions.

use super::world::{HOUR, Question, WEDNESDAY_10, allowed, bundle, bundles, denied, people};
use crate::catalog::WorkspaceKind;
use crate::decision::{Decision, Mask, MaskOrigin, ParamValue, PolicyRef};
use crate::policy::engine::{Engines, Source};
use crate::policy::{Action, Approval};
use crate::types::{Role, TenantId};
use regorus::Value;
use std::sync::Arc;

#[test]
fn nothing_is_allowed_unless_a_policy_says_so() {
    for rules in ["", "default allow := false", "allow := false", "allow if input.user.id == \"bob\""] {
        let reason = denied(Question::new().ask(&bundle(rules)));
        assert!(!reason.unavailable && !reason.hidden, "{rules}: {reason:?}");
        assert_eq!(reason.reasons, ["No policy allows this."]);
    }
    let none = bundles(&[]);
    assert_eq!(none.warnings().len(), 1);
    denied(Question::new().ask(&none));
}

#[test]
fn a_surprise_an_error_and_a_conflict_are_denials_of_the_gates_own() {
    for rules in [
        "allow := \"true\"",
        "allow := true\nrow_filters := \"region = 'EU'\"",
        "allow := true\ncolumn_masks := [\"email\"]",
        "allow := true\ncolumn_masks := {\"email\": {\"name\": \"blur\"}}",
        "allow := true\nunmask := \"email\"",
        "allow := true\nlimits := {\"max_rows\": \"many\"}",
        "allow := true\nreasons := 1",
        "allow := true\nalternatives := 1",
        "allow := true\nmetadata := 1",
        "allow := true\nrequires_approval := 1",
        "allow if to_number(input.user.id) > 3",
        "allow := true\nallow := false",
        "allow := true\ncolumn_masks[c] := {\"name\": n} if { some c in [\"email\"]; some n in [\"redact\", \"hash\"] }",
        "allow if not to_number(input.user.id) > 3",
    ] {
        let reason = denied(Question::new().ask(&bundle(rules)));
        assert!(reason.unavailable, "{rules}: {reason:?}");
    }
}

#[test]
fn an_evaluation_without_an_end_is_ended() {
    let rules =
        "allow if { count([x | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); x := a * b]) > 0 }";
    let reason = denied(Question::new().ask(&bundle(rules)));
    assert!(reason.unavailable);
}

#[test]
fn an_evaluation_that_ran_out_of_time_is_told_from_one_that_failed() {
    let package = ["analytics".to_owned(), "data_access".to_owned()];
    let ask = |rule: &str| {
        let text = format!("package analytics.data_access\n{rule}");
        let source = Source { path: "p.rego", text: &text, is_v0: false };
        let engines = Engines::compile(&[source], &[package.to_vec()]).unwrap();
        engines.ask(0, &Value::new_object(), 0).map(|_| ()).unwrap_err().out_of_time
    };
    assert!(ask(
        "allow if { count([x | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); x := a * b]) > 0 }"
    ));
    assert!(!ask("allow if to_number(\"x\") > 3"));
}

#[test]
fn writing_wants_a_rule_of_its_own() {
    let question = Question::new();
    let write = |bundle: &crate::policy::PolicyBundle| question.ask_to(Action::Write, bundle);
    for rules in [
        "allow := true",
        "allow := true\nactions := {\"QUERY\"}",
        "allow := true\nactions contains \"WRITE\" if input.action == \"QUERY\"",
        "allow if input.action == \"QUERY\"\nactions := {\"WRITE\"}",
        "actions := {\"WRITE\"}",
    ] {
        let reason = denied(write(&bundle(rules)));
        assert!(!reason.unavailable, "{rules}: {reason:?}");
        assert_eq!(reason.reasons, ["No policy allows writing to it."], "{rules}");
    }
    for surprise in ["allow := true\nactions := \"WRITE\"", "allow := true\nactions := {\"write\"}"] {
        assert!(denied(write(&bundle(surprise))).unavailable, "{surprise}");
    }
    let granted = bundle("allow := true\nactions contains \"WRITE\" if input.action == \"WRITE\"");
    allowed(write(&granted));
    // A decision about reading is none about writing, also where it is remembered.
    let reads = bundle("allow if input.action == \"QUERY\"\nactions := {\"WRITE\"}");
    allowed(question.ask(&reads));
    denied(write(&reads));
    allowed(question.ask(&reads));
    assert!(granted.grants_actions() && !bundle("allow := true").grants_actions());
    // A domain's package can only narrow: it need not speak of it.
    let mut dataset = people();
    dataset.domain = Some("hr".to_owned());
    let question = Question::about(dataset);
    let with_domain = |corporate: &str, domain: &str| {
        let corporate = format!("package analytics.data_access\n{corporate}");
        let domain = format!("package governance.domains.hr\n{domain}");
        bundles(&[("corporate.rego", &corporate), ("hr.rego", &domain)])
    };
    for (rules, granted) in [
        ("allow := true", true),
        ("allow := true\nactions := {\"WRITE\"}", true),
        ("allow := true\nactions := set()", false),
        ("allow if input.action == \"QUERY\"", false),
    ] {
        let decision = question.ask_to(Action::Write, &with_domain("allow := true\nactions := {\"WRITE\"}", rules));
        assert_eq!(matches!(decision, Decision::Allow(_)), granted, "{rules}: {decision:?}");
    }
    denied(question.ask_to(Action::Write, &with_domain("allow := true", "actions := {\"WRITE\"}")));
}

#[test]
fn a_dataset_that_is_not_discoverable_is_denied_as_hidden() {
    let mut dataset = people();
    dataset.discoverable = false;
    let question = Question::about(dataset);
    assert!(denied(question.ask(&bundle(""))).hidden);
    assert!(denied(question.ask(&bundle("allow := 1"))).hidden);
    allowed(question.ask(&bundle("allow := true")));
}

#[test]
fn obligations_come_from_the_policy() {
    let bundle = bundle(
        r#"
        allow := true
        metadata := {"id": "P-1", "title": "People", "owner": "o@example.com", "version": "1"}
        row_filters contains {"expression": "region = :region", "params": {"region": input.user.businessUnit}}
        row_filters contains {"expression": "tenant_id = :t", "params": {"t": input.user.tenant}, "for_columns": ["tenant_id"]}
        row_filters contains {"expression": "store = 1", "for_columns": ["region", "store"]}
        limits := {"max_rows": 10, "timeout_ms": 500}
        "#,
    );
    let given = allowed(Question::new().ask(&bundle));
    let policy = PolicyRef {
        package: "analytics.data_access".into(),
        id: Some("P-1".into()),
        title: Some("People".into()),
        owner: Some("o@example.com".into()),
    };
    assert_eq!(given.policies, std::slice::from_ref(&policy));
    let expressions: Vec<&str> = given.row_filters.iter().map(|filter| filter.expression.as_str()).collect();
    assert_eq!(expressions, ["region = :region", "tenant_id = :t"]);
    assert_eq!(given.row_filters[0].params["region"], ParamValue::Text("EU".into()));
    assert_eq!(given.row_filters[0].policy, policy);
    assert_eq!(given.limits.max_rows, Some(10));
    assert!(!given.filter_required);
    assert_eq!(given.column_masks["email"].mask, Mask::Email);
    assert_eq!(given.column_masks["email"].origin, MaskOrigin::Tag("EMAIL".into()));
    assert_eq!(given.column_masks["name"].mask, Mask::Redact);
    assert_eq!(given.column_masks.len(), 2);
}

#[test]
fn a_required_filter_stays_required() {
    let mut dataset = people();
    dataset.row_filter_required = true;
    let given = allowed(Question::about(dataset).ask(&bundle("allow := true")));
    assert!(given.filter_required && given.row_filters.is_empty());
}

#[test]
fn tags_mask_until_a_policy_unmasks() {
    let masks = |rules: &str| {
        let given = allowed(Question::new().ask(&bundle(&format!("allow := true\n{rules}"))));
        given.column_masks.into_iter().map(|(column, mask)| format!("{column}={}", mask.mask)).collect::<Vec<_>>()
    };
    assert_eq!(masks(""), ["email=email", "name=redact"]);
    assert_eq!(masks("unmask contains \"email\""), ["name=redact"]);
    assert_eq!(masks("unmask contains \"EMAIL\""), ["name=redact"]);
    // EMAIL implies PII: who may see PII may see emails.
    assert_eq!(masks("unmask contains \"PII\""), Vec::<String>::new());
    assert_eq!(masks("unmask contains \"SENSITIVE\""), ["email=email", "name=redact"]);
    // A policy's own masks stand before any unmask.
    assert_eq!(
        masks("unmask := {\"PII\", \"email\"}\ncolumn_masks := {\"email\": {\"name\": \"hash\"}}"),
        ["email=hash"]
    );
    // The stricter of tag and policy.
    assert_eq!(masks("column_masks := {\"email\": {\"name\": \"last\", \"n\": 2}}"), ["email=email", "name=redact"]);
    assert_eq!(
        masks("column_masks := {\"email\": {\"name\": \"null\"}, \"notes\": {\"expression\": \"left(notes, 3)\"}}"),
        ["email=null", "name=redact", "notes=expression(left(notes, 3))"]
    );
}

#[test]
fn several_masks_of_one_package_stand_side_by_side() {
    let rules = r#"
        allow := true
        column_masks contains {"notes": {"name": "last", "n": 4}}
        column_masks contains {"notes": {"name": "redact"}}
        column_masks contains {"notes": {"name": "last", "n": 2}}
    "#;
    let given = allowed(Question::new().ask(&bundle(rules)));
    assert_eq!(given.column_masks["notes"].mask, Mask::Redact);
}

#[test]
fn masks_that_can_not_be_ranked_deny_and_name_the_policies() {
    let rules = r#"
        allow := true
        metadata contains {"id": "P-1", "title": "Notes"}
        metadata contains {"id": "P-2"}
        column_masks contains {"notes": {"name": "last", "n": 4, "policy": "P-1"}}
        column_masks contains {"notes": {"name": "last", "n": 2, "policy": "P-2"}}
    "#;
    let bundle = bundle(rules);
    let mut question = Question::new();
    let reason = denied(question.ask(&bundle));
    assert!(!reason.unavailable);
    assert_eq!(reason.columns, ["notes"]);
    let labels: Vec<String> = reason.policies.iter().map(PolicyRef::label).collect();
    let mut sorted = labels.clone();
    sorted.sort();
    assert_eq!(sorted, ["P-1 (Notes)", "P-2"]);
    assert!(reason.reasons[0].contains("P-1 (Notes)") && reason.reasons[0].contains("last(4)"), "{reason:?}");
    // A statement that does not use the column may run; the column gives nothing.
    question.statement.columns_used.remove("notes");
    assert_eq!(allowed(question.ask(&bundle)).column_masks["notes"].mask, Mask::Deny);
}

#[test]
fn a_mask_that_does_not_suit_its_column_is_the_gates_own_fault() {
    let reason = denied(Question::new().ask(&bundle("allow := true\ncolumn_masks := {\"id\": {\"name\": \"email\"}}")));
    assert!(reason.unavailable);
    assert!(reason.reasons[0].contains("does not suit type bigint"), "{reason:?}");
    // No column of that name: the mask is for other datasets.
    allowed(Question::new().ask(&bundle("allow := true\ncolumn_masks := {\"iban\": {\"name\": \"year\"}}")));
}

const CORPORATE: &str = "package analytics.data_access\nallow := true\nunmask contains \"email\"\nlimits := {\"max_rows\": 100, \"min_group_size\": 5}";

fn with_domain(domain: &str) -> Decision {
    let mut dataset = people();
    dataset.domain = Some("hr".into());
    let domain = format!("package governance.domains.hr\n{domain}");
    Question::about(dataset).ask(&bundles(&[("a.rego", CORPORATE), ("b.rego", &domain)]))
}

#[test]
fn a_domain_can_only_narrow() {
    // It denies if it defines allow and that is not true.
    assert!(!denied(with_domain("allow := false")).unavailable);
    assert!(!denied(with_domain("allow if input.user.id == \"bob\"")).unavailable);
    assert!(denied(with_domain("allow := 1")).unavailable);
    let given = allowed(with_domain("note := 1"));
    assert_eq!(given.column_masks.keys().collect::<Vec<_>>(), ["name"]);
    // It can't uncover.
    let given = allowed(with_domain("unmask contains \"PII\""));
    assert_eq!(given.column_masks.keys().collect::<Vec<_>>(), ["name"]);
    // It adds.
    let given = allowed(with_domain(
        "allow := true\nlimits := {\"max_rows\": 500, \"min_group_size\": 20}\ncolumn_masks := {\"email\": {\"name\": \"null\"}}\nrow_filters contains {\"expression\": \"id > 3\"}",
    ));
    assert_eq!((given.limits.max_rows, given.limits.min_group_size), (Some(100), Some(20)));
    assert_eq!(given.column_masks["email"].mask, Mask::Null);
    assert_eq!(given.row_filters[0].policy, PolicyRef::package("governance.domains.hr"));
}

#[test]
fn a_domains_allow_does_not_replace_the_corporate_one() {
    let mut dataset = people();
    dataset.domain = Some("hr".into());
    let bundle = bundles(&[("b.rego", "package governance.domains.hr\nallow := true")]);
    assert!(!denied(Question::about(dataset).ask(&bundle)).unavailable);
}

#[test]
fn a_denial_says_whose_why_and_what_instead() {
    let bundle = bundle(
        r#"
        default allow := false
        metadata contains {"id": "P-1", "title": "One", "owner": "o1"}
        metadata contains {"id": "P-2", "title": "Two", "owner": "o2"}
        reasons contains {"message": "z", "policy": "P-2", "columns": ["salary", "name"]}
        reasons contains {"message": "a", "policy": "P-2", "columns": ["salary"]}
        alternatives contains {"message": "first", "order": 1}
        alternatives contains "last"
        alternatives contains {"message": "a second", "order": 2}
        "#,
    );
    let mut question = Question::new();
    question.statement.columns_used.remove("name");
    let reason = denied(question.ask(&bundle));
    assert_eq!(reason.reasons, ["a", "z"]);
    assert_eq!(reason.columns, ["salary"]);
    assert_eq!(reason.classification.map(|c| c.as_str()), Some("PROPRIETARY"));
    assert_eq!(reason.policies.iter().map(PolicyRef::label).collect::<Vec<_>>(), ["P-2 (Two)"]);
    assert_eq!(reason.alternatives, ["first", "a second", "last"]);
}

#[test]
fn approval_is_asked_for_if_it_would_do() {
    let rules = "default allow := false\nrequires_approval contains \"RAW_DATA_ACCESS\"";
    assert!(matches!(Question::new().ask(&bundle(rules)), Decision::RequireApproval(_)));
    allowed(Question::new().ask(&bundle("allow := true\nrequires_approval contains \"RAW_DATA_ACCESS\"")));
}

#[test]
fn approval_is_asked_for_only_if_all_who_deny_would_be_content() {
    let mut dataset = people();
    dataset.domain = Some("hr".into());
    let asked = |domain: &str| {
        let corporate = "package analytics.data_access\nrequires_approval contains \"RAW_DATA_ACCESS\"";
        let domain = format!("package governance.domains.hr\ndefault allow := false\n{domain}");
        Question::about(dataset.clone()).ask(&bundles(&[("a.rego", corporate), ("b.rego", &domain)]))
    };
    assert!(matches!(asked("requires_approval contains \"RAW_DATA_ACCESS\""), Decision::RequireApproval(_)));
    denied(asked(""));
}

#[test]
fn what_is_not_known_equals_nothing() {
    let bundle = bundle("allow if input.user.businessUnit == input.dataset.ownerBusinessUnit");
    let mut dataset = people();
    dataset.owner_business_unit = None;
    let mut question = Question::about(dataset);
    question.user.attributes.business_unit = None;
    denied(question.ask(&bundle));
    allowed(Question::new().ask(&bundle));
}

#[test]
fn roles_come_in_the_users_order_with_the_included_ones_after() {
    let bundle = bundle("allow if input.user.roles == [\"ENGINEER\", \"AUDITOR\", \"ANALYST\"]");
    let mut question = Question::new();
    question.user = super::world::user("erin", &["ENGINEER", "AUDITOR"], "EU");
    allowed(question.ask(&bundle));
}

#[test]
fn the_input_has_the_names_of_the_contract() {
    let rules = r#"
        allow if {
            input.action == "QUERY"
            input.user.tenant == "acme"
            input.user.mfa_verified == false
            input.user.activeWorkspaces == ["retail"]
            input.workspace == {"id": "retail", "type": "SHARED_ANALYSIS", "status": "ACTIVE", "owner": "sam"}
            input.dataset.id == "public.people"
            input.dataset.tags == ["EMAIL", "PII", "SENSITIVE"]
            input.dataset.classification == "PROPRIETARY"
            input.dataset.columns[2] == {"name": "email", "type": "text", "classification": "PROPRIETARY", "tags": ["EMAIL", "PII"], "listed": true}
            input.statement.kind == "SELECT"
            "email" in input.statement.columns_used
            not input.statement.is_aggregate
            input.environment.client_ip == "127.0.0.1"
            net.cidr_contains("127.0.0.0/8", input.environment.client_ip)
            input.environment.tls
            input.purpose == "reporting"
            approval := input.user.approvals[_]
            approval.datasetId == input.dataset.id
            approval.type == "RAW_DATA_ACCESS"
            approval.status == "APPROVED"
            time.now_ns() < approval.expiresAt
        }
    "#;
    let bundle = bundle(rules);
    let mut question = Question::new();
    question.purpose = Some("reporting".into());
    question.approvals = vec![Approval {
        kind: "RAW_DATA_ACCESS".into(),
        status: "APPROVED".into(),
        dataset: Some("public.people".into()),
        export: None,
        expires_at_ns: WEDNESDAY_10 + HOUR,
    }];
    allowed(question.ask(&bundle));
    question.now_ns += 2 * HOUR;
    denied(question.ask(&bundle));
}

#[test]
fn a_cached_decision_is_the_answer_to_the_same_question_only() {
    let rules = r#"
        allow if input.user.id == "alice"
        allow if input.purpose == "audit"
        allow if time.clock(time.now_ns())[0] == 11
        allow if count(input.user.approvals) > 0
        allow if input.environment.network_zone == "vpn"
        allow if input.statement.is_aggregate
        allow if input.dataset.tier == "SYNTHETIC"
        allow if input.workspace.id == "adhoc"
        row_filters contains {"expression": "region = :r", "params": {"r": input.user.businessUnit}}
    "#;
    let bundle = bundle(rules);
    let mut question = Question::new();
    for _ in 0..2 {
        assert_eq!(allowed(question.ask(&bundle)).row_filters[0].params["r"], ParamValue::Text("EU".into()));
    }
    question.user.attributes.business_unit = Some("US".into());
    assert_eq!(allowed(question.ask(&bundle)).row_filters[0].params["r"], ParamValue::Text("US".into()));
    question.user.id = "bob".into();
    denied(question.ask(&bundle));
    denied(question.ask(&bundle));
    question.now_ns += HOUR;
    allowed(question.ask(&bundle));
    question.now_ns += HOUR;
    denied(question.ask(&bundle));
    question.purpose = Some("audit".into());
    allowed(question.ask(&bundle));
    question.purpose = None;
    denied(question.ask(&bundle));
    question.environment.network_zone = "vpn".into();
    allowed(question.ask(&bundle));
    question.environment.network_zone = "corporate".into();
    question.statement.is_aggregate = true;
    allowed(question.ask(&bundle));
    question.statement.is_aggregate = false;
    question.workspace.name = "adhoc".into();
    allowed(question.ask(&bundle));
    question.workspace.name = "retail".into();
    denied(question.ask(&bundle));
    let mut synthetic = people();
    synthetic.tier = crate::types::Tier::Synthetic;
    question.dataset = Arc::new(synthetic);
    allowed(question.ask(&bundle));
}

/// Each fact that policies can read, one after the other: where it alone is another, the decision is made anew.
#[test]
fn every_fact_that_a_policy_can_read_is_part_of_the_question() {
    type Change = fn(&mut Question);
    let facts: [(&str, Change); 19] = [
        ("input.user.id == \"bob\"", |question| question.user.id = "bob".into()),
        ("\"AUDITOR\" in input.user.roles", |question| question.user.roles = [Role::new("AUDITOR")].into()),
        ("input.user.tenant == \"globex\"", |question| question.user.tenant = Some(TenantId::new("globex"))),
        ("input.user.businessUnit == \"US\"", |question| question.user.attributes.business_unit = Some("US".into())),
        ("input.user.department == \"HR\"", |question| question.user.attributes.department = Some("HR".into())),
        ("input.user.clearance == \"PROPRIETARY\"", |question| {
            question.user.attributes.clearance = Some(crate::types::Classification::Proprietary);
        }),
        ("input.user.country == \"DE\"", |question| question.user.attributes.country = Some("DE".into())),
        ("input.user.mfa_verified", |question| question.user.attributes.mfa_verified = true),
        ("input.workspace.id == \"adhoc\"", |question| question.workspace.name = "adhoc".into()),
        ("input.workspace.type == \"AD_HOC\"", |question| question.workspace.kind = WorkspaceKind::AdHoc),
        ("input.workspace.owner == \"erin\"", |question| question.workspace.owner = Some("erin".into())),
        ("input.statement.kind == \"COPY\"", |question| question.statement.kind = "COPY"),
        ("input.statement.is_aggregate", |question| question.statement.is_aggregate = true),
        ("not \"email\" in input.statement.columns_used", |question| {
            question.statement.columns_used.remove("email");
        }),
        ("input.environment.region == \"us\"", |question| question.environment.region = "us".into()),
        ("input.environment.network_zone == \"vpn\"", |question| question.environment.network_zone = "vpn".into()),
        ("input.environment.client_ip == \"10.1.2.3\"", |question| {
            question.environment.client_ip = [10, 1, 2, 3].into()
        }),
        ("not input.environment.tls", |question| question.environment.tls = false),
        ("input.environment.application_name == \"dbt\"", |question| {
            question.environment.application_name = "dbt".into();
        }),
    ];
    for (rule, change) in facts {
        let bundle = bundle(&format!("allow if {rule}"));
        let mut question = Question::new();
        denied(question.ask(&bundle));
        change(&mut question);
        assert!(matches!(question.ask(&bundle), Decision::Allow(_)), "{rule}");
    }
}

#[test]
fn what_tags_imply_is_part_of_the_question() {
    let bundle = bundle("allow := true\nunmask contains \"PII\"");
    let mut question = Question::new();
    assert!(allowed(question.ask(&bundle)).column_masks.is_empty());
    for definition in question.catalog.tags.values_mut() {
        definition.implies.clear();
    }
    assert_eq!(allowed(question.ask(&bundle)).column_masks.len(), 1);
}

#[test]
fn time_is_the_requests() {
    let bundle = bundle("allow if time.now_ns() == 7");
    let mut question = Question::new();
    denied(question.ask(&bundle));
    question.now_ns = 7;
    allowed(question.ask(&bundle));
}

#[test]
fn the_same_denial_has_the_same_id() {
    let bundle = bundle("");
    let mut question = Question::new();
    let first = denied(question.ask(&bundle)).decision;
    assert_eq!(denied(question.ask(&bundle)).decision, first);
    question.user.id = "bob".into();
    assert_ne!(denied(question.ask(&bundle)).decision, first);
}

#[test]
fn a_bundle_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let bundle = bundle("allow if input.user.id == \"alice\"");
    shared(&bundle);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let bundle = &bundle;
            scope.spawn(move || {
                let mut question = Question::new();
                for turn in 0..50 {
                    question.purpose = Some(format!("{number} {turn}"));
                    question.user.id = if turn % 2 == 0 { "alice" } else { "bob" }.into();
                    assert_eq!(matches!(question.ask(bundle), Decision::Allow(_)), turn % 2 == 0);
                }
            });
        }
    });
}
