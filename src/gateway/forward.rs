//! Statements that run in a PostgreSQL upstream.
//!
//! Order of a run: govern, reserve, announce the beginning, send, and give on what comes of it once the beginning is in
//! the log: the disk and the upstream work side by side. One that [writes](super::write) is sent after that.

use super::ready::{Key, Ready, Told, type_of};
use super::record::Ending;
use super::run::{deadline, kind, notices, within};
use super::transaction::modes;
use super::{Gateway, Moment, SERVER_VERSION, Upstreams};
use crate::audit::Announced;
use crate::egress::{EncodedRows, Format, RowStream, Rows, upstream_field};
use crate::error::{ErrorReport, SqlState};
use crate::execute::ExecutionPermit;
use crate::execute::upstream::{
    self, Asked, Demand, Forwarding, ForwardingError, Means, Pages, RowKind, Sendable, SessionSettings, UpstreamError,
};
use crate::govern::forward::{
    Barrier, ForwardContext, ForwardError, ForwardedRelation, forward, forward_with_rows, forward_with_views,
    upstream_of,
};
use crate::govern::{GovernedStatement, OutputColumn};
use crate::pipeline::{GovernedOutcome, govern_statement};
use crate::session::{Binding, Description, OpenBlock, Purpose, StatementContext};
use crate::sql::ParsedStatement;
use crate::types::{BoundParameter, SettingValues};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use futures::Stream;
use postgres_types::Type;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

impl Gateway {
    /// The source that a statement is forwarded to; `None`: it runs here. A refusal is recorded.
    pub(super) async fn destination(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: &GovernedOutcome,
    ) -> Result<Option<String>, ErrorReport> {
        match upstream_of(&governed.statement) {
            Ok(source) => Ok(source.map(str::to_owned)),
            Err(error) => {
                let report = error.report();
                self.record_failure(context, moment, statement, &report).await?;
                Err(report)
            }
        }
    }

    /// Refuses what only statements that run here have: a plan to show.
    ///
    /// # Errors
    /// 0A000, recorded.
    pub(super) async fn only_here(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: &GovernedOutcome,
    ) -> Result<(), ErrorReport> {
        let Some(source) = self.destination(context, moment, statement, governed).await? else { return Ok(()) };
        let what = format!("EXPLAIN of a statement on source \"{source}\" is not supported");
        let report = ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, what)
            .with_detail("An upstream's plan tells of rows that are hidden.")
            .with_hint("EXPLAIN (GOVERNANCE) shows what is decided and how the statement is forwarded.");
        self.record_failure(context, moment, statement, &report).await?;
        Err(report)
    }

    /// Where a statement runs.
    fn forwarding(
        &self,
        context: &StatementContext,
        moment: &Moment,
        to: &Sendable,
    ) -> Result<Forwarding, ErrorReport> {
        let source = to.source();
        let pool = moment.serving.upstreams.get(source).ok_or_else(|| {
            ErrorReport::new(SqlState::INTERNAL_ERROR, format!("source \"{source}\" has no connections"))
        })?;
        let user = moment.principal.user().id.as_str();
        let database = moment.workspace.name.as_str();
        Ok(Forwarding {
            pool: pool.clone(),
            owner: format!("{user}\0{database}"),
            settings: settings(&context.settings),
            key: to.needs_key().then(|| Arc::new(self.mask_key(&moment.workspace).blocks())),
            managed: moment.serving.upstreams.managed(source).cloned(),
            holdings: context.holdings.clone(),
            transaction: modes(
                &context.settings,
                // What has begun in this batch of messages goes on.
                context.transaction.or_else(|| context.holdings.in_transaction().then(OpenBlock::default)),
                moment.serving.policies.grants_actions(),
            ),
        })
    }

    /// The same for a statement that writes: it has a transaction, if only its own.
    pub(super) fn forwarding_to_write(
        &self,
        context: &StatementContext,
        moment: &Moment,
        to: &Sendable,
    ) -> Result<Forwarding, ErrorReport> {
        let block = context.transaction.unwrap_or_default();
        let transaction = modes(&context.settings, Some(block), true);
        Ok(Forwarding { transaction, ..self.forwarding(context, moment, to)? })
    }

    /// A statement that is ready for its source, from those that were.
    pub(super) fn ready(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        types: &[Option<Type>],
        kind: &'static str,
    ) -> Option<Arc<Ready>> {
        let templated = statement.templated()?;
        let kept = &moment.serving.ready;
        let key = Key::of(templated, types, context, moment, kind);
        kept.get(&key, moment).or_else(|| kept.get(&key.exact(templated), moment))
    }

    /// Makes a governed statement ready for its source, and keeps it for the next one of its template: with its constants
    /// lifted out, if what is known of it without them is enough to keep its relations apart in the same way. One that
    /// writes has no template, and keeps its fences.
    fn make_ready(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: GovernedOutcome,
        types: &[Option<Type>],
        kind: &'static str,
    ) -> Result<Arc<Ready>, ForwardError> {
        let session = session_answers(moment.principal.user().id.as_str(), moment.workspace.name.as_str());
        let upstreams = &moment.serving.upstreams;
        let source = upstream_of(&governed.statement)?.unwrap_or_default();
        let means = upstreams.means(source).filter(|_| governed.statement.write().is_none());
        let sendable = |statement: &Arc<GovernedStatement>, types: &[Option<Type>]| {
            Sendable::new(Arc::clone(statement), types, &session, upstreams.tables(), means)
        };
        let exact = sendable(&governed.statement, types)?;
        let Some(templated) = statement.templated() else {
            return Ok(Arc::new(Ready::new(exact, governed, 0, moment)));
        };
        let template = templated.template();
        let key = Key::of(templated, types, context, moment, kind);
        let kinds = template.kinds();
        if let Some(query) = template.query().filter(|_| !kinds.is_empty())
            && types.len() == statement.parameters()
            && let Ok(lifted) = govern_statement(query, &self.question(context, moment, kind))
        {
            let types: Vec<Option<Type>> =
                types.iter().cloned().chain(kinds.iter().map(|kind| Some(type_of(*kind)))).collect();
            if let Ok(open) = sendable(&lifted.statement, &types)
                && open.relations() == exact.relations()
            {
                let ready = Ready::new(open, lifted, kinds.len(), moment);
                return Ok(moment.serving.ready.keep(key, template, ready));
            }
        }
        let ready = Ready::new(exact, governed, 0, moment);
        Ok(moment.serving.ready.keep(key.exact(templated), template, ready))
    }

    /// The same for one that runs now. That it can't be is recorded.
    pub(super) async fn ready_to_run(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: GovernedOutcome,
        types: &[Option<Type>],
        purpose: Purpose,
    ) -> Result<Arc<Ready>, ErrorReport> {
        match self.make_ready(context, moment, statement, governed, types, kind(purpose)) {
            Ok(ready) => Ok(ready),
            Err(error) => {
                let report = refused(&error);
                self.record_failure(context, moment, statement, &report).await?;
                Err(report)
            }
        }
    }

    /// Runs a statement in its source.
    pub(super) async fn run_forwarded(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        ready: Arc<Ready>,
        (binding, purpose): (Binding<'_>, Purpose),
    ) -> Result<RowStream, ErrorReport> {
        let started = Instant::now();
        let governed = &ready.governed;
        let source = ready.sendable.source();
        if binding.holds && context.transaction.is_some() {
            return Err(self.held(context, moment, statement, source).await);
        }
        let notices = if context.notices { notices(governed) } else { Vec::new() };
        let reservation = self.place(context, moment, statement).await?;
        let deadline = deadline(context, moment, &governed.limits);
        let record = self.begun(context, moment, statement, (governed, ready.recorded(statement, moment)?), purpose);
        let announced = self.audit.announce(record).await.map_err(|error| error.report())?;
        let prepared = self.forwarding(context, moment, &ready.sendable).and_then(|forwarding| {
            let formats = binding.result_formats.iter().map(|code| Format::from_code(*code));
            Ok((forwarding, formats.collect::<Result<Vec<_>, _>>()?))
        });
        let (forwarding, formats) = match prepared {
            Ok(prepared) => prepared,
            Err(report) => return Err(failed(announced, started, report).await),
        };
        let asked: Vec<upstream::Format> = formats.iter().map(|format| upstream_format(*format)).collect();
        let parameters = parameters(binding.parameters, statement, &ready);
        let permit = ExecutionPermit::new(Arc::clone(&governed.statement), announced, reservation, deadline);
        let bound = *permit.deadline();
        let rows_asked = binding.page.map_or(Asked::All, Asked::Page);
        let demand = Demand::default();
        let (running, announced, reservation) = forwarding
            .run(permit, &ready.sendable, started.elapsed(), &parameters, &asked, (rows_asked, demand.clone()))
            .await;
        // Nothing of the answer, its error neither, goes on before the beginning is in the log.
        let ending = Ending::new(announced.recorded().await.map_err(|error| error.report())?, started);
        let running = match running {
            Ok(running) => running,
            Err(ForwardingError::Late) => return Err(ending.failed(bound.report())),
            Err(error) => return Err(ending.failed(report(&error, source))),
        };
        let told = told(&ready, &running.columns);
        let codes = binding.result_formats;
        let formats: Arc<[Format]> = match Format::spread(codes, told.schema.fields().len()) {
            Ok(formats) => formats.into(),
            Err(report) => return Err(ending.failed(report)),
        };
        context.last_result.set(Arc::clone(&told.result));
        Ok(RowStream {
            schema: Arc::clone(&told.schema),
            batches: Box::pin(rows(running.pages, source.to_owned(), formats)),
            notices,
            timeout: bound.left(started.elapsed()),
            demand: Some(Box::new(move |rows| demand.want(rows))),
            on_end: Box::new(move |outcome, rows, bytes| {
                drop(reservation);
                ending.finish(&outcome, rows, bytes);
            }),
        })
    }

    /// A cursor that is to outlive its transaction: its rows would have to be kept here.
    async fn held(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        source: &str,
    ) -> ErrorReport {
        let what = format!("a cursor WITH HOLD in a transaction on source \"{source}\" is not supported");
        let report = ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, what)
            .with_hint("Declare it without HOLD, or outside of a transaction.");
        match self.record_failure(context, moment, statement, &report).await {
            Ok(()) => report,
            Err(unrecorded) => unrecorded,
        }
    }

    /// Parameters and result columns of a statement, as its source works them out: asked for once, as long as it gives the
    /// same columns.
    pub(super) async fn describe_forwarded(
        &self,
        context: &StatementContext,
        moment: &Moment,
        statement: &ParsedStatement,
        governed: GovernedOutcome,
        types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        let ready = self
            .make_ready(context, moment, statement, governed, types, kind(Purpose::Query))
            .map_err(|error| refused(&error))?;
        self.describe_ready(context, moment, &ready, types).await
    }

    /// The same for one that is ready.
    pub(super) async fn describe_ready(
        &self,
        context: &StatementContext,
        moment: &Moment,
        ready: &Ready,
        types: &[Option<Type>],
    ) -> Result<Description, ErrorReport> {
        if let Some(description) = ready.told().and_then(|told| told.description.clone()) {
            return Ok(description);
        }
        let started = Instant::now();
        let reservation = self.quota.reserve_to_describe(&moment.workspace, &moment.principal.user().id);
        let _place = reservation.map_err(|error| error.report())?;
        let deadline = deadline(context, moment, &ready.governed.limits);
        let forwarding = self.forwarding(context, moment, &ready.sendable)?;
        let source = ready.sendable.source();
        let describe = async { forwarding.describe(&ready.sendable).await.map_err(|error| report(&error, source)) };
        let described = within(&deadline, started, describe).await?;
        // A type that the client gave stays; one of the upstream's own is shown as text.
        let given = types.iter().cloned().chain(std::iter::repeat(None));
        let own = described.parameters.len().saturating_sub(ready.lifted);
        let parameters = described.parameters.into_iter().take(own).zip(given);
        let told = told_anew(ready, &described.columns);
        let description = Description {
            parameters: parameters.map(|(found, given)| given.or(found).unwrap_or(Type::TEXT)).collect(),
            schema: Some(Arc::clone(&told.schema)),
        };
        ready.tell(Arc::new(Told { description: Some(description.clone()), ..told }));
        Ok(description)
    }
}

/// Ends a statement of which nothing was sent.
async fn failed(announced: Announced, started: Instant, report: ErrorReport) -> ErrorReport {
    match announced.recorded().await {
        Ok(receipt) => Ending::new(receipt, started).failed(report),
        Err(error) => error.report(),
    }
}

/// The client's parameters, and the constants that were lifted out behind them.
fn parameters<'a>(
    given: &'a [BoundParameter],
    statement: &ParsedStatement,
    ready: &Ready,
) -> Cow<'a, [BoundParameter]> {
    let Some(templated) = statement.templated().filter(|_| ready.lifted > 0) else { return Cow::Borrowed(given) };
    let lifted = templated.constants().iter().map(|constant| BoundParameter {
        pg_type: type_of(constant.kind()),
        binary: false,
        value: Some(Bytes::from(constant.value().into_owned())),
    });
    given.iter().cloned().chain(lifted).collect()
}

/// What a result's columns mean, which is kept for as long as they stay the same.
pub(super) fn told(ready: &Ready, columns: &Arc<[upstream::Column]>) -> Arc<Told> {
    if let Some(told) = ready.told()
        && (Arc::ptr_eq(&told.columns, columns) || same_columns(&told.columns, columns))
    {
        return told;
    }
    let told = Arc::new(told_anew(ready, columns));
    ready.tell(Arc::clone(&told));
    told
}

fn told_anew(ready: &Ready, columns: &Arc<[upstream::Column]>) -> Told {
    let output = ready.governed.statement.output();
    let schema = schema(columns, output);
    let result = Arc::new(super::metadata::result_columns(&schema, output));
    Told { columns: Arc::clone(columns), schema, result, description: None }
}

/// Whether they have the same types: formats are each run's own.
fn same_columns(one: &[upstream::Column], other: &[upstream::Column]) -> bool {
    let of = |column: &upstream::Column| (column.type_oid, column.type_size, column.type_modifier);
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| of(one) == of(other))
}

/// What the client is told of a statement that is not forwarded; what is wrong with the gateway is for the log.
fn refused(error: &ForwardError) -> ErrorReport {
    match error {
        ForwardError::Print(_) | ForwardError::Verify(_) | ForwardError::Broken(_) => {
            tracing::error!(%error, "a statement for an upstream was not proved");
        }
        ForwardError::Mixed | ForwardError::NotSupported { .. } | ForwardError::TooComplex => {}
    }
    error.report()
}

/// What functions that ask for the session answer in a forwarded statement.
pub(super) fn session_answers(user: &str, database: &str) -> BTreeMap<String, String> {
    let people = ["current_user", "session_user", "user", "current_role"].map(|name| (name, user.to_owned()));
    let places = ["current_database", "current_catalog"].map(|name| (name, database.to_owned()));
    let version = format!("PostgreSQL {SERVER_VERSION} (Querygate {})", env!("CARGO_PKG_VERSION"));
    let answers = people.into_iter().chain(places).chain([("version", version)]);
    answers.map(|(name, answer)| (name.to_owned(), answer)).collect()
}

/// How a statement would be forwarded, line by line; nothing if it runs here.
pub(super) fn forwarded_lines(
    governed: &GovernedOutcome,
    statement: &ParsedStatement,
    session: &BTreeMap<String, String>,
    upstreams: &Upstreams,
) -> Vec<String> {
    let refused = |error: &ForwardError| vec![format!("Forwarded: no, {error}")];
    let source = match upstream_of(&governed.statement) {
        Ok(None) => return Vec::new(),
        Ok(Some(source)) => source,
        Err(error) => return refused(&error),
    };
    let (parameters, tables) = (statement.parameters(), upstreams.tables());
    let context = ForwardContext { parameters, parameter_types: &[], session, tables };
    let forwarded = match upstreams.means(source) {
        Some(Means::Views { schema }) => forward_with_views(&governed.statement, &context, schema),
        Some(Means::Rows(tables)) => forward_with_rows(&governed.statement, &context, tables),
        None => forward(&governed.statement, &context),
    };
    match forwarded {
        Ok(forwarded) => {
            let first = format!("Forwarded to: source {}", forwarded.source());
            std::iter::once(first).chain(forwarded.relations().iter().map(relation_line)).collect()
        }
        Err(error) => refused(&error),
    }
}

fn relation_line(relation: &ForwardedRelation) -> String {
    let barrier = match relation.barrier {
        Barrier::Open => "open",
        Barrier::Flattened => "flattened",
        Barrier::Guarded => "guarded",
        Barrier::Fenced => "fenced",
    };
    let barrier = match (&relation.view, &relation.role) {
        (Some(view), _) => format!("view {view}"),
        (None, Some(role)) => format!("row security {role}"),
        (None, None) => barrier.to_owned(),
    };
    let copied = match relation.copied {
        0 => String::new(),
        1 => "; 1 condition also below the fence".to_owned(),
        several => format!("; {several} conditions also below the fence"),
    };
    format!("  {} {}: {barrier}, {}{copied}", relation.key, relation.dataset, relation.reason)
}

pub(super) fn upstream_format(format: Format) -> upstream::Format {
    match format {
        Format::Text => upstream::Format::Text,
        Format::Binary => upstream::Format::Binary,
    }
}

/// The upstream's columns under the names that the statement gives them.
fn schema(columns: &[upstream::Column], output: &[OutputColumn]) -> SchemaRef {
    let fields = columns
        .iter()
        .zip(output)
        .map(|(column, named)| upstream_field(&named.name, column.type_oid, column.type_size, column.type_modifier));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The settings of a client's session that an upstream's session follows.
fn settings(of: &SettingValues) -> SessionSettings {
    let plain = SessionSettings::default();
    let text = |name: &str, plain: Cow<'static, str>| match of.get(name) {
        Some(value) if *value != plain => Cow::Owned(value.to_owned()),
        Some(_) | None => plain,
    };
    SessionSettings {
        time_zone: text("timezone", plain.time_zone),
        date_style: text("datestyle", plain.date_style),
        interval_style: text("intervalstyle", plain.interval_style),
        extra_float_digits: of
            .get("extra_float_digits")
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(plain.extra_float_digits),
        bytea_output: text("bytea_output", plain.bytea_output),
        statement_timeout: None,
    }
}

pub(super) fn report(error: &ForwardingError, source: &str) -> ErrorReport {
    match error {
        ForwardingError::Forward(error) => refused(error),
        ForwardingError::Upstream(error) => error.report(source),
        ForwardingError::Columns => {
            tracing::error!(source, %error, "an upstream's answer was thrown away");
            ErrorReport::new(
                SqlState::INTERNAL_ERROR,
                format!("source \"{source}\" gives other columns than were asked for"),
            )
        }
        ForwardingError::Binary(_) => ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, error.to_string())
            .with_hint("Cast it to text, or ask for text."),
        ForwardingError::Late => {
            ErrorReport::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
        }
    }
}

/// The rows of a statement, as they come. What an upstream remarks beside them may hold values: it is for nobody.
fn rows(pages: Pages, source: String, formats: Arc<[Format]>) -> impl Stream<Item = Result<Rows, ErrorReport>> + Send {
    // Boxed, for the state is moved with each batch.
    futures::stream::try_unfold((Box::new(pages), source, formats), |(mut pages, source, formats)| async move {
        match pages.next().await.map_err(|error| error.report(&source))? {
            Some(batch) if batch.kind() == RowKind::Data => {
                let count = batch.rows();
                let rows = EncodedRows::new(batch.into_bytes(), count, &formats);
                Ok(Some((Rows::Encoded(rows), (pages, source, formats))))
            }
            Some(_) => {
                let lost = UpstreamError::Lost(io::ErrorKind::UnexpectedEof.into());
                Err(lost.report(&source))
            }
            None => Ok(None),
        }
    })
}
