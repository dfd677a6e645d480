//! Running statements: what goes to the engine, and how its rows become a reply.
//!
//! INVARIANT: a stream that the engine gave is either in a reply, in a portal, or finished.

use super::argument;
use super::command::ends_failure;
use super::engine::{Binding, Purpose};
use super::portal::PortalState;
use super::prepared::Prepared;
use super::reply::{CopyReply, Owner, Reply, ReplyTicket, RowsReply, RowsTag};
use super::settings::Shown;
use super::state::Session;
use super::transaction::{Event, failed_transaction};
use crate::egress::{
    CopyCsv, CopyFormat, CopyText, ForceQuote, Format, Outcome, ResultBudget, ResultRows, RowStream, Rows,
    pg_type_of_field,
};
use crate::error::{ErrorReport, SqlState};
use crate::sql::{
    self, Command, CopyOptions, CopyOut, Execute, Explain, ExplainFormat, ParsedStatement, Prepare, Target,
};
use crate::types::BoundParameter;
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use postgres_types::Type;
use std::sync::{Arc, Mutex, PoisonError};

/// How a statement is run: by a simple query, or by a portal.
#[derive(Debug)]
pub(super) struct Execution {
    /// The values of `$1`, `$2` …
    pub(super) parameters: Vec<BoundParameter>,
    /// Format codes of the result.
    pub(super) result_formats: Vec<i16>,
    /// How many rows may go out in this reply; `None` is all.
    pub(super) max_rows: Option<u64>,
    /// Length of the text that it comes from: what a statement that is kept counts for.
    pub(super) text_bytes: usize,
    /// What its rows are counted against.
    pub(super) budget: Arc<Mutex<ResultBudget>>,
    /// The portal that it runs in; `None`: a simple query, whose rows are described as they come.
    pub(super) portal: Option<String>,
    /// The columns that its client reckons with.
    pub(super) expected: Option<SchemaRef>,
}

impl Execution {
    /// Of a simple query.
    pub(super) fn simple(budget: &Arc<Mutex<ResultBudget>>, text_bytes: usize) -> Self {
        Self {
            text_bytes,
            parameters: Vec::new(),
            result_formats: Vec::new(),
            max_rows: None,
            budget: Arc::clone(budget),
            portal: None,
            expected: None,
        }
    }

    /// What its statement is run with.
    pub(super) fn binding(&self) -> Binding<'_> {
        let page = self.max_rows.filter(|_| self.portal.is_some());
        Binding {
            parameters: &self.parameters,
            result_formats: &self.result_formats,
            page,
            holds: false,
            in_portal: self.portal.is_some(),
        }
    }
}

impl Session {
    /// Does what a statement asks for.
    ///
    /// # Errors
    /// Whatever it is refused with, recorded.
    pub(super) async fn perform(
        &mut self,
        statement: &ParsedStatement,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let command = match sql::command(statement) {
            Ok(command) if self.transaction.has_failed() && !ends_failure(&command) => Err(failed_transaction()),
            Ok(command) => Ok(command),
            Err(_) if self.transaction.has_failed() => Err(failed_transaction()),
            Err(refused) => Err(refused.report()),
        };
        let command = match command {
            Ok(command) => command,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        match &command {
            Command::Query => self.query(statement, execution, Purpose::Query, RowsTag::Select).await,
            Command::Write(write) => self.write(statement, write.kind, execution).await,
            Command::CopyOut(copy) => self.copy(statement, copy, execution).await,
            Command::Explain(explain) => self.explain(statement, explain, execution).await,
            Command::Declare(declare) => self.declare(statement, declare, execution).await,
            Command::Fetch(fetch) => self.fetch(statement, fetch, execution).await,
            Command::Move(fetch) => self.move_cursor(statement, fetch).await,
            Command::Prepare(prepare) => self.prepare(statement, prepare, execution.text_bytes).await,
            Command::Execute(execute) => self.execute_prepared(statement, execute, execution).await,
            Command::Show(target) => self.show(statement, target, execution).await,
            Command::Set(_)
            | Command::SetTransaction(_)
            | Command::SetSessionCharacteristics(_)
            | Command::Reset(_)
            | Command::Begin(_)
            | Command::StartTransaction(_)
            | Command::Commit { .. }
            | Command::Rollback { .. }
            | Command::RollbackTo(_)
            | Command::Savepoint(_)
            | Command::Release(_)
            | Command::CloseCursor(_)
            | Command::Deallocate(_)
            | Command::Discard(_)
            | Command::Unlisten => self.answer(statement, &command).await.map(|tag| Reply::Command { tag }),
        }
    }

    /// Has the engine start a statement, and takes over its caps and its notices.
    ///
    /// # Errors
    /// What the engine refuses it with; it has been recorded there.
    pub(super) async fn start_query(
        &mut self,
        statement: &ParsedStatement,
        binding: Binding<'_>,
        purpose: Purpose,
        budget: &Arc<Mutex<ResultBudget>>,
    ) -> Result<RowStream, ErrorReport> {
        if statement.parameters() > binding.parameters.len() {
            let missing = binding.parameters.len().saturating_add(1);
            let error = ErrorReport::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${missing}"));
            return Err(self.refuse(statement, error).await);
        }
        self.transaction = self.transaction.step(Event::Query)?.next;
        let context = self.context();
        // The lock is not held while the engine works: nothing else of this session counts meanwhile.
        let mut counted = budget.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let engine = Arc::clone(&self.engine);
        let mut stream = engine.run(&context, statement, binding, purpose, &mut counted).await?;
        *budget.lock().unwrap_or_else(PoisonError::into_inner) = counted;
        for notice in std::mem::take(&mut stream.notices) {
            self.notice(notice);
        }
        Ok(stream)
    }

    /// Rows in their wire form.
    ///
    /// # Errors
    /// 0A000 or 54011 if they have none; the stream is then finished.
    pub(super) fn result_rows(
        &self,
        stream: RowStream,
        formats: Vec<Format>,
        budget: Arc<Mutex<ResultBudget>>,
    ) -> Result<ResultRows, ErrorReport> {
        match self.settings.encode_options() {
            Ok(options) => {
                let rows = ResultRows::new(stream, formats, options, budget);
                match rows.fields() {
                    Ok(_) => Ok(rows),
                    Err(error) => {
                        rows.finish(Outcome::Failed(error.clone()));
                        Err(error)
                    }
                }
            }
            Err(error) => Err(failed_stream(stream, error)),
        }
    }

    async fn query(
        &mut self,
        statement: &ParsedStatement,
        execution: Execution,
        purpose: Purpose,
        tag: RowsTag,
    ) -> Result<Reply, ErrorReport> {
        let binding = execution.binding();
        let stream = self.start_query(statement, binding, purpose, &execution.budget).await?;
        self.rows_reply(stream, execution, tag)
    }

    /// A reply with a stream's rows. If it runs in a portal, the rows that are not asked for stay there.
    pub(super) fn rows_reply(
        &mut self,
        stream: RowStream,
        execution: Execution,
        tag: RowsTag,
    ) -> Result<Reply, ErrorReport> {
        let schema = Arc::clone(&stream.schema);
        if let Some(expected) = &execution.expected
            && !same_shape(expected, &schema)
        {
            let error = ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
                .with_hint("What you may see has changed since the statement was prepared. Prepare it again.");
            return Err(failed_stream(stream, error));
        }
        let formats = match Format::spread(&execution.result_formats, schema.fields().len()) {
            Ok(formats) => formats,
            Err(error) => return Err(failed_stream(stream, error)),
        };
        let rows = self.result_rows(stream, formats, execution.budget)?;
        let id = self.next_ticket();
        let describe = execution.portal.is_none();
        let owner = match execution.portal {
            Some(name) => {
                let portal = self.portals.get_mut(&name, "portal")?;
                portal.state = PortalState::Running(id);
                portal.described = Some(schema);
                Owner::Portal(name)
            }
            None => Owner::Statement,
        };
        Ok(Reply::Rows(Box::new(RowsReply {
            describe,
            max_rows: execution.max_rows,
            suspends: true,
            ticket: ReplyTicket { id, rows_before: rows.rows(), owner },
            tag,
            rows,
        })))
    }

    /// A reply without rows, that is described like one with rows.
    pub(super) fn no_rows(
        &mut self,
        schema: SchemaRef,
        tag: RowsTag,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        self.rows_reply(own_rows(schema, None), execution, tag)
    }

    async fn show(
        &mut self,
        statement: &ParsedStatement,
        target: &Target,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let shown = match self.shown(target) {
            Ok(shown) => shown,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        self.record(statement, Outcome::Success).await?;
        let stream = shown_rows(target, &shown)?;
        // Settings are the session's own: they count against no cap.
        self.rows_reply(stream, Execution { budget: Arc::default(), ..execution }, RowsTag::Show)
    }

    async fn copy(
        &mut self,
        statement: &ParsedStatement,
        copy: &CopyOut,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let format = match copy_format(&copy.options) {
            Ok(format) => format,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        let result_formats: &[i16] = match format {
            CopyFormat::Binary => &[1],
            CopyFormat::Text(_) | CopyFormat::Csv(_) => &[],
        };
        let binding = Binding { result_formats, page: None, ..execution.binding() };
        let stream = self.start_query(&copy.query, binding, Purpose::Copy, &execution.budget).await?;
        let columns: Vec<&str> = stream.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let checked = match &format {
            CopyFormat::Text(text) => text.check(),
            CopyFormat::Csv(csv) => csv.check(&columns),
            CopyFormat::Binary => Ok(()),
        };
        match checked.and_then(|()| self.settings.encode_options()) {
            Ok(options) => {
                let rows = ResultRows::for_copy(stream, format.clone(), options, execution.budget);
                let id = self.next_ticket();
                let ticket = ReplyTicket { id, rows_before: 0, owner: Owner::Statement };
                Ok(Reply::Copy(Box::new(CopyReply { rows, format, ticket })))
            }
            Err(error) => Err(failed_stream(stream, error)),
        }
    }

    async fn explain(
        &mut self,
        statement: &ParsedStatement,
        explain: &Explain,
        mut execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let explained = if explain.format == ExplainFormat::Text {
            self.explained(&explain.statement)
        } else {
            Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, "EXPLAIN gives text only")
                .with_hint("Leave the FORMAT option out."))
        };
        let (query, arguments) = match explained {
            Ok(explained) => explained,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        if let Some(arguments) = arguments {
            execution.parameters = arguments;
        }
        let purpose = match (explain.governance, explain.analyze) {
            (true, _) => Purpose::ExplainGovernance,
            (false, true) => Purpose::ExplainAnalyze,
            (false, false) => Purpose::ExplainPlan,
        };
        self.query(&query, execution, purpose, RowsTag::Explain).await
    }

    /// The query that is explained, with its parameters if it brings them along.
    fn explained(
        &self,
        statement: &ParsedStatement,
    ) -> Result<(ParsedStatement, Option<Vec<BoundParameter>>), ErrorReport> {
        match sql::command(statement).map_err(|refused| refused.report())? {
            Command::Query => Ok((statement.clone(), None)),
            Command::Declare(declare) => Ok((declare.query.clone(), None)),
            Command::Execute(execute) => self.prepared_query(execute).map(|(query, given)| (query, Some(given))),
            other => Err(ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("EXPLAIN {} is not supported", other.kind()),
            )
            .with_hint("Explain a query.")),
        }
    }

    async fn prepare(
        &mut self,
        statement: &ParsedStatement,
        prepare: &Prepare,
        text_bytes: usize,
    ) -> Result<Reply, ErrorReport> {
        let bytes = prepare.name.len().saturating_add(text_bytes);
        let readable = match sql::command(&prepare.statement) {
            Ok(Command::Query) => self.prepared.has_room(&prepare.name, bytes),
            Ok(other) => Err(ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("PREPARE of {} is not supported", other.kind()),
            )
            .with_hint("Prepare a query.")),
            Err(refused) => Err(refused.report()),
        };
        if let Err(error) = readable {
            return Err(self.refuse(statement, error).await);
        }
        let given: Vec<Option<Type>> =
            prepare.types.iter().map(|given| Some(given.clone()).filter(|given| *given != Type::UNKNOWN)).collect();
        let context = self.context();
        let engine = Arc::clone(&self.engine);
        let description = match engine.describe(&context, &prepare.statement, &given).await {
            Ok(description) => description,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        self.record(statement, Outcome::Success).await?;
        let prepared = Prepared {
            statement: Some(prepare.statement.clone()),
            parameters: description.parameters,
            schema: description.schema,
            fresh: true,
            bytes,
        };
        self.prepared.insert(&prepare.name, prepared)?;
        Ok(Reply::Command { tag: "PREPARE".to_owned() })
    }

    async fn execute_prepared(
        &mut self,
        statement: &ParsedStatement,
        execute: &Execute,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        match self.prepared_query(execute) {
            Ok((query, parameters)) => {
                self.query(&query, Execution { parameters, ..execution }, Purpose::Query, RowsTag::Select).await
            }
            Err(error) => Err(self.refuse(statement, error).await),
        }
    }

    /// The query of an EXECUTE, with its arguments as parameters.
    fn prepared_query(&self, execute: &Execute) -> Result<(ParsedStatement, Vec<BoundParameter>), ErrorReport> {
        let prepared = self.prepared.get(&execute.name)?;
        let query = match &prepared.statement {
            Some(query) if matches!(sql::command(query), Ok(Command::Query)) => query.clone(),
            Some(_) | None => {
                return Err(ErrorReport::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("prepared statement \"{}\" is no query", execute.name),
                )
                .with_hint("EXECUTE runs prepared queries; send other statements as they are."));
            }
        };
        argument::bound(&execute.name, &prepared.parameters, &execute.arguments).map(|given| (query, given))
    }
}

/// The columns of EXPLAIN.
pub(super) fn explain_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("QUERY PLAN", DataType::Utf8, false)]))
}

/// The columns of SHOW.
pub(super) fn shown_schema(target: &Target, shown: &[Shown]) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(match (target, shown) {
        (Target::Named(_), [one]) => vec![text(one.name)],
        _ => vec![text("name"), text("setting"), text("description")],
    }))
}

fn shown_rows(target: &Target, shown: &[Shown]) -> Result<RowStream, ErrorReport> {
    let schema = shown_schema(target, shown);
    let column =
        |value: fn(&Shown) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(shown.iter().map(value))) };
    let columns = if schema.fields().len() == 1 {
        vec![column(|shown| &shown.value)]
    } else {
        vec![column(|shown| shown.name), column(|shown| &shown.value), column(|shown| shown.description)]
    };
    RecordBatch::try_new(Arc::clone(&schema), columns)
        .map(|batch| own_rows(schema, Some(batch)))
        .map_err(|_| ErrorReport::new(SqlState::INTERNAL_ERROR, "settings could not be made into rows"))
}

/// Rows that the session makes itself: nothing runs, and the statement has been recorded already.
fn own_rows(schema: SchemaRef, batch: Option<RecordBatch>) -> RowStream {
    RowStream {
        schema,
        batches: Box::pin(futures::stream::iter(batch.map(|batch| Ok(Rows::Values(batch))))),
        notices: Vec::new(),
        timeout: None,
        demand: None,
        on_end: Box::new(|_, _, _| {}),
    }
}

/// Ends a stream that can't be sent.
fn failed_stream(stream: RowStream, error: ErrorReport) -> ErrorReport {
    stream.finish(Outcome::Failed(error.clone()), 0, 0);
    error
}

/// Whether a client that reckons with some columns can read others: as many of them, of the same types.
fn same_shape(expected: &Schema, found: &Schema) -> bool {
    expected.fields().len() == found.fields().len()
        && expected.fields().iter().zip(found.fields()).all(|(a, b)| pg_type_of_field(a) == pg_type_of_field(b))
}

fn copy_format(options: &CopyOptions) -> Result<CopyFormat, ErrorReport> {
    let CopyOptions { format, delimiter, null, header, quote, escape, force_quote, encoding } = options;
    if let Some(encoding) = encoding
        && !matches!(encoding.replace(['-', '_'], "").as_str(), "utf8" | "unicode")
    {
        return Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, "COPY gives UTF8 only")
            .with_hint("Leave the ENCODING option out."));
    }
    let byte = |what: &str, character: char| {
        u8::try_from(character).ok().filter(u8::is_ascii).ok_or_else(|| {
            ErrorReport::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("COPY {what} must be a single one-byte character"),
            )
        })
    };
    Ok(match format {
        sql::CopyFormat::Text => CopyFormat::Text(CopyText {
            delimiter: byte("delimiter", *delimiter)?,
            null: null.clone(),
            header: *header,
        }),
        sql::CopyFormat::Csv => CopyFormat::Csv(CopyCsv {
            delimiter: byte("delimiter", *delimiter)?,
            null: null.clone(),
            header: *header,
            quote: byte("quote", *quote)?,
            escape: byte("escape", *escape)?,
            force_quote: match force_quote {
                sql::ForceQuote::None => ForceQuote::None,
                sql::ForceQuote::All => ForceQuote::All,
                sql::ForceQuote::Columns(columns) => ForceQuote::Columns(columns.clone()),
            },
        }),
        sql::CopyFormat::Binary => CopyFormat::Binary,
    })
}
