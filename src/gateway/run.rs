//! Running a statement, and the engine that sessions see.

use super::ready::Ready;
use super::record::{Ending, Recorded, Refusal};
use super::{Gateway, Moment};
use crate::catalog::CatalogSnapshot;
use crate::decision::Limits;
use crate::egress::{Outcome, ResultBudget, RowStream, Rows};
use crate::error::{ErrorReport, SqlState};
use crate::execute::ExecutionPermit;
use crate::execute::datafusion::{EngineError, PlannedStatement};
use crate::govern::OutputColumn;
use crate::pipeline::{GovernedOutcome, PipelineError, Question, govern_statement};
use crate::quota::{Deadline, Reservation};
use crate::session::{
    Binding, Description, Engine, Purpose, SessionEvent, StatementContext, StepError, TransactionStep, Written,
};
use crate::sql::{Command, ParseBounds, ParseError, ParsedStatement, command};
use crate::types::{BoundParameter, UserId};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use postgres_types::Type;
use sqlparser::ast::Query;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// What sessions run statements on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GatewayEngine(pub Arc<Gateway>);

#[async_trait]
impl Engine for GatewayEngine {
    fn catalog(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.0.serving().catalog)
    }

    fn read(&self, user: &UserId, text: &str) -> Result<Vec<ParsedStatement>, ParseError> {
        self.0.templates.read(user.as_str(), text, &ParseBounds::default())
    }

    async fn describe(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameter_types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        self.0.describe(context, statement, parameter_types).await
    }

    async fn run(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        match purpose {
            Purpose::Query | Purpose::Copy | Purpose::Cursor => {
                self.0.run(context, statement, binding, purpose, budget).await
            }
            // Boxed, so that plain statements do not carry their size.
            Purpose::ExplainGovernance => Box::pin(self.0.explain_governance(context, statement)).await,
            Purpose::ExplainPlan => Box::pin(self.0.explain_plan(context, statement, binding.parameters)).await,
            Purpose::ExplainAnalyze => Box::pin(self.0.explain_analyze(context, statement, binding.parameters)).await,
        }
    }

    fn may_write(&self) -> bool {
        self.0.serving().policies.grants_actions()
    }

    async fn write(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        budget: &mut ResultBudget,
    ) -> Result<Written, ErrorReport> {
        Box::pin(self.0.write(context, statement, binding, budget)).await
    }

    async fn step(
        &self,
        context: &StatementContext,
        statement: Option<&ParsedStatement>,
        step: TransactionStep,
    ) -> Result<(), StepError> {
        self.0.step(context, statement, step).await
    }

    async fn record(&self, context: &StatementContext, event: SessionEvent<'_>) -> Result<(), ErrorReport> {
        self.0.record(context, event).await
    }
}

/// The word that policies and records have for why a statement is run.
pub(super) fn kind(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Query | Purpose::Cursor => "SELECT",
        Purpose::Copy => "COPY",
        Purpose::ExplainGovernance | Purpose::ExplainPlan | Purpose::ExplainAnalyze => "EXPLAIN",
    }
}

/// The query of a statement that is one.
pub(super) fn query_of(statement: &ParsedStatement) -> Result<&Query, ErrorReport> {
    match command(statement).map_err(|refused| refused.report())? {
        Command::Query => {
            statement.query().ok_or_else(|| ErrorReport::new(SqlState::INTERNAL_ERROR, "a query has no tree"))
        }
        other => {
            Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{} can't be run as a query", other.kind())))
        }
    }
}

/// A running statement before it is handed to a session.
pub(super) struct Running {
    pub(super) planned: PlannedStatement,
    pub(super) permit: ExecutionPermit,
    pub(super) started: Instant,
}

impl Gateway {
    /// Governs a statement for a moment. A refusal is recorded.
    pub(super) async fn govern(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        purpose: Purpose,
    ) -> Result<GovernedOutcome, ErrorReport> {
        let query = query_of(statement)?;
        let question = self.question(context, moment, kind(purpose));
        match govern_statement(query, &question) {
            Ok(governed) => Ok(governed),
            Err(error) => {
                let report = error.report(&moment.decision, None);
                log_refusal(&error, moment, statement);
                self.record_refusal(context, moment, statement, &Refusal { error: &error, report: &report, purpose })
                    .await?;
                Err(report)
            }
        }
    }

    pub(super) fn question<'a>(
        &'a self,
        context: &'a StatementContext,
        moment: &'a Moment,
        kind: &'static str,
    ) -> Question<'a> {
        Question {
            decision: &moment.decision,
            catalog: &moment.serving.catalog,
            policies: &moment.serving.policies,
            system: &moment.serving.system,
            principal: &moment.principal,
            workspace: &moment.workspace,
            environment: &context.environment,
            purpose: context.purpose.as_deref(),
            // Approvals come with the durable store.
            approvals: &[],
            search_path: &context.search_path,
            now_ns: moment.now_ns(),
            kind,
        }
    }

    async fn run(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        let moment = self.now(context)?;
        let types = || binding.parameters.iter().map(|given| Some(given.pg_type.clone())).collect::<Vec<_>>();
        let ready = self.ready(context, &moment, statement, &types(), kind(purpose));
        match ready {
            Some(ready) => self.run_ready(context, &moment, statement, ready, (binding, purpose), budget).await,
            None => Box::pin(self.run_anew(context, moment, statement, binding, purpose, budget)).await,
        }
    }

    /// Governs a statement that is not ready for a source, and runs it.
    async fn run_anew(
        &self,
        context: &StatementContext,
        moment: Moment,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        let types = || binding.parameters.iter().map(|given| Some(given.pg_type.clone())).collect::<Vec<_>>();
        let governed = self.govern(context, &moment, statement, purpose).await?;
        if self.destination(context, &moment, statement, &governed).await?.is_some() {
            let ready = self.ready_to_run(context, &moment, statement, governed, &types(), purpose).await?;
            return self.run_ready(context, &moment, statement, ready, (binding, purpose), budget).await;
        }
        let limits = governed.limits.and(moment.workspace.limits.statement);
        let notices = if context.notices { notices(&governed) } else { Vec::new() };
        let result_columns = governed.statement.output().to_vec();
        let running = self.start(context, &moment, statement, governed, binding.parameters, purpose).await?;
        budget.tighten(&limits);
        let Running { planned, permit, started } = running;
        let schema = named(&planned.schema(), &result_columns);
        context.last_result.set(Arc::new(super::metadata::result_columns(&schema, &result_columns)));
        let timeout = permit.deadline().left(started.elapsed());
        let (_, receipt, reservation, _) = permit.spend();
        let ending = Ending::new(receipt, started);
        let batches = match self.engine.run(planned) {
            Ok(batches) => batches,
            Err(error) => return Err(ending.failed(error.report())),
        };
        let batches = batches.map(|batch: Result<RecordBatch, EngineError>| match batch {
            Ok(batch) => Ok(Rows::Values(batch)),
            Err(error) => Err(error.report()),
        });
        Ok(RowStream {
            schema,
            batches: Box::pin(batches),
            notices,
            timeout,
            demand: None,
            on_end: Box::new(move |outcome, rows, bytes| {
                drop(reservation);
                ending.finish(&outcome, rows, bytes);
            }),
        })
    }

    /// Runs a statement in its source, and lets its caps act.
    async fn run_ready(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        ready: Arc<Ready>,
        run: (Binding<'_>, Purpose),
        budget: &mut ResultBudget,
    ) -> Result<RowStream, ErrorReport> {
        let limits = ready.governed.limits.and(moment.workspace.limits.statement);
        // Boxed, so that statements that run here do not carry its size.
        let stream = Box::pin(self.run_forwarded(context, moment, statement, ready, run)).await?;
        budget.tighten(&limits);
        Ok(stream)
    }

    /// Reserves, records the beginning, plans and verifies.
    pub(super) async fn start(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: GovernedOutcome,
        parameters: &[BoundParameter],
        purpose: Purpose,
    ) -> Result<Running, ErrorReport> {
        let started = Instant::now();
        let reservation = self.place(context, moment, statement).await?;
        let deadline = deadline(context, moment, &governed.limits);
        let record =
            self.begun(context, moment, statement, (&governed, &Recorded::of(&governed, statement, moment)?), purpose);
        let scope = self.scope(context, moment, &governed);
        let engine = Arc::clone(&self.engine);
        let parameters = parameters.to_vec();
        let plan = async move {
            let planned = engine.plan(&governed.statement, &scope, &parameters).await?;
            Ok((planned, governed.statement))
        };
        // Planning runs nothing, so it need not wait until the beginning is on disk.
        let (receipt, planned) =
            tokio::join!(self.audit.begin(record), self.on_engine(reservation, &deadline, started, plan));
        let ending = Ending::new(receipt.map_err(|error| error.report())?, started);
        match planned {
            Ok(((planned, statement), reservation)) => {
                let permit = ExecutionPermit::new(statement, ending.into_receipt(), reservation, deadline);
                Ok(Running { planned, permit, started })
            }
            Err(report) => Err(ending.failed(report)),
        }
    }

    /// A place among the workspace's statements. That there is none is recorded.
    pub(super) async fn place(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
    ) -> Result<Reservation, ErrorReport> {
        match self.quota.reserve(&moment.workspace, &moment.principal.user().id) {
            Ok(reservation) => Ok(reservation),
            Err(error) => {
                let report = error.report();
                self.record_failure(context, moment, statement, &report).await?;
                Err(report)
            }
        }
    }

    /// Works for a statement on the engine's threads, such as planning, for as long as its time lasts.
    ///
    /// Planning never yields: one that is cancelled or late is left alone, and its client gets its answer at once. It
    /// goes on all the same until it is through. INVARIANT: so long it keeps its place, or a client could have more of
    /// them at one time than the workspace may run.
    pub(super) async fn on_engine<T: Send + 'static>(
        &self,
        reservation: Reservation,
        deadline: &Deadline,
        started: Instant,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<(T, Reservation), ErrorReport> {
        let holding = self.engine.on_threads(async move { Ok((work.await?, reservation)) });
        within(deadline, started, async { holding.await.map_err(|error| error.report()) }).await
    }
}

/// The bound on a statement's time.
pub(super) fn deadline(context: &StatementContext, moment: &Moment, limits: &Limits) -> Deadline {
    Deadline::smallest(limits.timeout, moment.workspace.limits.statement.timeout, context.statement_timeout)
}

/// Waits for as long as is left of a statement's time.
///
/// # Errors
/// 57014 when it is over, and whatever the work ends in.
pub(super) async fn within<T>(
    deadline: &Deadline,
    started: Instant,
    work: impl Future<Output = Result<T, ErrorReport>>,
) -> Result<T, ErrorReport> {
    match deadline.left(started.elapsed()) {
        Some(left) => tokio::time::timeout(left, work).await.unwrap_or_else(|_| Err(deadline.report())),
        None => work.await,
    }
}

impl Ending {
    /// Ends a statement with an error that the client is told.
    pub(super) fn failed(self, report: ErrorReport) -> ErrorReport {
        self.finish(&Outcome::Failed(report.clone()), 0, 0);
        report
    }
}

pub(super) fn log_refusal(error: &PipelineError, moment: &Moment, statement: &ParsedStatement) {
    match error {
        PipelineError::Verify(problem) => {
            tracing::error!(decision = %moment.decision, statement = %statement.sanitized(), %problem, "a governed statement was not proved");
        }
        PipelineError::Govern(problem) => {
            tracing::warn!(decision = %moment.decision, ?problem, "a statement could not be governed");
        }
        PipelineError::Denied(denial) if denial.reason.unavailable => {
            tracing::error!(decision = %moment.decision, reasons = ?denial.reason.reasons, "a policy gave no decision");
        }
        PipelineError::Denied(_) | PipelineError::Resolve(_) => {}
    }
}

/// What was applied, for a session that asked to be told.
pub(super) fn notices(governed: &GovernedOutcome) -> Vec<ErrorReport> {
    let mut notices = Vec::new();
    for (dataset, decided) in &governed.decisions {
        let used = governed.columns.get(dataset);
        let masked: Vec<String> = decided
            .column_masks
            .iter()
            .filter(|(column, _)| used.is_some_and(|used| used.contains(*column)))
            .map(|(column, mask)| format!("{column} by {}", mask.mask.name()))
            .collect();
        if !masked.is_empty() {
            notices.push(ErrorReport::notice(format!("{dataset}: masked {}", masked.join(", "))));
        }
        if !decided.row_filters.is_empty() {
            let policies: Vec<String> = decided.row_filters.iter().map(|filter| filter.policy.label()).collect();
            notices.push(ErrorReport::notice(format!("{dataset}: rows filtered by {}", policies.join(", "))));
        }
    }
    notices
}

/// Columns of the engine under the names that the statement gives them: the engine's own are unique, a client's need not be.
pub(super) fn named(schema: &Schema, output: &[OutputColumn]) -> SchemaRef {
    let fields = schema.fields().iter().zip(output);
    let fields: Vec<Field> = fields.map(|(field, named)| field.as_ref().clone().with_name(&named.name)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
