//! Running a governed statement in its upstream: what is sent is made here, of the permit's statement and of nothing else.

use super::error::UpstreamError;
use super::holdings::{Holdings, Loan, TransactionModes, Wanted};
use super::managed::Managed;
use super::message::{Column, Format};
use super::pages::{Demand, Pages, UpstreamPortal};
use super::pool::Pool;
use super::query::{Run, is_stale};
use super::request::{Parameter, Request};
use super::settings::SessionSettings;
use crate::audit::Beginning;
use crate::catalog::PoolMode;
use crate::execute::ExecutionPermit;
use crate::govern::forward::{
    ExtraParameter, ForwardContext, ForwardError, ForwardedRelation, ForwardedStatement, RowTables, follows_clock,
    forward, forward_with_rows, forward_with_views,
};
use crate::govern::mask::KeyBlocks;
use crate::govern::{GovernedStatement, GovernedTarget};
use crate::quota::Reservation;
use crate::types::{BoundParameter, DatasetName, SqlType};
use bytes::Bytes;
use postgres_types::{Kind, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A governed statement with the text that its upstream is sent for it: made once, run any number of times.
///
/// INVARIANT: the text is made here, of the statement and of nothing else.
#[derive(Debug)]
pub struct Sendable {
    statement: Arc<GovernedStatement>,
    forwarded: ForwardedStatement,
    /// The same with what the gateway keeps there in the place of fences, if any can stand for one.
    managed: Option<ForwardedStatement>,
    declared: Declared,
    /// A dataset whose policy reads the session's clock, if there is one.
    follows_clock: Option<DatasetName>,
    /// The types that the server is told: of the client's parameters, then of those that the gateway adds.
    oids: Box<[u32]>,
}

/// What may be kept in an upstream in the place of fences.
#[derive(Debug, Clone, Copy)]
pub enum Means<'a> {
    /// Views.
    Views {
        /// The schema that they are kept in.
        schema: &'a str,
    },
    /// Roles with policies on these tables.
    Rows(&'a RowTables),
}

impl Sendable {
    /// The length of the texts that are kept of it, in bytes.
    pub fn text_bytes(&self) -> usize {
        self.forwarded.text().len() + self.managed.as_ref().map_or(0, |managed| managed.text().len())
    }

    /// Makes the text of a statement with parameters of these types. `session` is what functions that ask for the session
    /// answer, `tables` the datasets that are known to be tables, `means` what may be kept there in place of fences.
    ///
    /// # Errors
    /// [`ForwardError`]: nothing may be sent.
    pub fn new(
        statement: Arc<GovernedStatement>,
        types: &[Option<Type>],
        session: &BTreeMap<String, String>,
        tables: &BTreeSet<DatasetName>,
        means: Option<Means<'_>>,
    ) -> Result<Self, ForwardError> {
        let declared = Declared::new(&statement);
        let parameter_types: Vec<Option<SqlType>> =
            types.iter().map(|given| declared.told(given).map(sql_type_of)).collect();
        let context = ForwardContext { parameters: types.len(), parameter_types: &parameter_types, session, tables };
        let forwarded = forward(&statement, &context)?;
        let managed = match means {
            None => None,
            Some(Means::Views { schema }) => Some(forward_with_views(&statement, &context, schema)?),
            Some(Means::Rows(tables)) => Some(forward_with_rows(&statement, &context, tables)?),
        };
        let follows_clock = follows_clock(&statement).cloned();
        let is_other = |other: &ForwardedStatement| !other.views().is_empty() || other.row_security().is_some();
        let managed = managed.filter(is_other);
        let oids = declared.oids(types, &forwarded).into();
        Ok(Self { statement, forwarded, managed, declared, follows_clock, oids })
    }

    /// The statement.
    pub fn statement(&self) -> &Arc<GovernedStatement> {
        &self.statement
    }

    /// The source that it goes to.
    pub fn source(&self) -> &str {
        self.forwarded.source()
    }

    /// How its relations are kept apart.
    pub fn relations(&self) -> &[ForwardedRelation] {
        self.managed.as_ref().unwrap_or(&self.forwarded).relations()
    }

    /// The text with what is kept there, if there is one.
    pub(super) fn managed(&self) -> Option<&ForwardedStatement> {
        self.managed.as_ref()
    }

    /// The text without.
    pub(super) fn fenced(&self) -> &ForwardedStatement {
        &self.forwarded
    }

    /// Whether the workspace's key is sent with it.
    pub fn needs_key(&self) -> bool {
        !self.forwarded.extra_parameters().is_empty()
    }
}

/// Where a statement runs, and for whom.
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// The source's connections.
    pub pool: Pool,
    /// Who may see what the other left behind on a connection: see [`Pool::lease`].
    pub owner: String,
    /// The settings that follow the client.
    pub settings: SessionSettings,
    /// The workspace's key for masks, for statements that [need it](Sendable::needs_key).
    pub key: Option<Arc<KeyBlocks>>,
    /// What the gateway keeps there, if it may.
    pub managed: Option<Managed>,
    /// What the client's session holds of upstreams.
    pub holdings: Holdings,
    /// The client's transaction, and how many savepoints it has; `None`: the statement runs on its own.
    pub transaction: Option<(TransactionModes, usize)>,
}

/// How a statement's rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of them.
    All,
    /// So many, and more later or never; zero is none yet.
    Page(u64),
}

/// Why a statement does not run in its upstream.
#[derive(Debug, thiserror::Error)]
pub enum ForwardingError {
    /// It was not sent.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// It was sent, or could not be.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It gives other columns than it was governed to.
    #[error("the upstream gives other columns than the statement has")]
    Columns,
    /// The statement's time was over before its first row.
    #[error("the statement's time is over")]
    Late,
    /// A value of a type of the upstream's own would come in binary.
    #[error("column \"{0}\" has a type of the upstream's own, which can't be sent in binary form")]
    Binary(String),
}

/// A statement that runs in its upstream.
pub struct Running {
    /// Its rows, in the formats that were asked for. Dropping it stops it there.
    pub pages: Pages,
    /// Its columns.
    pub columns: Arc<[Column]>,
}

/// What a statement takes and gives.
#[derive(Debug)]
pub struct Description {
    /// Its parameters; `None`: of a type that is the upstream's own.
    pub parameters: Vec<Option<Type>>,
    /// Its columns.
    pub columns: Arc<[Column]>,
}

impl Forwarding {
    /// Runs the statement of a permit, `spent` after its start. What the permit held comes back in any case: it must be
    /// kept until the end. INVARIANT: a statement that writes is in the log by now.
    pub async fn run<B: Beginning>(
        &self,
        permit: ExecutionPermit<B>,
        sendable: &Sendable,
        spent: Duration,
        parameters: &[BoundParameter],
        result_formats: &[Format],
        (asked, demand): (Asked, Demand),
    ) -> (Result<Running, ForwardingError>, B, Reservation) {
        if permit.statement().write().is_some() && !B::IS_RECORDED {
            let (_, beginning, reservation, _) = permit.spend();
            let error = ForwardError::Broken("a statement that writes is not in the log");
            return (Err(error.into()), beginning, reservation);
        }
        let running = {
            let start = pin!(self.start(permit.statement(), sendable, parameters, result_formats, (asked, demand)));
            match permit.deadline().left(spent) {
                Some(left) => tokio::time::timeout(left, start).await.unwrap_or(Err(ForwardingError::Late)),
                None => start.await,
            }
        };
        let (_, beginning, reservation, _) = permit.spend();
        (running, beginning, reservation)
    }

    async fn start(
        &self,
        statement: &Arc<GovernedStatement>,
        sendable: &Sendable,
        parameters: &[BoundParameter],
        result_formats: &[Format],
        (asked, demand): (Asked, Demand),
    ) -> Result<Running, ForwardingError> {
        if !Arc::ptr_eq(statement, &sendable.statement) {
            return Err(ForwardError::Broken("the permit is for another statement").into());
        }
        self.check_clock(sendable)?;
        let Sendable { declared, oids, .. } = sendable;
        // The views stay while they are needed: once the statement has begun, the upstream itself keeps them.
        let (mut forwarded, mut held) = self.ready(sendable).await;
        let mut values: Vec<Parameter> = parameters.iter().map(|parameter| declared.bound(parameter)).collect();
        for extra in forwarded.extra_parameters() {
            values.push(self.extra(*extra)?);
        }
        if values.len() != oids.len() {
            return Err(ForwardError::Broken("it has other parameters").into());
        }
        let (mut loan, portal) = self.connection(asked, statement.write().is_some()).await?;
        let lease = loan.lease();
        let mut formats = result_formats.to_vec();
        if formats.contains(&Format::Binary) && declared.own_types {
            let described = lease.describe(forwarded.text(), oids, None).await?;
            let columns = described.columns.ok_or(ForwardingError::Columns)?;
            formats = as_text_where_own(&columns, &formats);
        }
        let mut acts = false;
        if let Some((as_role, of_role)) = self.act(loan.lease(), sendable).await {
            (forwarded, held, acts) = (as_role, Some(of_role), true);
        }
        let request = |text, acts| Request {
            parameter_types: oids,
            parameters: &values,
            result_formats: &formats,
            acts,
            ..Request::new(text)
        };
        let opened = open(loan, request(forwarded.text(), acts), portal, (asked, demand.clone())).await;
        drop(held);
        let (pages, columns) = match opened {
            // What was prepared is out of date, and the transaction that would say it again is over.
            Err((error, Some(loan))) if acts && is_stale(&error) => {
                let fenced = request(sendable.fenced().text(), false);
                open(loan, fenced, None, (asked, demand)).await
            }
            opened => opened,
        }
        .map_err(|(error, _)| error)?;
        let columns = columns.ok_or(ForwardingError::Columns)?;
        if columns.len() != width(statement) {
            return Err(ForwardingError::Columns);
        }
        match columns
            .iter()
            .zip(statement.output())
            .find(|(column, _)| column.format == Format::Binary && is_own(column))
        {
            Some((_, output)) => Err(ForwardingError::Binary(output.name.clone())),
            None => Ok(Running { pages, columns }),
        }
    }

    /// Parameters and columns of a statement, as the upstream works them out.
    ///
    /// # Errors
    /// [`ForwardingError`].
    pub async fn describe(&self, sendable: &Sendable) -> Result<Description, ForwardingError> {
        self.check_clock(sendable)?;
        let Sendable { statement, forwarded, oids, .. } = sendable;
        let mut loan = self.connection_to_describe().await?;
        let lease = loan.lease();
        let described = lease.describe(forwarded.text(), oids, None).await?;
        let columns = described.columns.ok_or(ForwardingError::Columns)?;
        if columns.len() != width(statement) {
            return Err(ForwardingError::Columns);
        }
        // What the gateway added comes after these.
        let own = oids.len().saturating_sub(forwarded.extra_parameters().len());
        let own = described.parameters.iter().take(own);
        Ok(Description { parameters: own.map(|oid| Type::from_oid(*oid)).collect(), columns })
    }

    fn wanted(&self, writes: bool) -> Wanted<'_> {
        let Self { pool, owner, settings, transaction, .. } = self;
        Wanted { pool, owner, settings, transaction: *transaction, writes }
    }

    /// The connection to run on: its transaction's, its session's, or one of its own. On one that is shared, what may be
    /// left unread runs in a portal.
    async fn connection(&self, asked: Asked, writes: bool) -> Result<(Loan, Option<UpstreamPortal>), UpstreamError> {
        let of_session = self.pool.settings().mode == PoolMode::Session;
        match (self.transaction, asked) {
            (Some(_), Asked::All) => Ok((self.holdings.borrow(self.wanted(writes)).await?.0, None)),
            (Some(_), Asked::Page(_)) => {
                let (loan, pin) = self.holdings.borrow(self.wanted(writes)).await?;
                let name = pin.portal();
                Ok((loan, Some(UpstreamPortal { pin, name })))
            }
            (None, Asked::All) if of_session => Ok((self.holdings.borrow(self.wanted(writes)).await?.0, None)),
            // Outside of a transaction no portal outlives its statement: it keeps a connection for as long as it is read.
            (None, Asked::All | Asked::Page(_)) => Ok((self.own_connection().await?, None)),
        }
    }

    /// One that is held already is used: the pool may have no other.
    async fn connection_to_describe(&self) -> Result<Loan, UpstreamError> {
        let of_session = self.pool.settings().mode == PoolMode::Session;
        if of_session || self.holdings.is_open_in(self.pool.name()) {
            return Ok(self.holdings.borrow(self.wanted(false)).await?.0);
        }
        self.own_connection().await
    }

    async fn own_connection(&self) -> Result<Loan, UpstreamError> {
        Ok(Loan::own(self.pool.lease(&self.owner, &self.settings, None).await?))
    }

    /// What a policy wrote must not depend on what a user may set: a time zone would move its row filter.
    fn check_clock(&self, sendable: &Sendable) -> Result<(), ForwardError> {
        match sendable.follows_clock.as_ref().filter(|_| !self.settings.is_clock_plain()) {
            None => Ok(()),
            Some(dataset) => Err(ForwardError::NotSupported {
                what: format!(
                    "a session whose TimeZone is not UTC, or whose DateStyle or IntervalStyle was changed, with {dataset}, whose \
                     policy reads dates or times by the session's clock,"
                ),
                hint: "SET TimeZone = 'UTC', or have the policy compare with moments that say their zone, such as \
                       '2024-01-31 12:00:00+00'."
                    .to_owned(),
            }),
        }
    }

    fn extra(&self, extra: ExtraParameter) -> Result<Parameter, ForwardError> {
        let key = self.key.as_ref().ok_or(ForwardError::Broken("it has no key"))?;
        let block = match extra {
            ExtraParameter::InnerKeyBlock => &key.inner,
            ExtraParameter::OuterKeyBlock => &key.outer,
        };
        Ok(Parameter { format: Format::Binary, value: Some(Bytes::copy_from_slice(block.expose())) })
    }
}

/// How many columns an upstream gives: one that says nothing for a statement that writes and returns nothing.
fn width(statement: &GovernedStatement) -> usize {
    match statement.write() {
        Some(write) if write.returning.is_empty() => 1,
        Some(_) | None => statement.output().len(),
    }
}

/// Sends a statement and reads its answer up to its description.
async fn open(
    loan: Loan,
    request: Request<'_>,
    portal: Option<UpstreamPortal>,
    (asked, demand): (Asked, Demand),
) -> Result<(Pages, Option<Arc<[Column]>>), (UpstreamError, Option<Loan>)> {
    let Some(portal) = portal else {
        let run = Run::start(loan, request).await?;
        let columns = run.columns().cloned();
        return Ok((Pages::all(run), columns));
    };
    let page = match asked {
        Asked::Page(rows) => u32::try_from(rows).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs()),
        Asked::All => 0,
    };
    let request = Request { portal: &portal.name, max_rows: page, prepare_only: page == 0, ..request };
    let mut run = Run::start(loan, request).await?;
    let columns = run.columns().cloned();
    if page > 0 {
        return Ok((Pages::of_portal(portal, Some((run, page)), demand), columns));
    }
    // Nothing but the end can come; then the connection is free.
    match run.next().await.map_err(|error| (error, None))? {
        None => {
            drop(run);
            Ok((Pages::of_portal(portal, None, demand), columns))
        }
        Some(_) => Err((UpstreamError::Unusable, None)),
    }
}

/// Which of its parameters' types the server is told.
///
/// In a statement over columns of types of the upstream's own, text is left to the server: a client that can't name such a
/// type is shown it as text, and its value has to be read as one.
#[derive(Debug)]
struct Declared {
    own_types: bool,
}

impl Declared {
    fn new(statement: &GovernedStatement) -> Self {
        let own_types = statement.relations().iter().any(|relation| match &relation.target {
            GovernedTarget::System(_) => false,
            GovernedTarget::Dataset(governed) => governed
                .dataset
                .columns
                .iter()
                .any(|column| governed.used.contains(&column.name) && is_own_type(&column.sql_type)),
        });
        Self { own_types }
    }

    fn told<'a>(&self, given: &'a Option<Type>) -> Option<&'a Type> {
        given.as_ref().filter(|given| match **given {
            Type::UNKNOWN => false,
            Type::TEXT => !self.own_types,
            _ => true,
        })
    }

    fn oids(&self, types: &[Option<Type>], forwarded: &ForwardedStatement) -> Vec<u32> {
        let own = types.iter().map(|given| self.told(given).map_or(0, Type::oid));
        own.chain(forwarded.extra_parameters().iter().map(|_| Type::BYTEA.oid())).collect()
    }

    /// The binary form of text is the text itself, but not that of what the server may take it for.
    fn bound(&self, parameter: &BoundParameter) -> Parameter {
        let text = matches!(parameter.pg_type, Type::TEXT | Type::UNKNOWN);
        let format = if parameter.binary && !text { Format::Binary } else { Format::Text };
        Parameter { format, value: parameter.value.clone() }
    }
}

/// Whether a column's type is the upstream's own: `format_type` names the others without a schema.
fn is_own_type(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Other(name) if name.contains('.'))
}

/// Whether a column's type is not one of PostgreSQL itself.
fn is_own(column: &Column) -> bool {
    Type::from_oid(column.type_oid).is_none()
}

/// Columns of types of the upstream's own come as text, whatever was asked for: they are shown as text, and the binary
/// form of text is the text.
fn as_text_where_own(columns: &[Column], formats: &[Format]) -> Vec<Format> {
    let one = if formats.len() == 1 { formats.first() } else { None };
    if one.is_none() && formats.len() != columns.len() {
        // The server says what is wrong with it.
        return formats.to_vec();
    }
    let wanted = |at: usize| one.or_else(|| formats.get(at)).copied().unwrap_or(Format::Text);
    let each = columns.iter().enumerate();
    each.map(|(at, column)| if is_own(column) { Format::Text } else { wanted(at) }).collect()
}

/// A type of PostgreSQL in the words of catalog and policies.
pub fn sql_type_of(pg_type: &Type) -> SqlType {
    match *pg_type {
        Type::BOOL => SqlType::Boolean,
        Type::INT2 => SqlType::SmallInt,
        Type::INT4 => SqlType::Integer,
        Type::INT8 => SqlType::BigInt,
        Type::FLOAT4 => SqlType::Real,
        Type::FLOAT8 => SqlType::Double,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => SqlType::Text,
        Type::BYTEA => SqlType::Bytea,
        Type::DATE => SqlType::Date,
        Type::TIME => SqlType::Time,
        Type::TIMESTAMP => SqlType::Timestamp,
        Type::TIMESTAMPTZ => SqlType::TimestampTz,
        Type::INTERVAL => SqlType::Interval,
        Type::UUID => SqlType::Uuid,
        Type::JSON | Type::JSONB => SqlType::Json,
        ref other => match other.kind() {
            Kind::Array(of) => SqlType::Array(Box::new(sql_type_of(of))),
            _ => SqlType::Other(other.name().to_owned()),
        },
    }
}
