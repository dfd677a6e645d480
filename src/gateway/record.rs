//! What the audit log is told of a statement.

use super::{Gateway, Moment};
use crate::audit::{
    Action, AuditEnd, AuditError, AuditReceipt, AuditRecord, AuditResult, ColumnRecord, Decided, Effect,
    RowFilterRecord, Used,
};
use crate::decision::Mask;
use crate::egress::Outcome;
use crate::error::{ErrorReport, SqlState};
use crate::govern::GovernError;
use crate::pipeline::{GovernedOutcome, PipelineError};
use crate::session::{Purpose, SessionEvent, StatementContext};
use crate::sql::{ParsedStatement, redact_unparsed};
use crate::types::DatasetName;
use std::time::Instant;

/// A statement that has begun, and the duty to say how it ended.
pub(super) struct Ending {
    receipt: AuditReceipt,
    started: Instant,
}

impl Ending {
    pub(super) fn new(receipt: AuditReceipt, started: Instant) -> Self {
        Self { receipt, started }
    }

    pub(super) fn into_receipt(self) -> AuditReceipt {
        self.receipt
    }

    pub(super) fn finish(self, outcome: &Outcome, rows: u64, bytes: u64) {
        let (result, sqlstate) = result_of(outcome);
        self.receipt.finish(AuditEnd { result, rows, bytes, duration: self.started.elapsed(), sqlstate });
    }
}

/// What each record of a governed statement says of it, of data and of policies: worked out once, however often it is run.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    used: Used,
    /// Whether the statement's text is in that.
    has_text: bool,
    decided: Decided,
}

impl Recorded {
    /// Of a statement, or of any other of its template.
    ///
    /// # Errors
    /// 58000: a statement that can't be recorded does not run.
    pub(super) fn of(
        governed: &GovernedOutcome,
        statement: &ParsedStatement,
        moment: &Moment,
    ) -> Result<Self, ErrorReport> {
        let mut columns = Vec::new();
        let mut filters = Vec::new();
        let mut policies: Vec<String> = Vec::new();
        for (dataset, decided) in &governed.decisions {
            for column in governed.columns.get(dataset).into_iter().flatten() {
                let mask = decided.column_masks.get(column).map(|mask| Mask::name(&mask.mask));
                columns.push(ColumnRecord::new(dataset, column, mask));
            }
            filters.extend(decided.row_filters.iter().map(|filter| RowFilterRecord::new(dataset, filter)));
            policies.extend(decided.policies.iter().map(crate::decision::PolicyRef::label));
        }
        policies.sort();
        policies.dedup();
        let text = (statement.sanitized(), statement.fingerprint());
        let recorded = || -> Result<Self, AuditError> {
            let (used, has_text) = Used::with_statement(text, governed.decisions.keys(), columns, filters)?;
            let decided = Decided::new(Effect::Allow, &policies, &moment.serving.policies.revision())?;
            Ok(Self { used, has_text, decided })
        };
        recorded().map_err(|error| error.report())
    }
}

fn decided(moment: &Moment, effect: Effect, policies: &[String]) -> Result<Decided, ErrorReport> {
    Decided::new(effect, policies, &moment.serving.policies.revision()).map_err(|error| error.report())
}

/// The one dataset that a refusal is about.
fn named(dataset: &DatasetName) -> Result<Used, ErrorReport> {
    Used::new([dataset], Vec::new(), Vec::new()).map_err(|error| error.report())
}

/// A statement that is not run, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// What is wrong with it.
    pub(super) error: &'a PipelineError,
    /// What a client that runs it is told.
    pub(super) report: &'a ErrorReport,
    /// Why it was sent.
    pub(super) purpose: Purpose,
}

/// Says of a record that its statement was to be explained.
fn explaining(record: AuditRecord, purpose: Purpose) -> AuditRecord {
    match purpose {
        Purpose::ExplainGovernance | Purpose::ExplainPlan | Purpose::ExplainAnalyze => {
            record.parameter("explain", true)
        }
        Purpose::Query | Purpose::Copy | Purpose::Cursor => record,
    }
}

fn result_of(outcome: &Outcome) -> (AuditResult, Option<SqlState>) {
    match outcome {
        Outcome::Success => (AuditResult::Success, None),
        Outcome::Failed(report) if report.sqlstate == SqlState::INSUFFICIENT_PRIVILEGE => {
            (AuditResult::Denied, Some(report.sqlstate))
        }
        Outcome::Failed(report) => (AuditResult::Failure, Some(report.sqlstate)),
    }
}

impl Gateway {
    /// Who, where, from where: what every record of a session says.
    pub(super) fn about(&self, context: &StatementContext, action: Action) -> AuditRecord {
        AuditRecord::new(&AuditRecord::event_id(), action)
            .who(&context.who)
            .parameter("application", context.environment.application_name.as_str())
    }

    /// The record that is in the log before a statement's first row leaves.
    pub(super) fn begun(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        (governed, recorded): (&GovernedOutcome, &Recorded),
        purpose: Purpose,
    ) -> AuditRecord {
        let action = match purpose {
            Purpose::Copy => Action::DataExport,
            _ if governed.decisions.is_empty() && governed.reads_metadata => Action::SchemaBrowse,
            Purpose::Query
            | Purpose::Cursor
            | Purpose::ExplainGovernance
            | Purpose::ExplainPlan
            | Purpose::ExplainAnalyze => Action::QueryExecute,
        };
        let record = self.about(context, action).used(&recorded.used).decision(&moment.decision, &recorded.decided);
        let record =
            if recorded.has_text { record } else { record.statement(statement.sanitized(), statement.fingerprint()) };
        let record = match &governed.writes {
            Some(dataset) => record.parameter("action", "WRITE").parameter("writes", dataset.to_string().as_str()),
            None => record,
        };
        explaining(record, purpose)
    }

    /// Records a statement that is not run because it is not allowed or not understood. One that is only explained is
    /// recorded alike: whoever asks what is denied is as visible as who tries it.
    pub(super) async fn record_refusal(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        refusal: &Refusal<'_>,
    ) -> Result<(), ErrorReport> {
        let Refusal { error, report, purpose } = *refusal;
        let denied = error.is_denial();
        let action = if denied { Action::PolicyViolation } else { Action::QueryExecute };
        let mut record = self
            .about(context, action)
            .statement(statement.sanitized(), statement.fingerprint())
            .parameter("sqlstate", report.sqlstate.0)
            .result(if denied { AuditResult::Denied } else { AuditResult::Failure });
        match error {
            PipelineError::Denied(denial) => {
                let effect = if denial.needs_approval { Effect::RequireApproval } else { Effect::Deny };
                let policies: Vec<_> = denial.reason.policies.iter().map(crate::decision::PolicyRef::label).collect();
                let decided = decided(moment, effect, &policies)?;
                record = record.used(&named(&denial.reason.dataset)?).decision(&moment.decision, &decided);
            }
            PipelineError::Govern(
                GovernError::GroupSize { dataset, .. } | GovernError::NotWritable { dataset, .. },
            ) => {
                let decided = decided(moment, Effect::Deny, &[])?;
                record = record.used(&named(dataset)?).decision(&moment.decision, &decided);
            }
            PipelineError::Resolve(_) | PipelineError::Govern(_) | PipelineError::Verify(_) => {}
        }
        self.audit.event(explaining(record, purpose)).await.map_err(|error| error.report())
    }

    /// Records a statement that is not run for another reason, such as a used-up quota.
    pub(super) async fn record_failure(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        report: &ErrorReport,
    ) -> Result<(), ErrorReport> {
        let record = self
            .about(context, Action::QueryExecute)
            .statement(statement.sanitized(), statement.fingerprint())
            .decision(&moment.decision, &decided(moment, Effect::Allow, &[])?)
            .parameter("sqlstate", report.sqlstate.0)
            .result(AuditResult::Failure);
        self.audit.event(record).await.map_err(|error| error.report())
    }

    /// Records what a session did itself.
    pub(super) async fn record(&self, context: &StatementContext, event: SessionEvent<'_>) -> Result<(), ErrorReport> {
        let record = match event {
            SessionEvent::Statement { statement, outcome } => {
                let (result, sqlstate) = result_of(&outcome);
                let record = self
                    .about(context, Action::QueryExecute)
                    .statement(statement.sanitized(), statement.fingerprint())
                    .result(result);
                match sqlstate {
                    Some(sqlstate) => record.parameter("sqlstate", sqlstate.0),
                    None => record,
                }
            }
            SessionEvent::Unparsed { text, error } => self
                .about(context, Action::QueryExecute)
                .statement(&redact_unparsed(text), 0)
                .parameter("sqlstate", error.sqlstate.0)
                .result(AuditResult::Failure),
            SessionEvent::Cancelled => self.about(context, Action::QueryCancel).result(AuditResult::Success),
        };
        self.audit.event(record).await.map_err(|error| error.report())
    }
}
