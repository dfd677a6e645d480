//! The shipped policies' decisions for the people of the demo.

use super::testing::shipped;
use super::world::{Question, catalog, column, people, user};
use crate::catalog::Dataset;
use crate::decision::{Decision, Mask, PolicyRef};
use crate::policy::PolicyBundle;
use crate::types::{Classification, DatasetName, Role, SqlType, Tier};

fn dataset(schema: &str, name: &str, tier: Tier, domain: &str) -> Dataset {
    let mut dataset = people();
    dataset.name = DatasetName::new(schema, name);
    dataset.tier = tier;
    dataset.domain = Some(domain.into());
    dataset
}

fn demo() -> Vec<Dataset> {
    let mut tickets = dataset("public", "tickets", Tier::Curated, "support");
    tickets.row_filter_required = true;
    tickets.columns.retain(|column| column.name != "region");
    let mut investigations = dataset("hr", "investigations", Tier::Raw, "hr");
    investigations.discoverable = false;
    investigations.residency = vec!["eu".into()];
    investigations.columns = vec![
        column("id", SqlType::BigInt, &[], &[]),
        column("findings", SqlType::Text, &["NOTES", "SENSITIVE"], &[("NOTES", Mask::Redact)]),
    ];
    let mut events = dataset("public", "events", Tier::Curated, "sales");
    events.columns = ["id", "person_id", "tenant_id"].map(|name| column(name, SqlType::Text, &[], &[])).into();
    vec![
        dataset("public", "people", Tier::Curated, "people"),
        events,
        tickets,
        dataset("public", "payroll", Tier::Raw, "finance"),
        investigations,
        dataset("tpch", "lineitem", Tier::Synthetic, "retail"),
    ]
}

fn ask(who: &str, what: &str, change: impl FnOnce(&mut Question)) -> String {
    let bundle = PolicyBundle::load(&shipped()).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let wanted = DatasetName::parse(what).unwrap();
    let mut question = Question::about(demo().into_iter().find(|dataset| dataset.name == wanted).unwrap());
    let (roles, unit, department, country, mfa, tenant): (&[&str], _, _, _, _, _) = match who {
        "alice" => (&["ANALYST"], "EU", "SALES", "DE", false, Some("acme")),
        "bob" => (&["ANALYST"], "US", "SALES", "US", false, Some("globex")),
        "dana" => (&["DATA_SCIENTIST"], "EU", "ENGINEERING", "FR", true, Some("acme")),
        "erin" => (&["ENGINEER"], "US", "ENGINEERING", "US", false, Some("acme")),
        _ => (&["AUDITOR"], "EU", "COMPLIANCE", "NL", true, None),
    };
    question.user = user(who, roles, unit);
    question.user.tenant = tenant.map(Into::into);
    question.user.attributes.department = Some(department.into());
    question.user.attributes.country = Some(country.into());
    question.user.attributes.mfa_verified = mfa;
    question.user.attributes.clearance = Some(Classification::Internal);
    question.environment.name = "development".into();
    question.catalog.roles.remove(&Role::new("ENGINEER"));
    change(&mut question);
    text(&question.ask(&bundle))
}

fn text(decision: &Decision) -> String {
    let labels = |policies: &[PolicyRef]| policies.iter().map(PolicyRef::label).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    match decision {
        Decision::Allow(given) => {
            for filter in &given.row_filters {
                lines.push(format!("rows {} {:?}", filter.expression, filter.params));
            }
            for (column, mask) in &given.column_masks {
                lines.push(format!("mask {column} {}", mask.mask));
            }
            lines.push(format!("rows at most {:?}", given.limits.max_rows));
        }
        Decision::RequireApproval(reason) | Decision::Deny(reason) => {
            lines.push(if matches!(decision, Decision::Deny(_)) { "deny" } else { "approval" }.to_owned());
            lines.push(labels(&reason.policies));
            lines.extend(reason.reasons.iter().map(|reason| format!("because {reason}")));
            lines.extend(reason.alternatives.iter().map(|instead| format!("instead {instead}")));
            if reason.hidden {
                lines.push("hidden".into());
            }
            if reason.unavailable {
                lines.push("unavailable".into());
            }
        }
    }
    lines.join("\n")
}

#[test]
fn analysts_see_their_region_and_tenant_masked() {
    assert_eq!(
        ask("alice", "public.people", |_| ()),
        "rows region = :region {\"region\": Text(\"EU\")}\nrows tenant_id = :tenant {\"tenant\": Text(\"acme\")}\n\
         mask email email\nmask name redact\nrows at most Some(20000)"
    );
    assert_eq!(
        ask("bob", "public.people", |_| ()),
        "rows region = :region {\"region\": Text(\"US\")}\nrows tenant_id = :tenant {\"tenant\": Text(\"globex\")}\n\
         mask email email\nmask name redact\nrows at most Some(20000)"
    );
}

#[test]
fn the_data_scientist_sees_addresses() {
    assert_eq!(
        ask("dana", "public.people", |_| ()),
        "rows region = :region {\"region\": Text(\"EU\")}\nrows tenant_id = :tenant {\"tenant\": Text(\"acme\")}\n\
         mask name redact\nrows at most Some(100000)"
    );
}

#[test]
fn generated_data_is_open_also_at_night() {
    for who in ["alice", "bob", "dana", "erin", "audrey"] {
        let answer = ask(who, "tpch.lineitem", |question| {
            question.now_ns += 14 * super::world::HOUR;
            let mut open = (*question.dataset).clone();
            open.columns.retain(|column| column.name == "id");
            question.dataset = open.into();
        });
        assert_eq!(answer, "rows at most None", "{who}");
    }
    let at_night = ask("alice", "public.people", |question| question.now_ns += 14 * super::world::HOUR);
    assert_eq!(at_night, ask("alice", "public.people", |_| ()));
}

#[test]
fn events_are_those_of_people_of_ones_region() {
    assert_eq!(
        ask("erin", "public.events", |question| {
            let mut own = (*question.dataset).clone();
            own.owner_business_unit = Some("US".into());
            question.dataset = own.into();
        }),
        "rows person_id in (select p.id from public.people p where p.region = :region) {\"region\": Text(\"US\")}\n\
         rows tenant_id = :tenant {\"tenant\": Text(\"acme\")}\nrows at most Some(20000)"
    );
}

#[test]
fn tickets_have_the_filter_that_they_require() {
    let answer = ask("alice", "public.tickets", |_| ());
    assert!(answer.starts_with("rows tenant_id = :tenant"), "{answer}");
    let answer = ask("alice", "public.tickets", |question| question.user.tenant = None);
    assert!(answer.starts_with("rows false"), "{answer}");
}

#[test]
fn payroll_needs_more_than_an_analyst_has() {
    assert_eq!(
        ask("alice", "public.payroll", |_| ()),
        "deny\nP-2026-002 (Raw data by approval), P-2026-004 (Second factor for sensitive data), P-2026-007 (Departments)\n\
         because Raw data is read with an approval (RAW_DATA_ACCESS).\n\
         because Raw data needs a sign-in with a second factor.\n\
         because Raw data of domain finance is for the departments COMPLIANCE, FINANCE, HR.\n\
         instead Use public.people_summary, which is open to you.\n\
         instead Ask the dataset's steward for a RAW_DATA_ACCESS approval.\n\
         instead Sign in with a second factor."
    );
    let of_finance = ask("dana", "public.payroll", |question| {
        question.user.attributes.department = Some("FINANCE".into());
    });
    assert!(of_finance.starts_with("approval\nP-2026-002 (Raw data by approval)\n"), "{of_finance}");
}

#[test]
fn investigations_are_hidden_from_all_but_an_audit() {
    assert!(ask("alice", "hr.investigations", |_| ()).ends_with("hidden"));
    let audit = |question: &mut Question| question.workspace.kind = crate::catalog::WorkspaceKind::AuditInvestigation;
    assert!(
        ask("audrey", "hr.investigations", audit).contains("instead State a purpose: SET querygate.purpose = 'audit'.")
    );
    let answer = ask("audrey", "hr.investigations", |question| {
        audit(question);
        question.purpose = Some("audit".into());
    });
    assert_eq!(answer, "mask findings redact\nrows at most Some(500)");
}

#[test]
fn nothing_in_them_contradicts_a_catalog_like_the_demos() {
    let bundle = PolicyBundle::load(&shipped()).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let mut catalog = catalog(demo());
    let tag = catalog.tags.values().next().cloned().unwrap();
    for name in ["NAME", "NOTES"] {
        catalog.tags.insert(name.into(), tag.clone());
    }
    assert_eq!(bundle.check(&catalog), []);
}
