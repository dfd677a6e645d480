//! One statement to run, and its way onto the wire.

use super::connection::Connection;
use super::error::ProtocolError;
use super::message::Format;
use super::statements::{Lookup, Shape, name};
use bytes::{BufMut, Bytes, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use tokio::time::Instant;

/// Commands after which nothing of the session is other than before. After any other one it is reset.
const PLAIN: [&str; 14] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "COPY",
    "FETCH",
    "EXPLAIN",
    "SHOW",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
];

/// One parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// How the value is written.
    pub format: Format,
    /// The value; `None` is NULL.
    pub value: Option<Bytes>,
}

/// One statement to run.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its text: what was governed, printed and verified.
    pub text: &'a str,
    /// The types of its parameters; zero, or none at all, leaves one to the server.
    pub parameter_types: &'a [u32],
    /// Its parameters.
    pub parameters: &'a [Parameter],
    /// How columns are to come: one for each, one for all, or none for text.
    pub result_formats: &'a [Format],
    /// The portal: empty, or a name that outlives the statement in its transaction.
    pub portal: &'a str,
    /// The portal is made and described, and not run: its rows are for [`Run::resume_portal`](super::Run).
    pub prepare_only: bool,
    /// How many rows are wanted before it is suspended; zero is all.
    pub max_rows: u32,
    /// It is for another role, and ends the transaction that [`Lease::act_as`](super::Lease) began for it.
    pub acts: bool,
    /// When it is stopped.
    pub deadline: Option<Instant>,
}

impl<'a> Request<'a> {
    /// A statement without parameters: all its rows, as text.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            parameter_types: &[],
            parameters: &[],
            result_formats: &[],
            portal: "",
            prepare_only: false,
            max_rows: 0,
            acts: false,
            deadline: None,
        }
    }
}

/// What a statement that ended says: `SELECT 5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTag(pub String);

impl CommandTag {
    /// How many rows it says.
    pub fn rows(&self) -> Option<u64> {
        self.0.rsplit(' ').next()?.parse().ok()
    }

    /// Whether a session is after it what it was before.
    pub(super) fn is_plain(&self) -> bool {
        self.0.is_empty() || self.0.split(' ').next().is_some_and(|word| PLAIN.contains(&word))
    }
}

/// What was sent to have a statement run, as far as the answer's reader has to know.
pub(super) struct Sent<'a> {
    pub(super) request: Request<'a>,
    pub(super) lookup: Lookup,
    /// What the answer looks like, if that is known: then no description is asked for.
    pub(super) shape: Option<Shape>,
}

/// Puts a statement into what is to be sent. Nothing is sent if any part of it can't be.
pub(super) fn encode<'a>(
    connection: &mut Connection,
    request: Request<'a>,
    by_flush: bool,
) -> Result<Sent<'a>, ProtocolError> {
    let unsendable = |_| ProtocolError::Unsendable;
    let lookup = connection.statements.look_up(request.text, request.parameter_types);
    let mut out = std::mem::take(&mut connection.out);
    let statement = match lookup {
        Lookup::Held(number) | Lookup::New { name: number, .. } => name(number),
        Lookup::Unnamed => String::new(),
    };
    if let Lookup::New { evicted: Some(evicted), .. } = lookup {
        connection.closing.push(evicted);
    }
    for closed in &connection.closing {
        frontend::close(b'S', &name(*closed), &mut out).map_err(unsendable)?;
    }
    for portal in &connection.closing_portals {
        frontend::close(b'P', portal, &mut out).map_err(unsendable)?;
    }
    match lookup {
        Lookup::Held(_) => {}
        Lookup::New { .. } | Lookup::Unnamed => {
            let types = request.parameter_types.iter().copied();
            frontend::parse(&statement, request.text, types, &mut out).map_err(unsendable)?;
        }
    }
    bind(&request, &statement, &mut out)?;
    let shape = match lookup {
        Lookup::Held(_) => connection.statements.shape(request.text, request.parameter_types, request.result_formats),
        Lookup::New { .. } | Lookup::Unnamed => None,
    };
    if shape.is_none() {
        frontend::describe(b'P', request.portal, &mut out).map_err(unsendable)?;
    }
    connection.out = out;
    if request.prepare_only {
        connection.sync();
    } else {
        execute(connection, request.portal, request.max_rows, by_flush)?;
    }
    if request.acts {
        // Whatever comes of the statement, this ends the transaction: after an error it is a ROLLBACK.
        frontend::query("COMMIT", &mut connection.out).map_err(unsendable)?;
        connection.owes_ready();
    }
    connection.closing.clear();
    connection.closing_portals.clear();
    Ok(Sent { request, lookup, shape })
}

fn bind(request: &Request<'_>, statement: &str, out: &mut BytesMut) -> Result<(), ProtocolError> {
    let written = frontend::bind(
        request.portal,
        statement,
        request.parameters.iter().map(|parameter| parameter.format.code()),
        request.parameters,
        |parameter, out| {
            Ok(match &parameter.value {
                None => IsNull::Yes,
                Some(value) => {
                    out.put_slice(value);
                    IsNull::No
                }
            })
        },
        request.result_formats.iter().map(|format| format.code()),
        out,
    );
    written.map_err(|_| ProtocolError::Unsendable)
}

/// Has a portal send its rows: up to a Sync, or only flushed, so that a portal outside of a transaction block lives on.
pub(super) fn execute(
    connection: &mut Connection,
    portal: &str,
    max_rows: u32,
    by_flush: bool,
) -> Result<(), ProtocolError> {
    let max_rows = i32::try_from(max_rows).map_err(|_| ProtocolError::Unsendable)?;
    frontend::execute(portal, max_rows, &mut connection.out).map_err(|_| ProtocolError::Unsendable)?;
    if by_flush {
        frontend::flush(&mut connection.out);
        connection.owes_sync();
    } else {
        connection.sync();
    }
    Ok(())
}
