//! What a statement takes and gives, asked of the upstream without running it.

use super::connection::Heard;
use super::error::{ProtocolError, UpstreamError};
use super::lease::Lease;
use super::message::{self, Column};
use postgres_protocol::message::backend::{
    CLOSE_COMPLETE_TAG, NO_DATA_TAG, PARAMETER_DESCRIPTION_TAG, PARSE_COMPLETE_TAG, ROW_DESCRIPTION_TAG,
};
use postgres_protocol::message::frontend;
use std::sync::Arc;
use tokio::time::Instant;

/// What a statement takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The OIDs of its parameters' types.
    pub parameters: Vec<u32>,
    /// Its columns; `None`: it gives no rows.
    pub columns: Option<Arc<[Column]>>,
}

impl Lease {
    /// Has the upstream work out a statement's types. Nothing runs, and nothing is kept there.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub async fn describe(
        &mut self,
        text: &str,
        parameter_types: &[u32],
        deadline: Option<Instant>,
    ) -> Result<Described, UpstreamError> {
        self.make_ready().await?;
        let connection = self.connection();
        let written = frontend::parse("", text, parameter_types.iter().copied(), &mut connection.out)
            .and_then(|()| frontend::describe(b'S', "", &mut connection.out))
            .and_then(|()| frontend::close(b'S', "", &mut connection.out));
        if written.is_err() {
            connection.out.clear();
            return Err(ProtocolError::Unsendable.into());
        }
        connection.sync();
        let described = self.described(deadline).await;
        if matches!(described, Err(UpstreamError::Deadline)) {
            self.stop().await;
        }
        described
    }

    async fn described(&mut self, deadline: Option<Instant>) -> Result<Described, UpstreamError> {
        self.send_until(deadline).await?;
        let (mut described, mut failed) = (Described { parameters: Vec::new(), columns: None }, None);
        loop {
            let connection = self.connection();
            let Some(frame) = connection.buffered()? else {
                self.fill_until(deadline).await?;
                continue;
            };
            match connection.absorb(frame)? {
                None | Some(Heard::Notice(_)) => {}
                Some(Heard::Error(error)) if error.is_fatal() => return Err(UpstreamError::Server(Box::new(error))),
                Some(Heard::Error(error)) => _ = failed.get_or_insert(error),
                Some(Heard::Ready) => break,
                Some(Heard::Other(frame)) => match frame.tag {
                    PARSE_COMPLETE_TAG | NO_DATA_TAG | CLOSE_COMPLETE_TAG => {}
                    PARAMETER_DESCRIPTION_TAG => {
                        let types = message::parameter_types(&frame.body);
                        described.parameters = types.map_err(|error| connection.bad(error))?;
                    }
                    ROW_DESCRIPTION_TAG => {
                        let columns = message::columns(&frame.body).map_err(|error| connection.bad(error))?;
                        described.columns = Some(columns.into());
                    }
                    other => return Err(connection.unexpected(other)),
                },
            }
        }
        failed.map_or(Ok(described), |error| Err(UpstreamError::Server(Box::new(error))))
    }
}
