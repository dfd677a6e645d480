//! Statements that write to an upstream: decided, recorded, and committed or undone with their transaction.
//!
//! INVARIANT: an upstream is written to in a transaction that was begun for it, and in no other way: its sessions are
//! read-only. What is not part of a client's transaction is committed here, before the client is told that it is done.

use super::record::{Ending, Refusal};
use super::run::{deadline, log_refusal, notices};
use super::{Gateway, Moment};
use crate::egress::{EncodedRows, Format, Outcome, ResultBudget, RowStream, Rows};
use crate::error::{ErrorReport, SqlState};
use crate::execute::ExecutionPermit;
use crate::execute::upstream::{self, Asked, Demand, ForwardingError, Holdings, Pages, RowKind};
use crate::pipeline::{GovernedOutcome, govern_write};
use crate::session::{Binding, Purpose, StatementContext, Written};
use crate::sql::{Command, ParsedStatement, Write, command};
use futures::Stream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The write of a statement that is one.
pub(super) fn write_of(statement: &ParsedStatement) -> Result<Option<&Write>, ErrorReport> {
    match command(statement).map_err(|refused| refused.report())? {
        Command::Write(write) => Ok(Some(write)),
        _other => Ok(None),
    }
}

/// A transaction that is one statement's own.
#[derive(Clone)]
struct OwnTransaction {
    holdings: Holdings,
    until: Option<tokio::time::Instant>,
}

impl OwnTransaction {
    async fn commit(&self) -> Result<(), ErrorReport> {
        let transaction = self.holdings.take();
        let until = self.until;
        // Carried through by a task of its own: nobody can stop it halfway by not waiting.
        let ended = tokio::spawn(async move { transaction.commit(until).await });
        match ended.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(failed.error.report(&failed.source_name)),
            Err(_) => Err(ErrorReport::new(SqlState::INTERNAL_ERROR, "a statement could not be ended")),
        }
    }

    async fn roll_back(&self) {
        self.holdings.take().roll_back().await;
    }
}

impl Gateway {
    /// Governs a statement that writes. A refusal is recorded.
    async fn govern_written(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        write: &Write,
    ) -> Result<GovernedOutcome, ErrorReport> {
        let question = self.question(context, moment, write.kind.word());
        match govern_write(write, &question) {
            Ok(governed) => Ok(governed),
            Err(error) => {
                let report = error.report(&moment.decision, None);
                log_refusal(&error, moment, statement);
                let refusal = Refusal { error: &error, report: &report, purpose: Purpose::Query };
                self.record_refusal(context, moment, statement, &refusal).await?;
                Err(report)
            }
        }
    }

    /// Decides, records, writes.
    pub(super) async fn write(
        &self,
        context: &StatementContext,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        budget: &mut ResultBudget,
    ) -> Result<Written, ErrorReport> {
        let started = Instant::now();
        let Some(write) = write_of(statement)? else {
            return Err(ErrorReport::new(SqlState::INTERNAL_ERROR, "a statement that does not write"));
        };
        let moment = self.now(context)?;
        if !moment.serving.policies.grants_actions() {
            let report = write.kind.refused();
            self.record_failure(context, &moment, statement, &report).await?;
            return Err(report);
        }
        let governed = self.govern_written(context, &moment, statement, write).await?;
        let limits = governed.limits.and(moment.workspace.limits.statement);
        let Some(source) = self.destination(context, &moment, statement, &governed).await? else {
            let report = write.kind.refused();
            self.record_failure(context, &moment, statement, &report).await?;
            return Err(report);
        };
        let types: Vec<_> = binding.parameters.iter().map(|given| Some(given.pg_type.clone())).collect();
        let purpose = Purpose::Query;
        let ready = self.ready_to_run(context, &moment, statement, governed, &types, purpose).await?;
        let governed = &ready.governed;
        let notices = if context.notices { notices(governed) } else { Vec::new() };
        let reservation = self.place(context, &moment, statement).await?;
        let deadline = deadline(context, &moment, &governed.limits);
        let record = self.begun(context, &moment, statement, (governed, ready.recorded(statement, &moment)?), purpose);
        let receipt = self.audit.begin(record).await.map_err(|error| error.report())?;
        let prepared = self.forwarding_to_write(context, &moment, &ready.sendable).and_then(|forwarding| {
            let formats = binding.result_formats.iter().map(|code| Format::from_code(*code));
            Ok((forwarding, formats.collect::<Result<Vec<_>, _>>()?))
        });
        let (forwarding, formats) = match prepared {
            Ok(prepared) => prepared,
            Err(report) => return Err(Ending::new(receipt, started).failed(report)),
        };
        let asked: Vec<upstream::Format> =
            formats.iter().map(|format| super::forward::upstream_format(*format)).collect();
        let left = deadline.left(started.elapsed()).unwrap_or(Duration::from_secs(3600));
        let alone = context.transaction.is_none() && !binding.in_portal;
        let own = alone.then(|| OwnTransaction {
            holdings: context.holdings.clone(),
            until: tokio::time::Instant::now().checked_add(left),
        });
        let permit = ExecutionPermit::new(Arc::clone(&governed.statement), receipt, reservation, deadline);
        let bound = *permit.deadline();
        let demand = Demand::default();
        let rows_asked = match (write.returning, binding.page) {
            (true, Some(page)) => Asked::Page(page),
            (true, None) | (false, _) => Asked::All,
        };
        let rows_asked = (rows_asked, demand.clone());
        let (running, receipt, reservation) =
            forwarding.run(permit, &ready.sendable, started.elapsed(), binding.parameters, &asked, rows_asked).await;
        let ending = Ending::new(receipt, started);
        let table = governed.writes.as_ref().map(|name| name.name().to_owned()).unwrap_or_default();
        let told = Told { source, table };
        let mut running = match running {
            Ok(running) => running,
            Err(error) => {
                if let Some(own) = &own {
                    own.roll_back().await;
                }
                let report = match &error {
                    ForwardingError::Late => bound.report(),
                    other => told.report(other),
                };
                return Err(ending.failed(report));
            }
        };
        if !write.returning {
            let counted = async {
                while running.pages.next().await.map_err(|error| told.report(&error.into()))?.is_some() {}
                Ok(running.pages.tag().and_then(upstream::CommandTag::rows).unwrap_or(0))
            };
            let counted = super::run::within(&bound, started, counted).await;
            drop(running);
            let done = match (counted, &own) {
                (Ok(rows), Some(own)) => own.commit().await.map(|()| rows),
                (Err(report), Some(own)) => {
                    own.roll_back().await;
                    Err(report)
                }
                (counted, None) => counted,
            };
            return match done {
                Ok(rows) => {
                    drop(reservation);
                    ending.finish(&Outcome::Success, rows, 0);
                    Ok(Written::Count { rows, notices })
                }
                Err(report) => Err(ending.failed(report)),
            };
        }
        let result = super::forward::told(&ready, &running.columns);
        let schema = Arc::clone(&result.schema);
        let formats: Arc<[Format]> = match Format::spread(binding.result_formats, schema.fields().len()) {
            Ok(formats) => formats.into(),
            Err(report) => return Err(ending.failed(report)),
        };
        budget.tighten(&limits);
        context.last_result.set(Arc::clone(&result.result));
        Ok(Written::Rows(Box::new(RowStream {
            schema,
            batches: Box::pin(rows(running.pages, told, formats, own)),
            notices,
            timeout: bound.left(started.elapsed()),
            demand: Some(Box::new(move |rows| demand.want(rows))),
            on_end: Box::new(move |outcome, rows, bytes| {
                drop(reservation);
                ending.finish(&outcome, rows, bytes);
            }),
        })))
    }

    /// Parameters and result columns of a statement that writes.
    pub(super) async fn describe_write(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        (write, types): (&Write, &[Option<postgres_types::Type>]),
    ) -> Result<crate::session::Description, ErrorReport> {
        if !moment.serving.policies.grants_actions() {
            return Err(write.kind.refused());
        }
        let question = self.question(context, moment, write.kind.word());
        let governed = govern_write(write, &question).map_err(|error| error.report(&moment.decision, None))?;
        let source = crate::govern::forward::upstream_of(&governed.statement).map_err(|error| error.report())?;
        if source.is_none() {
            return Err(write.kind.refused());
        }
        let described = self.describe_forwarded(context, moment, statement, governed, types).await?;
        let schema = described.schema.filter(|_| write.returning);
        Ok(crate::session::Description { schema, ..described })
    }
}

/// What errors of a statement speak of.
struct Told {
    source: String,
    table: String,
}

impl Told {
    fn report(&self, error: &ForwardingError) -> ErrorReport {
        match error {
            ForwardingError::Upstream(error) if error.is_of_row_filter() => {
                let what = format!("new row violates the row filter of table \"{}\"", self.table);
                ErrorReport::new(SqlState::INSUFFICIENT_PRIVILEGE, what)
                    .with_detail("You would not see the row that you write. Nothing was written.")
            }
            other => super::forward::report(other, &self.source),
        }
    }
}

/// The rows of RETURNING; the last of them only when they have been committed, if that is done here.
fn rows(
    pages: Pages,
    told: Told,
    formats: Arc<[Format]>,
    own: Option<OwnTransaction>,
) -> impl Stream<Item = Result<Rows, ErrorReport>> + Send {
    futures::stream::try_unfold((pages, told, formats, own), |(mut pages, told, formats, own)| async move {
        match pages.next().await {
            Ok(Some(batch)) if batch.kind() == RowKind::Data => {
                let count = batch.rows();
                let rows = EncodedRows::new(batch.into_bytes(), count, &formats);
                Ok(Some((Rows::Encoded(rows), (pages, told, formats, own))))
            }
            Ok(None) => {
                drop(pages);
                if let Some(own) = &own {
                    own.commit().await?;
                }
                Ok(None)
            }
            Ok(Some(_)) => Err(told.report(&ForwardingError::Columns)),
            Err(error) => {
                drop(pages);
                if let Some(own) = &own {
                    own.roll_back().await;
                }
                Err(told.report(&error.into()))
            }
        }
    })
}
