//! What a session gives the wire for a statement, and how the wire gives rows back.

use crate::egress::{CopyFormat, FieldDescription, ResultRows};
use crate::error::ErrorReport;
use crate::sql::WriteKind;

/// The answer to one statement.
#[derive(Debug)]
pub enum Reply {
    /// There was no statement.
    Empty,
    /// It is done: CommandComplete.
    Command {
        /// `SET`, `BEGIN`, `MOVE 3` …
        tag: String,
    },
    /// Rows to send.
    Rows(Box<RowsReply>),
    /// Rows to send as a COPY.
    Copy(Box<CopyReply>),
}

/// Rows to send. They go back to [`super::Session::finish_rows`] whatever happens.
#[derive(Debug)]
pub struct RowsReply {
    /// The rows.
    pub rows: ResultRows,
    /// Whether a RowDescription goes before them.
    pub describe: bool,
    /// How many rows may go out in this reply; `None` is all.
    pub max_rows: Option<u64>,
    /// What happens when that many are out: `true` PortalSuspended, `false` CommandComplete.
    pub suspends: bool,
    /// Names the statement when its rows go back.
    pub ticket: ReplyTicket,
    /// For CommandComplete.
    pub tag: RowsTag,
}

/// Rows to send as a COPY; its tag is `COPY n`.
#[derive(Debug)]
pub struct CopyReply {
    /// The rows, already made for the format.
    pub rows: ResultRows,
    /// The format, for CopyOutResponse.
    pub format: CopyFormat,
    /// Names the statement when its rows go back.
    pub ticket: ReplyTicket,
}

/// The command tag of a statement that gave rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsTag {
    /// `SELECT n`
    Select,
    /// `FETCH n`
    Fetch,
    /// `SHOW`
    Show,
    /// `EXPLAIN`
    Explain,
    /// `INSERT 0 n`, `UPDATE n`, `DELETE n`
    Write(WriteKind),
}

impl RowsTag {
    /// The tag, with the number of rows of this reply where PostgreSQL says it.
    pub fn command_tag(self, rows: u64) -> String {
        match self {
            Self::Select => format!("SELECT {rows}"),
            Self::Fetch => format!("FETCH {rows}"),
            Self::Show => "SHOW".to_owned(),
            Self::Explain => "EXPLAIN".to_owned(),
            Self::Write(kind) => kind.tag(rows),
        }
    }
}

/// How the sending of rows ended.
#[derive(Debug)]
pub enum RowsEnd {
    /// All of them are out.
    Done,
    /// As many as were asked for are out; there may be more.
    Suspended,
    /// An error that the client was told.
    Failed(ErrorReport),
}

/// Names the statement that rows belong to. It can't be copied: rows go back once.
#[derive(Debug)]
pub struct ReplyTicket {
    pub(super) id: u64,
    /// Rows that had been sent when the reply was made.
    pub(super) rows_before: u64,
    pub(super) owner: Owner,
}

/// Whose rows they are.
#[derive(Debug)]
pub(super) enum Owner {
    /// A statement's own: they end with it.
    Statement,
    /// A portal's, by its name: what is left stays there.
    Portal(String),
    /// A cursor's, read by a FETCH.
    Cursor {
        /// The cursor.
        cursor: String,
        /// The portal that the FETCH itself runs in, and how many rows it may still give; `None` is all.
        fetch: Option<(String, Option<u64>)>,
    },
}

/// What Describe tells of a prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementDescription {
    /// The parameters' type OIDs.
    pub parameters: Vec<u32>,
    /// The result's columns; `None` is NoData.
    pub fields: Option<Vec<FieldDescription>>,
}
