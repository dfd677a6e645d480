//! What reaches the files: leakproof predicates of the user's do, and prune row groups; all others stay above the barrier.

use crate::fixture;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use querygate::config::Deployment;
use querygate::execute::datafusion::{BarrierExec, MaskKey, StatementScope};
use querygate::execute::metadata::{MetadataSnapshot, SessionFacts, VisibleCatalog};
use querygate::gateway::Rehearsal;
use querygate::sql::{ParseBounds, parse};
use querygate::types::{Redacted, WorkspaceName};
use std::sync::Arc;

/// The plan inside the first barrier of a statement of alice's, and the plan around it.
fn plans(sql: &str) -> (String, String) {
    let gate = fixture::gate();
    let serving = gate.gateway().serving();
    let deployment = Deployment { name: "development".into(), region: "eu".into(), network_zones: Vec::new() };
    let statement = parse(sql, &ParseBounds::default()).unwrap().remove(0);
    let rehearsal = Rehearsal { serving: &serving, deployment: &deployment };
    let governed = rehearsal.govern("alice", "retail", None, &statement).unwrap();
    let catalog = Arc::clone(&serving.catalog);
    let scope = StatementScope {
        raw: serving.raw.clone(),
        metadata: Arc::new(MetadataSnapshot::new(
            catalog,
            Arc::new(VisibleCatalog::default()),
            SessionFacts::default(),
        )),
        functions: Vec::new(),
        mask_key: MaskKey::derive(&Redacted::new(vec![1; 32]), &WorkspaceName::new("retail")),
        time_zone: "+00:00".into(),
    };
    let engine = Arc::clone(gate.gateway().engine());
    let planned = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(engine.plan(&governed.statement, &scope, &[])).unwrap()
    })
    .join()
    .unwrap();
    let outside = displayable(planned.physical().as_ref()).indent(true).to_string();
    (inside(planned.physical()).expect("a barrier"), outside)
}

fn inside(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let any: &dyn std::any::Any = plan.as_ref();
    match any.downcast_ref::<BarrierExec>() {
        Some(barrier) => Some(displayable(barrier.inner().as_ref()).indent(true).to_string()),
        None => plan.children().into_iter().find_map(inside),
    }
}

#[test]
fn a_leakproof_predicate_prunes_the_files() {
    let (inside, outside) = plans("SELECT name FROM people WHERE id = 42");
    assert!(inside.contains("pruning_predicate") && inside.contains("id_min"), "{inside}");
    assert!(!outside.contains("FilterExec"), "{outside}");
    // The row filter prunes too.
    assert!(inside.contains("region_min") && inside.contains("tenant_id_min"), "{inside}");
    let (inside, _) =
        plans("SELECT l_tax FROM tpch.lineitem WHERE l_shipdate < DATE '1992-02-01' AND l_linenumber IN (1, 2)");
    assert!(inside.contains("l_shipdate_min"), "{inside}");
}

#[test]
fn what_could_tell_or_fail_stays_above() {
    for predicate in
        ["1 / (id - 7) > 0", "ssn = '***1234'", "name LIKE 'Z%'", "salary > 50000", "email IS NULL", "id % 2 = 0"]
    {
        let (inside, outside) = plans(&format!("SELECT id FROM people WHERE {predicate}"));
        assert!(outside.contains("FilterExec"), "{predicate}\n{outside}");
        assert!(!inside.replace("tenant_id_min", "").contains("id_min"), "{predicate}\n{inside}");
    }
}
