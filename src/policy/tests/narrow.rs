//! One more obligation, wherever it is written, never gives anybody more.

use super::world::{Question, bundles};
use crate::decision::{Decision, Mask, Obligations};
use proptest::prelude::*;

/// A rule that obliges.
fn obligation() -> impl Strategy<Value = String> {
    let column = prop::sample::select(vec!["id", "email", "name", "salary", "notes", "region", "tenant_id", "nothing"]);
    let mask = prop::sample::select(vec![
        "{\"name\": \"redact\"}",
        "{\"name\": \"hash\"}",
        "{\"name\": \"deny\"}",
        "{\"name\": \"email\"}",
        "{\"name\": \"round\", \"step\": 100}",
        "{\"name\": \"round\", \"step\": 1000}",
        "{\"name\": \"partial\", \"prefix\": 1, \"suffix\": 0, \"pad\": \"*\"}",
        "{\"name\": \"constant\", \"value\": \"x\"}",
        "{\"name\": \"null\"}",
        "{\"name\": \"expression\", \"expression\": \"upper(notes)\"}",
    ]);
    let when = prop::sample::select(vec!["", " if input.user.id == \"alice\"", " if input.user.id == \"bob\""]);
    prop_oneof![
        (0..6_u8, column.clone(), when.clone()).prop_map(|(number, column, when)| {
            format!("row_filters contains {{\"expression\": \"id > {number}\", \"for_columns\": [\"{column}\"]}}{when}")
        }),
        (column, mask, when.clone())
            .prop_map(|(column, mask, when)| format!("column_masks contains {{\"{column}\": {mask}}}{when}")),
        (0..5_u16, 0..3_u16, when.clone()).prop_map(|(rows, group, when)| {
            format!("limits := {{\"max_rows\": {}, \"min_group_size\": {group}}}{when}", rows * 10 + 1)
        }),
        Just("reasons contains \"because\"".to_owned()),
        Just("allow := false".to_owned()),
    ]
}

/// What the packages come to: the corporate one allows all that nothing denies, and uncovers two columns.
fn decide(corporate: &[String], domain: &[String]) -> Decision {
    let corporate = format!(
        "package analytics.data_access\nallow := true\nunmask contains \"email\"\nunmask contains \"PII\"\n{}",
        corporate.join("\n")
    );
    let domain = format!("package governance.domains.hr\n{}", domain.join("\n"));
    let mut question = Question::new();
    let mut dataset = (*question.dataset).clone();
    dataset.domain = Some("hr".into());
    question = Question::about(dataset);
    question.ask(&bundles(&[("a.rego", &corporate), ("b.rego", &domain)]))
}

/// Whether nothing is open under `more` that is not under `less`.
fn is_narrower(more: &Obligations, less: &Obligations) -> bool {
    less.row_filters.iter().all(|filter| {
        more.row_filters.iter().any(|other| other.expression == filter.expression && other.params == filter.params)
    }) && less.column_masks.iter().all(|(column, before)| {
        more.column_masks.get(column).is_some_and(|after| after.mask.stricter(&before.mask) == Some(&after.mask))
    }) && more.limits == less.limits.and(more.limits)
        && (more.filter_required || !less.filter_required)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn an_obligation_more_never_gives_more(
        corporate in prop::collection::vec(obligation(), 0..4),
        domain in prop::collection::vec(obligation(), 0..4),
        another in obligation(),
        in_domain in any::<bool>(),
    ) {
        let before = decide(&corporate, &domain);
        let (mut corporate, mut domain) = (corporate, domain);
        if in_domain { domain.push(another) } else { corporate.push(another) }
        let after = decide(&corporate, &domain);
        match (&before, &after) {
            (Decision::Allow(less), Decision::Allow(more)) => {
                prop_assert!(is_narrower(more, less), "{less:#?} became {more:#?}");
            }
            (_, Decision::Deny(_) | Decision::RequireApproval(_)) => {}
            // Two masks that nobody can rank deny the statement, until one that denies the column itself ranks above both.
            (Decision::Deny(_) | Decision::RequireApproval(_), Decision::Allow(more)) => {
                let denied = |column: &String| more.column_masks.get(column).is_some_and(|of| of.mask == Mask::Deny);
                let used = Question::new().statement.columns_used;
                prop_assert!(used.iter().any(denied), "{before:#?} became {after:#?}");
            }
        }
    }
}
