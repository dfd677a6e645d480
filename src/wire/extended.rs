//! The messages of the extended protocol.

use super::backend;
use super::backend::Plain;
use super::connection::{Connection, Stop, guarded};
use super::frontend::{Frontend, Target};
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// Answers one of Parse, Bind, Describe, Execute and Close. An error makes the caller skip to the next Sync.
    pub(super) async fn extended(&mut self, message: Frontend) -> Result<(), Stop> {
        let armed = self.registration.arm();
        let interrupt = self.interrupt(&armed);
        // Each arm awaits in its own way; what stops one from outside is noted the same for all.
        macro_rules! guard {
            ($work:expr) => {{
                let done = {
                    let work = pin!($work);
                    guarded(&mut self.inbox, &interrupt, work).await
                };
                match done {
                    Ok(result) => result?,
                    Err(stop) => return Err(self.stopped(stop).await),
                }
            }};
        }
        let out = &mut self.outbox.buffer;
        match message {
            Frontend::Parse { name, text, types } => {
                guard!(self.session.parse(&name, &text, &types));
                backend::plain(out, Plain::ParseComplete);
            }
            Frontend::Bind(bind) => {
                guard!(self.session.bind(bind));
                backend::plain(out, Plain::BindComplete);
            }
            Frontend::Describe(Target::Statement(name)) => {
                let description = guard!(self.session.describe_statement(&name));
                backend::parameter_description(out, &description.parameters);
                match description.fields {
                    Some(fields) => backend::row_description(out, &fields),
                    None => backend::plain(out, Plain::NoData),
                }
            }
            Frontend::Describe(Target::Portal(name)) => match guard!(self.session.describe_portal(&name)) {
                Some(fields) => backend::row_description(out, &fields),
                None => backend::plain(out, Plain::NoData),
            },
            Frontend::Execute { portal, max_rows } => {
                let reply = guard!(self.session.execute(&portal, max_rows));
                self.reply(reply, interrupt).await?;
            }
            Frontend::Close(target) => {
                match target {
                    Target::Statement(name) => self.session.close_statement(&name),
                    Target::Portal(name) => self.session.close_portal(&name),
                }
                backend::plain(out, Plain::CloseComplete);
            }
            // These never come here: the connection answers them itself.
            Frontend::Query(_)
            | Frontend::Flush
            | Frontend::Sync
            | Frontend::Terminate
            | Frontend::FunctionCall
            | Frontend::StrayCopy => {}
        }
        Ok(())
    }
}
