//! EXPLAIN, in all its forms: what was decided, and how it would run.

use super::Gateway;
use super::forward::{forwarded_lines, session_answers};
use super::record::{Ending, Recorded, Refusal};
use super::run::{Running, kind, log_refusal, within};
use crate::audit::AuditResult;
use crate::catalog::Workspace;
use crate::decision::MaskOrigin;
use crate::egress::{Outcome, RowStream, Rows};
use crate::error::ErrorReport;
use crate::execute::datafusion::PlannedStatement;
use crate::pipeline::{GovernedOutcome, PipelineError, govern_statement};
use crate::quota::{Deadline, Reservation};
use crate::session::{Purpose, StatementContext};
use crate::sql::ParsedStatement;
use crate::types::{BoundParameter, DecisionId};
use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Instant;

impl Gateway {
    /// The decision, filters, masks, lineage and limits of a statement. A denial is shown, not raised; the record says
    /// that it is one.
    pub(super) async fn explain_governance(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
    ) -> Result<RowStream, ErrorReport> {
        let purpose = Purpose::ExplainGovernance;
        let moment = self.now(context)?;
        let query = super::run::query_of(statement)?;
        let error = match govern_statement(query, &self.question(context, &moment, kind(purpose))) {
            Ok(governed) => {
                let record = self
                    .begun(
                        context,
                        &moment,
                        statement,
                        (&governed, &Recorded::of(&governed, statement, &moment)?),
                        purpose,
                    )
                    .result(AuditResult::Success);
                self.audit.event(record).await.map_err(|error| error.report())?;
                let mut lines = governance(&governed, &moment.decision, &moment.workspace);
                let user = moment.principal.user();
                let session = session_answers(user.id.as_str(), moment.workspace.name.as_str());
                lines.extend(forwarded_lines(&governed, statement, &session, &moment.serving.upstreams));
                return rows("QUERY PLAN", lines);
            }
            Err(error) => error,
        };
        let report = error.report(&moment.decision, None);
        log_refusal(&error, &moment, statement);
        self.record_refusal(context, &moment, statement, &Refusal { error: &error, report: &report, purpose }).await?;
        if shows_as_denial(&error) { rows("QUERY PLAN", denial(&error, &moment.decision)) } else { Err(report) }
    }

    /// The plan: governed relations are its leaves. Planning is metered and bounded as running is.
    pub(super) async fn explain_plan(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameters: &[BoundParameter],
    ) -> Result<RowStream, ErrorReport> {
        let moment = self.now(context)?;
        let governed = self.govern(context, &moment, statement, Purpose::ExplainPlan).await?;
        self.only_here(context, &moment, statement, &governed).await?;
        let running = self.start(context, &moment, statement, governed, parameters, Purpose::ExplainPlan).await?;
        let Shown { lines, ending, .. } = self.shown(running).await?;
        ending.finish(&Outcome::Success, 0, 0);
        rows("QUERY PLAN", lines)
    }

    /// Runs a statement to its end, shows its plan, its row count and its time, and none of its rows.
    pub(super) async fn explain_analyze(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        parameters: &[BoundParameter],
    ) -> Result<RowStream, ErrorReport> {
        let moment = self.now(context)?;
        let governed = self.govern(context, &moment, statement, Purpose::ExplainAnalyze).await?;
        self.only_here(context, &moment, statement, &governed).await?;
        let running = self.start(context, &moment, statement, governed, parameters, Purpose::ExplainAnalyze).await?;
        let Shown { planned, mut lines, ending, reservation, deadline, started } = self.shown(running).await?;
        let counted = async {
            let mut batches = Box::pin(self.engine.run(planned).map_err(|error| error.report())?);
            let mut count = 0_u64;
            while let Some(batch) = batches.next().await {
                count = count.saturating_add(batch.map_err(|error| error.report())?.num_rows() as u64);
            }
            Ok(count)
        };
        let counted = within(&deadline, started, counted).await;
        drop(reservation);
        match counted {
            Ok(count) => {
                lines.push(format!("Rows: {count}"));
                lines.push(format!("Execution Time: {:.3} ms", started.elapsed().as_secs_f64() * 1e3));
                ending.finish(&Outcome::Success, 0, 0);
                rows("QUERY PLAN", lines)
            }
            Err(report) => Err(ending.failed(report)),
        }
    }

    /// The text of a plan. It can be long, so it is made where plans are made.
    async fn shown(&self, running: Running) -> Result<Shown, ErrorReport> {
        let Running { planned, permit, started } = running;
        let (_, receipt, reservation, deadline) = permit.spend();
        let ending = Ending::new(receipt, started);
        let show = async move {
            let lines: Vec<String> = planned.explain().lines().map(str::to_owned).collect();
            Ok((planned, lines))
        };
        match self.on_engine(reservation, &deadline, started, show).await {
            Ok(((planned, lines), reservation)) => Ok(Shown { planned, lines, ending, reservation, deadline, started }),
            Err(report) => Err(ending.failed(report)),
        }
    }
}

/// A plan and its text, and what is held for the statement until it ends.
struct Shown {
    planned: PlannedStatement,
    lines: Vec<String>,
    ending: Ending,
    reservation: Reservation,
    deadline: Deadline,
    started: Instant,
}

/// A decision to allow, line by line.
pub(super) fn governance(governed: &GovernedOutcome, decision: &DecisionId, workspace: &Workspace) -> Vec<String> {
    let mut lines = vec![format!("Decision: ALLOW ({decision})")];
    for (dataset, decided) in &governed.decisions {
        lines.push(format!("Dataset: {dataset}"));
        let policies: Vec<String> = decided.policies.iter().map(crate::decision::PolicyRef::label).collect();
        if !policies.is_empty() {
            lines.push(format!("  Policies: {}", policies.join(", ")));
        }
        for filter in &decided.row_filters {
            lines.push(format!("  Row filter: {}  [{}]", filter.expression, filter.policy.label()));
        }
        if decided.row_filters.is_empty() && decided.filter_required {
            lines.push("  Row filter: none was given and one is required, so there are no rows".to_owned());
        }
        let used = governed.columns.get(dataset);
        for (column, mask) in &decided.column_masks {
            if used.is_some_and(|used| used.contains(column)) {
                let origin = match &mask.origin {
                    MaskOrigin::Tag(tag) => format!("tag {tag}"),
                    MaskOrigin::Policy(policy) => policy.label(),
                };
                lines.push(format!("  Mask: {column} by {}  [{origin}]", mask.mask));
            }
        }
    }
    lines.push("Output:".to_owned());
    for column in governed.statement.output() {
        let sources: Vec<String> = column.sources.iter().map(|(dataset, name)| format!("{dataset}.{name}")).collect();
        let from = if sources.is_empty() { "no column".to_owned() } else { sources.join(", ") };
        let tags: Vec<String> = column.tags.iter().map(|tag| tag.to_string()).collect();
        let tags = if tags.is_empty() { String::new() } else { format!(" {{{}}}", tags.join(", ")) };
        lines.push(format!("  {} {}{tags} from {from}", column.name, column.classification));
    }
    let limits = governed.limits.and(workspace.limits.statement);
    let mut bounds = Vec::new();
    bounds.extend(limits.max_rows.map(|rows| format!("{rows} rows")));
    bounds.extend(limits.max_bytes.map(|bytes| format!("{bytes} bytes")));
    bounds.extend(limits.timeout.map(|time| format!("{} s", time.as_secs_f64())));
    bounds.extend(limits.min_group_size.map(|size| format!("groups of at least {size}")));
    if !bounds.is_empty() {
        lines.push(format!("Limits: {}", bounds.join(", ")));
    }
    lines.push("Governed statement:".to_owned());
    match governed.statement.governed_sql() {
        Ok(sql) => lines.extend(sql.lines().map(|line| format!("  {line}"))),
        Err(_) => lines.push("  (can't be shown)".to_owned()),
    }
    lines
}

/// Whether an explained statement shows this instead of failing with it: what policies say is what was asked for.
pub(super) fn shows_as_denial(error: &PipelineError) -> bool {
    error.is_denial() || matches!(error, PipelineError::Denied(_))
}

/// A decision to deny, line by line.
pub(super) fn denial(error: &PipelineError, decision: &DecisionId) -> Vec<String> {
    let report = error.report(decision, None);
    let mut lines =
        vec![format!("Decision: DENY ({decision})"), format!("Error: {} {}", report.sqlstate, report.message)];
    lines.extend(report.detail.map(|detail| format!("Detail: {detail}")));
    lines.extend(report.hint.map(|hint| format!("Hint: {hint}")));
    lines
}

/// A result of one text column.
fn rows(name: &str, lines: Vec<String>) -> Result<RowStream, ErrorReport> {
    let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringArray::from(lines))])
        .map_err(|_| ErrorReport::new(crate::error::SqlState::INTERNAL_ERROR, "the plan can't be shown"))?;
    Ok(RowStream {
        schema,
        batches: Box::pin(futures::stream::iter([Ok(Rows::Values(batch))])),
        notices: Vec::new(),
        timeout: None,
        demand: None,
        on_end: Box::new(|_, _, _| {}),
    })
}
