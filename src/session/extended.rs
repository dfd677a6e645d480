//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync.
//!
//! INVARIANT: nothing is decided at Parse. A description is what a decision said then; each run decides anew.

use super::command::ends_failure;
use super::parameter;
use super::portal::{Hold, Portal, PortalState};
use super::prepared::Prepared;
use super::query::{Execution, explain_schema, shown_schema};
use super::reply::{Owner, Reply, ReplyTicket, RowsReply, RowsTag, StatementDescription};
use super::state::Session;
use super::transaction::failed_transaction;
use crate::egress::{FieldDescription, Format, field_descriptions};
use crate::error::{ErrorReport, SqlState};
use crate::sql::{self, Command, ParsedStatement};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use postgres_types::Type;
use std::sync::Arc;

/// A Bind message.
#[derive(Debug)]
pub struct BindRequest {
    /// The portal to make; "" is the unnamed one.
    pub portal: String,
    /// The prepared statement to make it from.
    pub statement: String,
    /// The parameters' values; `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    /// Their format codes: none, one for all, or one each.
    pub parameter_formats: Vec<i16>,
    /// The result columns' format codes: none, one for all, or one each.
    pub result_formats: Vec<i16>,
}

/// What describing a statement found.
struct Described {
    parameters: Vec<Type>,
    schema: Option<SchemaRef>,
}

impl Session {
    /// Parse: reads one statement and keeps it.
    ///
    /// # Errors
    /// 42601 for more than one statement or none that can be read, 42P05, 25P02, 54000, and what describing it says.
    pub async fn parse(&mut self, name: &str, text: &str, type_oids: &[u32]) -> Result<(), ErrorReport> {
        let result = self.parse_statement(name, text, type_oids).await;
        result.inspect_err(|error| self.failed(error))
    }

    /// Bind: makes a portal. Nothing runs yet.
    ///
    /// # Errors
    /// 26000, 42P03, 08P01, 25P02, 54000, 22… for values that their type can't be.
    pub async fn bind(&mut self, bind: BindRequest) -> Result<(), ErrorReport> {
        let result = self.bind_portal(bind);
        result.inspect_err(|error| self.failed(error))
    }

    /// Describe of a prepared statement.
    ///
    /// # Errors
    /// 26000, 25P02, and what describing it says.
    pub async fn describe_statement(&mut self, name: &str) -> Result<StatementDescription, ErrorReport> {
        let result = self.describe_prepared(name).await;
        result.inspect_err(|error| self.failed(error))
    }

    /// Describe of a portal; `None` is NoData. It does not run it.
    ///
    /// # Errors
    /// 34000, 25P02, and what describing its statement says.
    pub async fn describe_portal(&mut self, name: &str) -> Result<Option<Vec<FieldDescription>>, ErrorReport> {
        let result = self.describe_bound(name).await;
        result.inspect_err(|error| self.failed(error))
    }

    /// Execute: runs a portal, or goes on with one; at most so many rows, 0 is all.
    ///
    /// # Errors
    /// 34000, 25P02, 55000 for a command that ran already, and what the statement is refused with.
    pub async fn execute(&mut self, portal: &str, max_rows: u32) -> Result<Reply, ErrorReport> {
        let result = self.execute_portal(portal, max_rows).await;
        result.inspect_err(|error| self.failed(error))
    }

    /// Close of a prepared statement; it is no error if there is none.
    pub fn close_statement(&mut self, name: &str) {
        self.prepared.remove(name);
    }

    /// Close of a portal; it is no error if there is none.
    pub fn close_portal(&mut self, name: &str) {
        self.portals.close(name);
    }

    /// Sync: what ran outside a block is over, and so are its portals.
    ///
    /// # Errors
    /// What ran was a transaction, and that can't be committed.
    pub async fn sync(&mut self) -> Result<(), ErrorReport> {
        self.prepared.age();
        self.portals.age();
        self.end_implicit().await
    }

    async fn parse_statement(&mut self, name: &str, text: &str, type_oids: &[u32]) -> Result<(), ErrorReport> {
        if name.is_empty() {
            self.prepared.remove("");
        }
        let mut statements = self.read(text).await?.into_iter();
        let statement = statements.next();
        let bytes = name.len().saturating_add(text.len());
        let refusal = if statements.next().is_some() {
            Some(ErrorReport::new(SqlState::SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement"))
        } else {
            self.prepared.has_room(name, bytes).err()
        };
        let Some(statement) = statement else {
            return match refusal {
                Some(error) => Err(error),
                None => self.keep(name, None, Described { parameters: Vec::new(), schema: None }, bytes),
            };
        };
        let given = parameter::types_given(type_oids);
        let given = match (refusal, given) {
            (Some(error), _) | (None, Err(error)) => return Err(self.refuse(&statement, error).await),
            (None, Ok(given)) => given,
        };
        let mut described = self.describe(&statement, &given).await?;
        // A client may give more types than there are parameters; it then has to bind as many.
        for given in given.into_iter().skip(described.parameters.len()) {
            described.parameters.push(given.unwrap_or(Type::TEXT));
        }
        self.keep(name, Some(statement), described, bytes)
    }

    fn keep(
        &mut self,
        name: &str,
        statement: Option<ParsedStatement>,
        described: Described,
        bytes: usize,
    ) -> Result<(), ErrorReport> {
        let Described { parameters, schema } = described;
        self.prepared.insert(name, Prepared { statement, parameters, schema, fresh: true, bytes })
    }

    /// What a statement takes and gives. A refusal is recorded: the client is told of it, and may go no further.
    async fn describe(
        &mut self,
        statement: &ParsedStatement,
        given: &[Option<Type>],
    ) -> Result<Described, ErrorReport> {
        match self.try_describe(statement, given).await {
            Ok(described) => Ok(described),
            Err(error) => Err(self.refuse(statement, error).await),
        }
    }

    async fn try_describe(
        &mut self,
        statement: &ParsedStatement,
        given: &[Option<Type>],
    ) -> Result<Described, ErrorReport> {
        let command = sql::command(statement);
        if self.transaction.has_failed() && !command.as_ref().is_ok_and(ends_failure) {
            return Err(failed_transaction());
        }
        let nothing = |schema| Ok(Described { parameters: Vec::new(), schema });
        match command.map_err(|refused| refused.report())? {
            Command::Query => self.describe_query(statement, given).await,
            Command::Write(write) if !self.engine.may_write() => Err(write.kind.refused()),
            Command::Write(_) => self.describe_query(statement, given).await,
            Command::CopyOut(copy) => Ok(Described { schema: None, ..self.describe_query(&copy.query, given).await? }),
            Command::Declare(declare) => {
                Ok(Described { schema: None, ..self.describe_query(&declare.query, given).await? })
            }
            Command::Explain(explain) => {
                let schema = Some(explain_schema());
                match sql::command(&explain.statement) {
                    Ok(Command::Query) => {
                        Ok(Described { schema, ..self.describe_query(&explain.statement, given).await? })
                    }
                    Ok(Command::Declare(declare)) => {
                        Ok(Described { schema, ..self.describe_query(&declare.query, given).await? })
                    }
                    // Whatever else it is, running it says what is wrong.
                    Ok(_) | Err(_) => nothing(schema),
                }
            }
            Command::Fetch(fetch) => {
                nothing(self.portals.get(&fetch.cursor, "cursor").ok().and_then(|cursor| cursor.described.clone()))
            }
            Command::Execute(execute) => {
                nothing(self.prepared.get(&execute.name).ok().and_then(|prepared| prepared.schema.clone()))
            }
            Command::Show(target) => {
                let shown = self.shown(target)?;
                nothing(Some(shown_schema(target, &shown)))
            }
            Command::Move(_)
            | Command::CloseCursor(_)
            | Command::Prepare(_)
            | Command::Deallocate(_)
            | Command::Set(_)
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
            | Command::Discard(_)
            | Command::Unlisten => nothing(None),
        }
    }

    async fn describe_query(
        &mut self,
        query: &ParsedStatement,
        given: &[Option<Type>],
    ) -> Result<Described, ErrorReport> {
        let context = self.context();
        let engine = Arc::clone(&self.engine);
        let description = engine.describe(&context, query, given).await?;
        Ok(Described { parameters: description.parameters, schema: description.schema })
    }

    fn bind_portal(&mut self, bind: BindRequest) -> Result<(), ErrorReport> {
        let BindRequest { portal: name, statement, parameters, parameter_formats, result_formats } = bind;
        let prepared = self.prepared.get(&statement)?.clone();
        if self.transaction.has_failed() && prepared.statement.as_ref().is_some_and(|s| !may_end_failure(s)) {
            return Err(failed_transaction());
        }
        let bytes = parameters.iter().fold(name.len().saturating_add(prepared.bytes), |sum, value| {
            sum.saturating_add(8).saturating_add(value.as_ref().map_or(0, Bytes::len))
        });
        self.portals.has_room(&name, bytes, "portal")?;
        let parameters = parameter::bound(&statement, &prepared.parameters, parameters, &parameter_formats)?;
        if let Some(schema) = &prepared.schema {
            Format::spread(&result_formats, schema.fields().len())?;
        }
        self.portals.insert(
            &name,
            Portal {
                statement: prepared.statement,
                parameters,
                result_formats,
                budget: Arc::default(),
                depth: self.transaction.depth(),
                state: PortalState::Ready,
                described: prepared.schema,
                fresh: prepared.fresh,
                position: 0,
                hold: Hold::Without,
                cursor: None,
                bytes,
            },
        )
    }

    async fn describe_prepared(&mut self, name: &str) -> Result<StatementDescription, ErrorReport> {
        let prepared = self.prepared.get(name)?.clone();
        let (mut parameters, mut schema) = (prepared.parameters, prepared.schema);
        if let Some(statement) = &prepared.statement {
            if self.transaction.has_failed() && schema.is_some() {
                return Err(self.refuse(statement, failed_transaction()).await);
            }
            if !prepared.fresh && !self.transaction.has_failed() {
                let given: Vec<Option<Type>> = parameters.iter().cloned().map(Some).collect();
                let described = self.describe(statement, &given).await?;
                // The types that the client may have bound to already stay.
                parameters.extend(described.parameters.into_iter().skip(parameters.len()));
                schema = described.schema;
                self.prepared.described(name, parameters.clone(), schema.clone());
            }
        }
        Ok(StatementDescription {
            parameters: parameters.iter().map(Type::oid).collect(),
            fields: schema.map(|schema| field_descriptions(&schema, &[])).transpose()?,
        })
    }

    async fn describe_bound(&mut self, name: &str) -> Result<Option<Vec<FieldDescription>>, ErrorReport> {
        let portal = self.portals.get(name, "portal")?;
        let (statement, formats, fresh) = (portal.statement.clone(), portal.result_formats.clone(), portal.fresh);
        let ready = matches!(portal.state, PortalState::Ready);
        let mut schema = portal.described.clone();
        if let Some(statement) = statement {
            if self.transaction.has_failed() && schema.is_some() {
                return Err(self.refuse(&statement, failed_transaction()).await);
            }
            if ready && !fresh && !self.transaction.has_failed() {
                let given: Vec<Option<Type>> =
                    portal.parameters.iter().map(|parameter| Some(parameter.pg_type.clone())).collect();
                schema = self.describe(&statement, &given).await?.schema;
                let portal = self.portals.get_mut(name, "portal")?;
                portal.described.clone_from(&schema);
                portal.fresh = true;
            }
        }
        let Some(schema) = schema else { return Ok(None) };
        let formats = Format::spread(&formats, schema.fields().len())?;
        field_descriptions(&schema, &formats).map(Some)
    }

    async fn execute_portal(&mut self, name: &str, max_rows: u32) -> Result<Reply, ErrorReport> {
        let id = self.next_ticket();
        let failed = self.transaction.has_failed();
        let portal = self.portals.get_mut(name, "portal")?;
        let Some(statement) = portal.statement.clone() else { return Ok(Reply::Empty) };
        if failed && !may_end_failure(&statement) {
            return Err(self.refuse(&statement, failed_transaction()).await);
        }
        let max_rows = Some(u64::from(max_rows)).filter(|rows| *rows > 0);
        let execution = Execution {
            parameters: portal.parameters.clone(),
            result_formats: portal.result_formats.clone(),
            max_rows,
            text_bytes: portal.bytes,
            budget: Arc::clone(&portal.budget),
            portal: Some(name.to_owned()),
            expected: portal.described.clone(),
        };
        match std::mem::replace(&mut portal.state, PortalState::Running(id)) {
            PortalState::Ready => {
                let reply = self.perform(&statement, execution).await?;
                if let (Reply::Command { .. } | Reply::Copy(_), Ok(portal)) =
                    (&reply, self.portals.get_mut(name, "portal"))
                {
                    portal.state = PortalState::Ran;
                }
                Ok(reply)
            }
            PortalState::Suspended(rows) => Ok(Reply::Rows(Box::new(RowsReply {
                describe: false,
                max_rows,
                suspends: true,
                ticket: ReplyTicket { id, rows_before: rows.rows(), owner: Owner::Portal(name.to_owned()) },
                tag: rows_tag(&statement),
                rows: *rows,
            }))),
            PortalState::Fetching { cursor, left } => self.fetch_page(&cursor, left, execution),
            PortalState::Done => {
                portal.state = PortalState::Done;
                Ok(Reply::Command { tag: rows_tag(&statement).command_tag(0) })
            }
            PortalState::Ran => {
                portal.state = PortalState::Ran;
                Err(ErrorReport::new(SqlState("55000"), format!("portal \"{name}\" cannot be run")))
            }
            PortalState::Running(_) => {
                self.portals.close(name);
                Err(super::portal::absent(name, "portal"))
            }
        }
    }
}

fn may_end_failure(statement: &ParsedStatement) -> bool {
    sql::command(statement).as_ref().is_ok_and(ends_failure)
}

/// The tag of a statement that gives rows.
fn rows_tag(statement: &ParsedStatement) -> RowsTag {
    match sql::command(statement) {
        Ok(Command::Fetch(_)) => RowsTag::Fetch,
        Ok(Command::Show(_)) => RowsTag::Show,
        Ok(Command::Explain(_)) => RowsTag::Explain,
        Ok(Command::Write(write)) => RowsTag::Write(write.kind),
        Ok(_) | Err(_) => RowsTag::Select,
    }
}
