//! Logging in: passwords in the clear over private streams only, MD5, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.

use super::connection::{Connection, Heard};
use super::dsn::{ChannelBinding, Dsn};
use super::error::{LoginError, ProtocolError, UpstreamError};
use super::frame::Frame;
use super::message::Body;
use bytes::Bytes;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::backend::{AUTHENTICATION_TAG, READY_FOR_QUERY_TAG};
use postgres_protocol::message::frontend;
use std::io;
use zeroize::Zeroize;

/// "Authentication…" messages by their number.
const OK: i32 = 0;
const CLEAR_TEXT: i32 = 3;
const MD5: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// Answers what the server asks for until it says that the login is done.
pub(super) async fn log_in(connection: &mut Connection, dsn: &Dsn) -> Result<(), UpstreamError> {
    let (method, body) = asked(connection).await?;
    let bound = match method {
        OK => false,
        CLEAR_TEXT if connection.transport().is_private() => {
            send_password(connection, password(dsn)?.as_bytes()).await?;
            done(connection).await?;
            false
        }
        CLEAR_TEXT => return Err(LoginError::ClearText.into()),
        MD5 => {
            let salt: [u8; 4] = Body { tag: AUTHENTICATION_TAG, rest: &body }.array()?;
            let mut answer = md5_hash(dsn.user.as_bytes(), password(dsn)?.as_bytes(), salt);
            send_password(connection, answer.as_bytes()).await?;
            answer.zeroize();
            done(connection).await?;
            false
        }
        SASL => scram(connection, dsn, &body).await?,
        other => return Err(LoginError::Method(other).into()),
    };
    // A server that lets everybody in, or asks for less, is not bound to anything.
    if dsn.channel_binding == ChannelBinding::Require && !bound {
        return Err(LoginError::NoChannelBinding.into());
    }
    Ok(())
}

fn password(dsn: &Dsn) -> Result<&str, LoginError> {
    dsn.password.as_ref().map(|password| password.expose().as_str()).ok_or(LoginError::NoPassword)
}

async fn send_password(connection: &mut Connection, password: &[u8]) -> Result<(), UpstreamError> {
    frontend::password_message(password, &mut connection.out).map_err(|_| ProtocolError::Unsendable)?;
    connection.send().await
}

/// The next authentication message: its number and what follows it.
async fn asked(connection: &mut Connection) -> Result<(i32, Bytes), UpstreamError> {
    loop {
        let frame: Frame = connection.frame().await?;
        match connection.absorb(frame)? {
            None | Some(Heard::Notice(_)) => {}
            Some(Heard::Error(error)) => {
                connection.break_off();
                return Err(UpstreamError::Server(Box::new(error)));
            }
            Some(Heard::Other(frame)) if frame.tag == AUTHENTICATION_TAG => {
                let mut body = Body { tag: frame.tag, rest: &frame.body };
                let method = i32::from_be_bytes(body.array()?);
                return Ok((method, frame.body.slice(4..)));
            }
            Some(Heard::Other(frame)) => return Err(connection.unexpected(frame.tag)),
            Some(Heard::Ready) => return Err(connection.unexpected(READY_FOR_QUERY_TAG)),
        }
    }
}

async fn done(connection: &mut Connection) -> Result<(), UpstreamError> {
    match asked(connection).await? {
        (OK, _) => Ok(()),
        (other, _) => Err(LoginError::Method(other).into()),
    }
}

/// The SCRAM exchange. Whether it was bound to the TLS connection.
async fn scram(connection: &mut Connection, dsn: &Dsn, offered: &[u8]) -> Result<bool, UpstreamError> {
    let offers = |mechanism: &str| offered.split(|byte| *byte == 0).any(|one| one == mechanism.as_bytes());
    let end_point = connection.transport().end_point().filter(|_| dsn.channel_binding != ChannelBinding::Disable);
    let (mechanism, binding, bound) = match end_point {
        Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
            (SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash), true)
        }
        _ if dsn.channel_binding == ChannelBinding::Require => return Err(LoginError::NoChannelBinding.into()),
        // "We could, and you did not offer it": a server that did offer it then knows that somebody took it out.
        Some(_) if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, sasl::ChannelBinding::unrequested(), false),
        None if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, sasl::ChannelBinding::unsupported(), false),
        _ => return Err(LoginError::Mechanism.into()),
    };
    let mut exchange = ScramSha256::new(password(dsn)?.as_bytes(), binding);
    let unsendable = |_: io::Error| UpstreamError::Protocol(ProtocolError::Unsendable);
    frontend::sasl_initial_response(mechanism, exchange.message(), &mut connection.out).map_err(unsendable)?;
    connection.send().await?;
    let (SASL_CONTINUE, body) = asked(connection).await? else { return Err(LoginError::Scram.into()) };
    exchange.update(&body).map_err(|_| LoginError::Scram)?;
    frontend::sasl_response(exchange.message(), &mut connection.out).map_err(unsendable)?;
    connection.send().await?;
    // INVARIANT: no AuthenticationOk counts before the server has shown that it knows the password too.
    let (SASL_FINAL, body) = asked(connection).await? else { return Err(LoginError::Scram.into()) };
    exchange.finish(&body).map_err(|_| LoginError::Scram)?;
    done(connection).await?;
    Ok(bound)
}
