//! The SASL messages around a SCRAM exchange.

use super::scram::{Channel, Exchange, MECHANISM, MECHANISM_PLUS, ScramError, Verifier, make_verifier, random_nonce};
use crate::error::{ErrorReport, SqlState};
use crate::types::Redacted;
use crate::wire::backend;
use crate::wire::frontend::Body;
use crate::wire::gatekeeper::Gatekeeper;
use crate::wire::guard::Stopped;
use crate::wire::inbox::{Inbox, Unread};
use crate::wire::origin::Origin;
use crate::wire::server::Shared;
use crate::wire::startup::send;
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// A secret of the gateway: what verifiers of unknown users are made from.
pub(in crate::wire) struct AuthSecret {
    key: Redacted<Vec<u8>>,
    /// Read in place of a verifier where there is none, for the time that it takes.
    stand_in: Redacted<String>,
}

impl AuthSecret {
    /// One that is given, or one of this process alone.
    pub(in crate::wire) fn new(given: Option<Redacted<Vec<u8>>>) -> Self {
        Self {
            key: given.unwrap_or_else(|| Redacted::new(rand::random::<[u8; 32]>().to_vec())),
            stand_in: Redacted::new(make_verifier("", 1, &rand::random::<[u8; 16]>())),
        }
    }
}

/// Who wants to come in, by what.
pub(in crate::wire) struct Claim<'a> {
    pub(in crate::wire) user: &'a str,
    pub(in crate::wire) origin: Origin,
    /// `tls-server-end-point`, if the connection has one.
    pub(in crate::wire) end_point: Option<&'a [u8]>,
}

/// Why somebody does not come in.
pub(in crate::wire) enum Denied {
    /// The client has gone.
    Gone,
    /// The password is wrong, or what came was none.
    Refused(ErrorReport),
    /// Earlier ones were wrong: nobody has looked at this one.
    HeldBack(ErrorReport),
}

/// Asks for a proof of the password. It returns without an error only if the proof was right: then `out` holds the last
/// message of the exchange, which is the caller's to send, as is AuthenticationOk. Nothing that tells right from wrong has
/// been sent before it returns.
///
/// # Errors
/// FATAL 28P01 for a wrong password, an unknown user and a user without one, all alike; 08P01 and 28000 for messages
/// that are none.
pub(in crate::wire) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    inbox: &mut Inbox<S>,
    out: &mut BytesMut,
    claim: &Claim<'_>,
    shared: &Shared,
) -> Result<(), Denied> {
    let Claim { user, origin, .. } = *claim;
    let Shared { gatekeeper, secret, guard, .. } = shared;
    if let Some(wait) = guard.wait(user, origin, Instant::now()) {
        return Err(Denied::HeldBack(too_soon(wait)));
    }
    let verifier = verifier(user, gatekeeper.as_ref(), secret);
    let begun = begin(inbox, out, claim, verifier).await;
    let (exchange, client_final) = match begun {
        Ok(begun) => begun,
        Err(Unread::Gone) => return Err(Denied::Gone),
        Err(Unread::Violation(error)) => {
            guard.rubbish(origin, Instant::now());
            return Err(Denied::Refused(error));
        }
    };
    match guard.attempt(user, origin, Instant::now(), || exchange.finish(&client_final)) {
        Ok(server_final) => {
            backend::authentication_sasl_final(out, &server_final);
            Ok(())
        }
        Err(Stopped::TooSoon(wait)) => Err(Denied::HeldBack(too_soon(wait))),
        Err(Stopped::Wrong(error)) => Err(Denied::Refused(refusal(error, user))),
    }
}

/// A user's verifier, or one made up. Both are made, whichever is taken: that there is a user must not show in the time
/// that it takes.
fn verifier(user: &str, gatekeeper: &dyn Gatekeeper, secret: &AuthSecret) -> Verifier {
    let made_up = Verifier::made_up(secret.key.expose(), user, |number| gatekeeper.decoy_form(number));
    let stored = gatekeeper.verifier(user);
    let is_there = stored.is_some();
    let stored = stored.unwrap_or_else(|| secret.stand_in.clone());
    Verifier::parse(stored.expose()).filter(|_| is_there).unwrap_or(made_up)
}

/// The exchange up to the client's proof.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    inbox: &mut Inbox<S>,
    out: &mut BytesMut,
    claim: &Claim<'_>,
    verifier: Verifier,
) -> Result<(Exchange, Bytes), Unread> {
    let Claim { user, end_point, .. } = *claim;
    match end_point {
        Some(_) => backend::authentication_sasl(out, &[MECHANISM_PLUS, MECHANISM]),
        None => backend::authentication_sasl(out, &[MECHANISM]),
    }
    send(inbox.stream(), out).await?;

    let (_, body) = inbox.message().await?;
    let mut initial = Body(body);
    let mechanism = initial.text().map_err(fatal)?;
    let plus = match mechanism.as_str() {
        MECHANISM => false,
        MECHANISM_PLUS if end_point.is_some() => true,
        _ => return Err(violation("client selected an invalid SASL authentication mechanism")),
    };
    let client_first = initial.value().map_err(fatal)?.ok_or_else(|| violation("malformed SCRAM message"))?;
    initial.end().map_err(fatal)?;
    let channel = Channel { end_point, plus };
    let (exchange, server_first) = Exchange::begin(verifier, channel, &random_nonce(), &client_first)
        .map_err(|error| Unread::Violation(refusal(error, user)))?;
    backend::authentication_sasl_continue(out, &server_first);
    send(inbox.stream(), out).await?;
    let (_, client_final) = inbox.message().await?;
    Ok((exchange, client_final))
}

/// The same words for everybody: neither who is there nor whose fault it is shows in them.
fn too_soon(wait: Duration) -> ErrorReport {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    ErrorReport::fatal(SqlState::INVALID_AUTHORIZATION, "too many failed log-ins")
        .with_detail("The password was not looked at.")
        .with_hint(format!("Try again in {seconds} s."))
}

fn refusal(error: ScramError, user: &str) -> ErrorReport {
    match error {
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
    }
}

fn fatal(error: ErrorReport) -> Unread {
    Unread::Violation(ErrorReport { severity: crate::error::Severity::Fatal, ..error })
}

fn violation(message: &str) -> Unread {
    Unread::Violation(ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, message))
}
