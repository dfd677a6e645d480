//! The SASL messages around a SCRAM exchange.

use super::scram::{Channel, Exchange, MECHANISM, MECHANISM_PLUS, ScramError, Verifier, random_nonce};
use crate::error::{ErrorReport, SqlState};
use crate::types::Redacted;
use crate::wire::backend;
use crate::wire::frontend::Body;
use crate::wire::inbox::{Inbox, Unread};
use crate::wire::startup::send;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

/// A secret of this process: what verifiers of unknown users are made from.
pub(in crate::wire) struct AuthSecret(zeroize::Zeroizing<[u8; 32]>);

impl AuthSecret {
    pub(in crate::wire) fn new() -> Self {
        Self(zeroize::Zeroizing::new(rand::random()))
    }
}

/// Asks for a proof of the password. It returns without an error only if the proof was right; AuthenticationOk is the
/// caller's to send.
///
/// # Errors
/// FATAL 28P01 for a wrong password, an unknown user and a user without one, all alike; 08P01 and 28000 for messages
/// that are none; [`Unread::Gone`].
pub(in crate::wire) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    inbox: &mut Inbox<S>,
    user: &str,
    stored: Option<&Redacted<String>>,
    end_point: Option<&[u8]>,
    secret: &AuthSecret,
) -> Result<(), Unread> {
    let verifier = stored
        .and_then(|stored| Verifier::parse(stored.expose()))
        .unwrap_or_else(|| Verifier::made_up(&secret.0, user));
    let mut out = BytesMut::new();
    match end_point {
        Some(_) => backend::authentication_sasl(&mut out, &[MECHANISM_PLUS, MECHANISM]),
        None => backend::authentication_sasl(&mut out, &[MECHANISM]),
    }
    send(inbox.stream(), &mut out).await?;

    let mut initial = Body(password_message(inbox).await?);
    let mechanism = initial.text().map_err(fatal)?;
    let plus = match mechanism.as_str() {
        MECHANISM => false,
        MECHANISM_PLUS if end_point.is_some() => true,
        _ => return Err(violation("client selected an invalid SASL authentication mechanism")),
    };
    let client_first = initial.value().map_err(fatal)?.ok_or_else(|| violation("malformed SCRAM message"))?;
    initial.end().map_err(fatal)?;
    let channel = Channel { end_point, plus };
    let (exchange, server_first) =
        Exchange::begin(verifier, channel, &random_nonce(), &client_first).map_err(|error| refusal(error, user))?;
    backend::authentication_sasl_continue(&mut out, &server_first);
    send(inbox.stream(), &mut out).await?;

    let client_final = password_message(inbox).await?;
    let server_final = exchange.finish(&client_final).map_err(|error| refusal(error, user))?;
    backend::authentication_sasl_final(&mut out, &server_final);
    send(inbox.stream(), &mut out).await
}

async fn password_message<S: AsyncRead + AsyncWrite + Unpin>(inbox: &mut Inbox<S>) -> Result<Bytes, Unread> {
    match inbox.message().await? {
        (b'p', body) => Ok(body),
        (other, _) => Err(violation(&format!("expected SASL response, got message type {other}"))),
    }
}

fn refusal(error: ScramError, user: &str) -> Unread {
    let report = match error {
        ScramError::Proof => ErrorReport::fatal(
            SqlState::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        ),
        ScramError::ChannelBinding => {
            ErrorReport::fatal(SqlState::INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error")
                .with_detail("What the client says of the encrypted channel does not go with what the server offered.")
        }
        ScramError::Unsupported => {
            ErrorReport::fatal(SqlState::FEATURE_NOT_SUPPORTED, "client requires an unsupported SCRAM extension")
        }
        ScramError::Malformed => ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "malformed SCRAM message"),
    };
    Unread::Violation(report)
}

fn fatal(error: ErrorReport) -> Unread {
    Unread::Violation(ErrorReport { severity: crate::error::Severity::Fatal, ..error })
}

fn violation(message: &str) -> Unread {
    Unread::Violation(ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, message))
}
