//! SQL cursors: DECLARE, FETCH, MOVE. They go forward only, for their rows are not kept.

use super::engine::{Binding, Purpose};
use super::portal::{Hold, Portal, PortalState, absent};
use super::query::Execution;
use super::reply::{Owner, Reply, ReplyTicket, RowsReply, RowsTag};
use super::state::Session;
use super::transaction::only_in_blocks;
use crate::egress::{Format, Outcome};
use crate::error::{ErrorReport, SqlState};
use crate::sql::{Declare, Fetch, FetchDirection, ParsedStatement};
use std::sync::Arc;

/// Where a FETCH goes: over so many rows, then through so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Movement {
    skip: u64,
    /// `None` is all that are left.
    take: Option<u64>,
}

/// Where a direction leads from a position: the number of rows that have gone by.
///
/// # Errors
/// 55000 for a way back.
pub(super) fn movement(direction: FetchDirection, position: u64) -> Result<Movement, ErrorReport> {
    let one_after = |skip: u64| Ok(Movement { skip, take: Some(1) });
    match direction {
        FetchDirection::ForwardAll => Ok(Movement { skip: 0, take: None }),
        FetchDirection::Forward(rows) if rows > 0 => Ok(Movement { skip: 0, take: Some(rows) }),
        FetchDirection::Relative(rows) if rows > 0 => one_after(rows.unsigned_abs() - 1),
        FetchDirection::Absolute(row) if row > 0 && row.unsigned_abs() > position => {
            one_after(row.unsigned_abs() - position - 1)
        }
        FetchDirection::Forward(_)
        | FetchDirection::Backward(_)
        | FetchDirection::BackwardAll
        | FetchDirection::Absolute(_)
        | FetchDirection::Relative(_) => Err(ErrorReport::new(SqlState("55000"), "cursor can only scan forward")
            .with_hint("Declare the cursor again to read rows a second time.")),
    }
}

impl Session {
    /// DECLARE: decides and starts the query.
    ///
    /// # Errors
    /// 25P01 outside a block, 42P03, 0A000 for SCROLL, 54000, and what the engine refuses.
    pub(super) async fn declare(
        &mut self,
        statement: &ParsedStatement,
        declare: &Declare,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        if let Err(error) = self.may_declare(declare, execution.text_bytes) {
            return Err(self.refuse(statement, error).await);
        }
        let bytes = declare.name.len().saturating_add(execution.text_bytes);
        let budget = Arc::default(); // a cursor's rows count together, whatever else its query string gives
        let format = if declare.binary { Format::Binary } else { Format::Text };
        let binding =
            Binding { result_formats: &[format.code()], page: Some(0), holds: declare.hold, ..execution.binding() };
        let stream = self.start_query(&declare.query, binding, Purpose::Cursor, &budget).await?;
        let schema = Arc::clone(&stream.schema);
        let formats = vec![format; schema.fields().len()];
        let rows = self.result_rows(stream, formats, Arc::clone(&budget))?;
        let portal = Portal {
            statement: Some(declare.query.clone()),
            parameters: Vec::new(),
            result_formats: vec![format.code()],
            budget,
            depth: self.transaction.depth(),
            state: PortalState::Suspended(Box::new(rows)),
            described: Some(schema),
            fresh: true,
            position: 0,
            hold: if declare.hold { Hold::Asked } else { Hold::Without },
            cursor: Some(declare.binary),
            bytes,
        };
        self.portals.insert(&declare.name, portal)?;
        Ok(Reply::Command { tag: "DECLARE CURSOR".to_owned() })
    }

    fn may_declare(&self, declare: &Declare, text_bytes: usize) -> Result<(), ErrorReport> {
        let unsupported = |what: &str, hint: &str| {
            Err(ErrorReport::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} cursors are not supported"))
                .with_hint(hint))
        };
        if declare.scroll == Some(true) {
            return unsupported(
                "SCROLL",
                "Cursors go forward only; declare the cursor again to read rows a second time.",
            );
        }
        if !self.transaction.in_block() && !declare.hold {
            return Err(only_in_blocks("DECLARE CURSOR"));
        }
        self.portals.has_room(&declare.name, declare.name.len().saturating_add(text_bytes), "cursor")
    }

    /// FETCH.
    ///
    /// # Errors
    /// 34000 for an unknown cursor, 55000 for a way back, what the stream gives.
    pub(super) async fn fetch(
        &mut self,
        statement: &ParsedStatement,
        fetch: &Fetch,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let name = &fetch.cursor;
        let movement = match self.portals.get(name, "cursor").and_then(|c| movement(fetch.direction, c.position)) {
            Ok(movement) => movement,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        self.record(statement, Outcome::Success).await?;
        self.pass_over(name, Some(movement.skip)).await?;
        self.fetch_page(name, movement.take, execution)
    }

    /// Gives the next rows of a cursor: at most `left`, and of these at most what the execution asks for.
    pub(super) fn fetch_page(
        &mut self,
        name: &str,
        left: Option<u64>,
        execution: Execution,
    ) -> Result<Reply, ErrorReport> {
        let id = self.next_ticket();
        let cursor = self.portals.get_mut(name, "cursor")?;
        let columns = cursor.described.as_ref().map_or(0, |schema| schema.fields().len());
        let formats = match cursor.cursor {
            Some(true) => vec![Format::Binary; columns],
            Some(false) | None => Format::spread(&execution.result_formats, columns)?,
        };
        match std::mem::replace(&mut cursor.state, PortalState::Running(id)) {
            PortalState::Suspended(mut rows) => {
                rows.set_formats(formats);
                let max_rows = match (left, execution.max_rows) {
                    (Some(left), Some(most)) => Some(left.min(most)),
                    (left, most) => left.or(most),
                };
                Ok(Reply::Rows(Box::new(RowsReply {
                    describe: execution.portal.is_none(),
                    max_rows,
                    suspends: max_rows != left,
                    tag: RowsTag::Fetch,
                    ticket: ReplyTicket {
                        id,
                        rows_before: rows.rows(),
                        owner: Owner::Cursor {
                            cursor: name.to_owned(),
                            fetch: execution.portal.map(|portal| (portal, left)),
                        },
                    },
                    rows: *rows,
                })))
            }
            PortalState::Done => {
                cursor.state = PortalState::Done;
                let schema = cursor.described.clone().ok_or_else(|| absent(name, "cursor"))?;
                self.no_rows(schema, RowsTag::Fetch, execution)
            }
            state @ (PortalState::Ready | PortalState::Fetching { .. } | PortalState::Ran) => {
                cursor.state = state;
                Err(ErrorReport::new(SqlState("55000"), format!("portal \"{name}\" cannot be run"))
                    .with_hint("FETCH reads cursors, and portals whose first rows have been sent."))
            }
            PortalState::Running(_) => {
                self.portals.close(name);
                Err(absent(name, "cursor"))
            }
        }
    }

    /// MOVE.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) async fn move_cursor(
        &mut self,
        statement: &ParsedStatement,
        fetch: &Fetch,
    ) -> Result<Reply, ErrorReport> {
        let name = &fetch.cursor;
        let movement = match self.portals.get(name, "cursor").and_then(|c| movement(fetch.direction, c.position)) {
            Ok(movement) => movement,
            Err(error) => return Err(self.refuse(statement, error).await),
        };
        self.record(statement, Outcome::Success).await?;
        self.pass_over(name, Some(movement.skip)).await?;
        let moved = self.pass_over(name, movement.take).await?;
        Ok(Reply::Command { tag: format!("MOVE {moved}") })
    }

    /// Moves over rows of a cursor: at most so many, or all. Gives how many there were.
    async fn pass_over(&mut self, name: &str, most: Option<u64>) -> Result<u64, ErrorReport> {
        let id = self.next_ticket();
        let cursor = self.portals.get_mut(name, "cursor")?;
        if most == Some(0) || !matches!(cursor.state, PortalState::Suspended(_)) {
            return Ok(0);
        }
        // While it waits the rows are here: whoever drops this future ends the cursor.
        let PortalState::Suspended(mut rows) = std::mem::replace(&mut cursor.state, PortalState::Running(id)) else {
            return Ok(0);
        };
        let timeout = least(rows.timeout(), self.statement_timeout());
        let skipped = match timeout {
            Some(timeout) => match tokio::time::timeout(timeout, rows.skip(most)).await {
                Ok(skipped) => skipped,
                Err(_) => {
                    Err(ErrorReport::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout"))
                }
            },
            None => rows.skip(most).await,
        };
        match skipped {
            Ok(skipped) => {
                let cursor = self.portals.get_mut(name, "cursor")?;
                cursor.position = cursor.position.saturating_add(skipped);
                if most.is_none_or(|most| skipped < most) {
                    cursor.state = PortalState::Done;
                    rows.finish(Outcome::Success);
                } else {
                    cursor.state = PortalState::Suspended(rows);
                }
                Ok(skipped)
            }
            Err(error) => {
                rows.finish(Outcome::Failed(error.clone()));
                self.portals.close(name);
                Err(error)
            }
        }
    }
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_lead_forward_or_are_refused() {
        use FetchDirection::{Absolute, Backward, BackwardAll, Forward, ForwardAll, Relative};
        for (direction, position, expected) in [
            (Forward(3), 5, Some((0, Some(3)))),
            (ForwardAll, 5, Some((0, None))),
            (Relative(1), 5, Some((0, Some(1)))),
            (Relative(4), 5, Some((3, Some(1)))),
            (Absolute(1), 0, Some((0, Some(1)))),
            (Absolute(7), 5, Some((1, Some(1)))),
            (Absolute(6), 5, Some((0, Some(1)))),
            (Absolute(5), 5, None),
            (Absolute(-1), 5, None),
            (Absolute(i64::MIN), 0, None),
            (Forward(0), 5, None),
            (Relative(0), 5, None),
            (Relative(-1), 5, None),
            (Backward(1), 5, None),
            (BackwardAll, 5, None),
        ] {
            let found = movement(direction, position).ok().map(|movement| (movement.skip, movement.take));
            assert_eq!(found, expected, "{direction:?} from {position}");
        }
        assert_eq!(movement(BackwardAll, 0).unwrap_err().sqlstate.0, "55000");
    }
}
