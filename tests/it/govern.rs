//! Golden cases: a user and a statement, and what the gateway makes of them. `QUERYGATE_UPDATE=1` writes what it sees.

use crate::case::{cases, updating, write};
use crate::fixture;
use querygate::config::Deployment;
use querygate::gateway::{Rehearsal, error_lines};
use querygate::sql::{ParseBounds, parse};

#[test]
fn golden_cases() {
    let gate = fixture::gate();
    let serving = gate.gateway().serving();
    let deployment = Deployment { name: "development".into(), region: "eu".into(), network_zones: Vec::new() };
    let rehearsal = Rehearsal { serving: &serving, deployment: &deployment };
    let mut all = cases("govern");
    let mut wrong = Vec::new();
    for case in &mut all {
        let user = case.get("user").unwrap_or("alice").to_owned();
        let workspace = case.get("workspace").unwrap_or("retail").to_owned();
        let purpose = case.get("purpose").map(str::to_owned);
        let sql = case.section("sql").unwrap_or_else(|| panic!("{} has no sql", case.name())).to_owned();
        let seen = match rehearsal.explain(&user, &workspace, purpose.as_deref(), &sql) {
            Ok(lines) => lines.join("\n"),
            Err(report) => {
                let position = report.position.map(|at| format!("\nPOSITION:  {at}")).unwrap_or_default();
                error_lines(&report).join("\n") + &position
            }
        };
        if case.section("governed") != Some(&seen) {
            wrong.push(format!(
                "{}\n  {sql}\nexpected:\n{}\nseen:\n{seen}\n",
                case.name(),
                case.section("governed").unwrap_or("(nothing)")
            ));
            case.set("governed", &seen);
        }
    }
    assert!(all.len() >= 150, "there are {} golden cases", all.len());
    if updating() {
        write(&all);
    } else {
        assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn a_statement_that_is_governed_twice_is_governed_alike() {
    let gate = fixture::gate();
    let serving = gate.gateway().serving();
    let deployment = Deployment { name: "development".into(), region: "eu".into(), network_zones: Vec::new() };
    let rehearsal = Rehearsal { serving: &serving, deployment: &deployment };
    for case in cases("govern") {
        let (Some(sql), user) = (case.section("sql"), case.get("user").unwrap_or("alice")) else { continue };
        let Ok(statements) = parse(sql, &ParseBounds::default()) else { continue };
        let [statement] = statements.as_slice() else { continue };
        let text = || {
            let governed = rehearsal.govern(user, case.get("workspace").unwrap_or("retail"), None, statement).ok()?;
            governed.statement.governed_sql().ok()
        };
        assert_eq!(text(), text(), "{}", case.name());
    }
}
