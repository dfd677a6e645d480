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

/// The plans inside the barriers of a statement of alice's, and the plan around them.
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
    let inside = inside(planned.physical());
    assert!(!inside.is_empty(), "no barrier: {outside}");
    (inside.join("\n"), outside)
}

fn inside(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let any: &dyn std::any::Any = plan.as_ref();
    match any.downcast_ref::<BarrierExec>() {
        Some(barrier) => vec![displayable(barrier.inner().as_ref()).indent(true).to_string()],
        None => plan.children().into_iter().flat_map(inside).collect(),
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
    let (inside, outside) = plans("SELECT p_size FROM tpch.part WHERE p_name LIKE 'z%'");
    assert!(inside.contains("p_name_min") && !outside.contains("FilterExec"), "{inside}");
}

#[test]
fn what_a_join_learns_of_clear_columns_spares_reading() {
    for sql in [
        "SELECT l_tax FROM tpch.orders JOIN tpch.lineitem ON o_orderkey = l_orderkey WHERE o_totalprice < 1000",
        "SELECT a.id FROM people a JOIN people b ON a.id = b.id WHERE b.name = 'x'",
        "SELECT id FROM people ORDER BY id LIMIT 3",
    ] {
        let (inside, _) = plans(sql);
        assert!(inside.contains("DynamicFilter"), "{sql}\n{inside}");
    }
}

#[test]
fn what_a_join_learns_of_anything_else_stays_above() {
    for sql in [
        // Masked columns, and expressions that might fail on a hidden row.
        "SELECT a.id FROM people a JOIN people b ON a.ssn = b.ssn",
        "SELECT a.id FROM people a JOIN people b ON a.email = b.email",
        "SELECT a.id FROM people a JOIN (SELECT 10 / id AS id FROM people) b ON a.name = b.id::text",
        "SELECT a.l_tax FROM tpch.lineitem a JOIN (SELECT 7 % l_orderkey AS k FROM tpch.lineitem) b ON b.k = a.l_tax::int",
        "SELECT id FROM people ORDER BY ssn LIMIT 3",
        "SELECT id FROM people ORDER BY 1 / id LIMIT 3",
    ] {
        let (inside, _) = plans(sql);
        assert!(!inside.contains("DynamicFilter"), "{sql}\n{inside}");
    }
}

#[test]
fn what_could_tell_or_fail_stays_above() {
    for predicate in ["1 / (id - 7) > 0", "ssn = '***1234'", "salary > 50000", "email IS NULL", "id % 2 = 0"] {
        let (inside, outside) = plans(&format!("SELECT id FROM people WHERE {predicate}"));
        assert!(outside.contains("FilterExec"), "{predicate}\n{outside}");
        assert!(!inside.replace("tenant_id_min", "").contains("id_min"), "{predicate}\n{inside}");
    }
}

#[test]
fn files_are_read_as_wide_as_they_would_be_without_a_barrier() {
    let (inside, outside) = plans("SELECT l_returnflag, sum(l_quantity) FROM tpch.lineitem GROUP BY l_returnflag");
    assert!(!inside.contains("CoalescePartitionsExec"), "{inside}");
    assert!(!outside.contains("RoundRobinBatch"), "{outside}");
}
