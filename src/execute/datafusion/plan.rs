//! From a governed statement to a verified plan.

use super::DataFusionEngine;
use super::barrier::Openness;
use super::batches::rows_of_batch;
use super::context::Names;
use super::cooperate::cooperative;
use super::error::EngineError;
use super::inside::InsidePlanner;
use super::leakproof::{is_leakproof_filter, is_leakproof_value};
use super::masks::{MaskKey, mask_expr};
use super::metered::meter;
use super::narrow::narrow;
use super::parameters::bind;
use super::relation::GovernedTable;
use super::replay::replayable;
use super::sized::check_constants;
use super::source::RawTables;
use super::types::{parameter_pg_type, parameter_type};
use super::untyped;
use super::verify::{verify_logical, verify_physical};
use crate::catalog::Dataset;
use crate::execute::metadata::{MetadataSnapshot, adapt};
use crate::govern::{ColumnValue, GovernedDataset, GovernedStatement, GovernedTarget};
use crate::types::BoundParameter;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ParamValues, Result as PlanResult};
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, cast, ident};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use postgres_types::Type;
use sqlparser::ast::{ObjectName, ObjectNamePart, Statement};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What one statement may use besides its governed relations.
#[derive(Debug)]
pub struct StatementScope {
    /// The raw tables of the catalog that the statement pinned.
    pub raw: RawTables,
    /// System relations, as this principal sees them.
    pub metadata: Arc<MetadataSnapshot>,
    /// Functions that answer for this session: `current_user`, `current_setting` …
    pub functions: Vec<Arc<ScalarUDF>>,
    /// The workspace's key for `hash` masks.
    pub mask_key: MaskKey,
    /// The session's time zone.
    pub time_zone: String,
}

/// A statement planned and verified, ready to run.
#[derive(Debug)]
pub struct PlannedStatement {
    pub(super) state: SessionState,
    pub(super) logical: LogicalPlan,
    pub(super) physical: Arc<dyn ExecutionPlan>,
    /// What each governed relation is called, by its key.
    names: Vec<(String, String)>,
}

impl PlannedStatement {
    /// The result's columns.
    pub fn schema(&self) -> SchemaRef {
        self.physical.schema()
    }

    /// The plan for people: relations by the names that the statement used, nothing below a barrier.
    pub fn explain(&self) -> String {
        readable(&self.logical.display_indent().to_string(), &self.names)
    }

    /// The physical plan, for the verifier's tests and for figures: never for a client.
    pub fn physical(&self) -> &Arc<dyn ExecutionPlan> {
        &self.physical
    }
}

impl DataFusionEngine {
    /// The types of a statement's parameters and of its result's columns. Runs nothing.
    ///
    /// # Errors
    /// [`EngineError`], ready for the client through `report`.
    pub fn describe(
        &self,
        statement: &GovernedStatement,
        scope: &StatementScope,
        given: &[Option<Type>],
    ) -> Result<(Vec<Type>, SchemaRef), EngineError> {
        let state = self.state(scope)?;
        let mut plan = self.logical(&state, statement, scope, given)?;
        let mut given = given.to_vec();
        let most = plan.get_parameter_types()?.keys().filter_map(|name| number_of(name)).max().unwrap_or(0);
        given.resize(given.len().max(most), None);
        let mut learnt = false;
        for (number, pg_type) in untyped::types(&plan)? {
            if let Some(slot @ None) = number.checked_sub(1).and_then(|place| given.get_mut(place)) {
                *slot = Some(pg_type);
                learnt = true;
            }
        }
        if learnt {
            // Planned again, so that what the types say reaches the output's.
            plan = self.logical(&state, statement, scope, &given)?;
        }
        let inferred = plan.get_parameter_types()?;
        let parameters: Vec<Type> = (1..=given.len())
            .zip(given)
            .map(|(number, given)| {
                let inferred = || inferred.get(&format!("${number}")).cloned().flatten();
                given.or_else(|| inferred().map(|of| parameter_pg_type(&of))).unwrap_or(Type::TEXT)
            })
            .collect();
        // Unbound parameters have no value yet; the analyzer works types out all the same.
        let analyzed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        Ok((parameters, Arc::new(analyzed.schema().as_arrow().clone())))
    }

    /// Plans and verifies a statement with its parameters bound.
    ///
    /// # Errors
    /// [`EngineError`], ready for the client through `report`.
    pub async fn plan(
        &self,
        statement: &GovernedStatement,
        scope: &StatementScope,
        parameters: &[BoundParameter],
    ) -> Result<PlannedStatement, EngineError> {
        let mut state = self.state(scope)?;
        let given: Vec<Option<Type>> = parameters.iter().map(|parameter| Some(parameter.pg_type.clone())).collect();
        let mut plan = self.logical(&state, statement, scope, &given)?;
        if !parameters.is_empty() {
            let inferred = plan.get_parameter_types()?;
            let values = bind(parameters, &inferred)?;
            plan = plan.with_param_values(ParamValues::from(values))?;
        }
        let logical = state.optimize(&plan).map_err(unfit)?;
        refuse_outer_references(&logical)?;
        verify_logical(&logical, statement)?;
        check_constants(&logical)?;
        let rows = rows_of_batch(&logical, state.config().batch_size(), self.batch_bytes)?;
        state.config_mut().options_mut().execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
        // Functions read it from here.
        let options = Arc::clone(state.config().options());
        state.execution_props_mut().config_options = Some(options);
        let physical = state.query_planner().create_physical_plan(&logical, &state).await?;
        let physical = meter(replayable(cooperative(narrow(physical)?)?)?)?;
        verify_physical(physical.as_ref(), statement)?;
        let names = statement.relations().iter().map(|relation| (relation.key.clone(), name_of(&relation.target)));
        Ok(PlannedStatement { state, logical, physical, names: names.collect() })
    }

    fn logical(
        &self,
        state: &SessionState,
        statement: &GovernedStatement,
        scope: &StatementScope,
        given: &[Option<Type>],
    ) -> Result<LogicalPlan, EngineError> {
        let mut relations: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        // Made for the first dataset: most of what drivers ask at first reads none.
        let (one_table, with_subqueries) = (OnceCell::new(), OnceCell::new());
        for relation in statement.relations() {
            let table: Arc<dyn TableProvider> = match &relation.target {
                GovernedTarget::System(name) => scope
                    .metadata
                    .table(name)?
                    .ok_or_else(|| DataFusionError::Plan(format!("relation \"{name}\" does not exist")))?,
                GovernedTarget::Dataset(dataset) => {
                    let asks_subqueries = !dataset.raw_relations.is_empty();
                    let inside = if asks_subqueries { &with_subqueries } else { &one_table };
                    let inside = inside.get_or_init(|| self.inside.begin(asks_subqueries));
                    Arc::new(governed_table(inside, &relation.key, dataset, scope)?)
                }
            };
            relations.insert(relation.key.clone(), table);
        }
        let functions = scope.functions.iter().map(|f| (f.name().to_owned(), Arc::clone(f)));
        let functions: HashMap<String, Arc<ScalarUDF>> = scope
            .functions
            .iter()
            .flat_map(|f| f.aliases().iter().map(|alias| (alias.clone(), Arc::clone(f))))
            .chain(functions)
            .collect();
        let names = Names::new(state, GovernedStatement::RELATION_SCHEMA, relations, functions);
        let mut query = statement.query().clone();
        let system = |name: &ObjectName| {
            let [schema, ObjectNamePart::Identifier(key)] = name.0.as_slice() else { return None };
            let of_ours = matches!(schema, ObjectNamePart::Identifier(schema) if schema.value == GovernedStatement::RELATION_SCHEMA);
            let relation = statement.relations().iter().find(|relation| of_ours && relation.key == key.value)?;
            match &relation.target {
                GovernedTarget::System(name) => Some(name.clone()),
                GovernedTarget::Dataset(_) => None,
            }
        };
        adapt(&mut query, &system);
        let types = given.iter().map(|pg_type| {
            let data_type = parameter_type(pg_type.as_ref()?)?;
            Some(Arc::new(arrow::datatypes::Field::new("", data_type, true)))
        });
        let mut planner = PlannerContext::new().with_prepare_param_data_types(types.collect());
        let plan = SqlToRel::new_with_options(&names, ParserOptions::from(&state.config_options().sql_parser))
            .sql_statement_to_plan_with_context(Statement::Query(Box::new(query)), &mut planner)?;
        Ok(plan)
    }

    fn state(&self, scope: &StatementScope) -> Result<SessionState, EngineError> {
        let mut state = self.template.clone();
        state.config_mut().options_mut().execution.time_zone = Some(scope.time_zone.clone());
        state.mark_start_execution();
        Ok(state)
    }
}

/// Names are resolved by now: one that the optimizer misses was lost where it turned a subquery into a join.
fn unfit(error: DataFusionError) -> DataFusionError {
    match error.find_root() {
        DataFusionError::SchemaError(..) => {
            DataFusionError::NotImplemented("a correlated subquery of this shape".into())
        }
        _ => error,
    }
}

/// A correlated subquery that the optimizer could not turn into a join is one that the engine can't run.
fn refuse_outer_references(plan: &LogicalPlan) -> PlanResult<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| match expr {
                Expr::OuterReferenceColumn(..) => {
                    Err(DataFusionError::NotImplemented("a correlated subquery of this shape".into()))
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })
    .map(|_| ())
}

fn number_of(placeholder: &str) -> Option<usize> {
    placeholder.strip_prefix('$')?.parse().ok()
}

/// Masks over a row filter over the raw table, from the policy's expressions alone.
fn governed_table(
    inside: &Arc<InsidePlanner>,
    key: &str,
    governed: &GovernedDataset,
    scope: &StatementScope,
) -> Result<GovernedTable, EngineError> {
    let dataset = &governed.dataset;
    let wrong = |error: DataFusionError| EngineError::PolicyExpression {
        dataset: dataset.name.to_string(),
        problem: error.strip_backtrace(),
    };
    let state = inside.state();
    let raw = raw_table(scope, dataset)?;
    let mut raw_relations: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
    for (key, dataset) in &governed.raw_relations {
        raw_relations.insert(key.clone(), raw_table(scope, dataset)?);
    }
    let names = Names::new(state, GovernedStatement::RAW_SCHEMA, raw_relations, HashMap::new());
    let sql = SqlToRel::new_with_options(&names, ParserOptions::from(&state.config_options().sql_parser));
    let mut plan = LogicalPlanBuilder::scan(dataset.name.name(), provider_as_source(raw), None).map_err(wrong)?;
    let mut open = Openness { all_rows: true, takes_predicates: true, ..Openness::default() };
    if let Some(filter) = &governed.filter {
        let predicate = sql.sql_to_expr(filter.clone(), plan.schema(), &mut PlannerContext::new()).map_err(wrong)?;
        open.all_rows = false;
        open.takes_predicates = is_leakproof_filter(&predicate, plan.schema(), state);
        plan = plan.filter(predicate).map_err(wrong)?;
    }
    let mut output: Vec<Expr> = Vec::new();
    for column in &governed.columns {
        let raw_type = plan.schema().field_with_unqualified_name(&column.name).map_err(wrong)?.data_type().clone();
        let value = match &column.value {
            ColumnValue::Clear => {
                open.clear.insert(column.name.clone());
                ident(&column.name)
            }
            ColumnValue::Masked(mask) => {
                mask_expr(mask, ident(&column.name), &raw_type, &scope.mask_key).map_err(|error| {
                    EngineError::PolicyExpression { dataset: dataset.name.to_string(), problem: error.to_string() }
                })?
            }
            ColumnValue::Computed(expression) => {
                let value =
                    sql.sql_to_expr(expression.clone(), plan.schema(), &mut PlannerContext::new()).map_err(wrong)?;
                let value = cast(value, raw_type);
                open.takes_predicates &= is_leakproof_value(&value, plan.schema(), state);
                value
            }
        };
        output.push(value.alias(&column.name));
    }
    let plan = plan.project(output).and_then(LogicalPlanBuilder::build).map_err(wrong)?;
    Ok(GovernedTable::new(key, &dataset.name, plan, open, inside))
}

fn raw_table(scope: &StatementScope, dataset: &Dataset) -> PlanResult<Arc<dyn TableProvider>> {
    scope
        .raw
        .get(&dataset.name)
        .ok_or_else(|| DataFusionError::Plan(format!("{} can't be read by this engine", dataset.name)))
}

fn name_of(target: &GovernedTarget) -> String {
    match target {
        GovernedTarget::System(name) => name.to_string(),
        GovernedTarget::Dataset(governed) => governed.dataset.name.to_string(),
    }
}

/// A plan's text with the names that people gave relations. Scans keep predicates that were moved into them under the
/// key of their relation (`r0.id`), which becomes the relation's name too.
fn readable(plan: &str, names: &[(String, String)]) -> String {
    let scan = format!("TableScan: {}.", GovernedStatement::RELATION_SCHEMA);
    let mut text =
        plan.replace(&scan, "Governed Scan: ").replace(&format!("{}.", GovernedStatement::RELATION_SCHEMA), "");
    // From the last key to the first: r1 is a part of r10.
    for (key, name) in names.iter().rev() {
        let short = name.rsplit('.').next().unwrap_or(name);
        text = text.replace(&format!("Governed Scan: {key}"), &format!("Governed Scan: {name}"));
        text = text.replace(&format!("{key}."), &format!("{short}."));
    }
    text
}
