//! Accepting connections, one task each, and letting them end when the server does.

use super::auth::{AuthSecret, Claim, Denied, authenticate};
use super::backend;
use super::cancel::{CancelRegistry, Cancelled};
use super::config::WireConfig;
use super::connection::Connection;
use super::gatekeeper::{Gatekeeper, LoginAttempt, SessionOpening};
use super::guard::{CancelGuard, LoginGuard};
use super::inbox::{Expect, Inbox, Unread};
use super::interrupt::{Phase, shutting_down};
use super::origin::Origin;
use super::outbox::Outbox;
use super::startup::{Duplex, Opening, Refused, Start, open, turn_away};
use super::startups::{Place, Startups};
use crate::error::{ErrorReport, Severity, SqlState};
use crate::session::Session;
use crate::types::SessionId;
use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long connections have to say goodbye after their statements were stopped.
const GOODBYE: Duration = Duration::from_secs(5);

/// What all connections share.
pub(super) struct Shared {
    pub(super) config: WireConfig,
    pub(super) gatekeeper: Arc<dyn Gatekeeper>,
    pub(super) registry: Arc<CancelRegistry>,
    /// Places of those who have logged in.
    pub(super) connections: Arc<Semaphore>,
    /// Places of those who have not.
    pub(super) startups: Arc<Startups>,
    pub(super) guard: LoginGuard,
    pub(super) cancels: CancelGuard,
    pub(super) secret: AuthSecret,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Shared {
    pub(super) fn new(config: WireConfig, gatekeeper: Arc<dyn Gatekeeper>, phase: watch::Receiver<Phase>) -> Self {
        let connections = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
        Self {
            gatekeeper,
            registry: Arc::new(CancelRegistry::default()),
            connections,
            startups: Arc::new(Startups::new(config.max_startups, config.max_startups_per_address)),
            guard: LoginGuard::new(config.logins),
            cancels: CancelGuard::default(),
            secret: AuthSecret::new(config.decoy_key.clone()),
            phase,
            config,
        }
    }
}

/// Serves connections until `shutdown` is cancelled: then nobody new comes in, idle sessions end with 57P01, and running
/// statements have the grace time to end before they are stopped too. Returns when all connections are gone.
///
/// # Errors
/// If the listener has no address. A failed accept is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    config: WireConfig,
    gatekeeper: Arc<dyn Gatekeeper>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let (phase, phases) = watch::channel(Phase::Serving);
    let grace = config.shutdown_grace;
    let shared = Arc::new(Shared::new(config, gatekeeper, phases));
    let mut tasks = JoinSet::new();
    tracing::info!(address = %listener.local_addr()?, "listening for PostgreSQL clients");
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                note(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, for one: trying at once would only burn time.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = shared.startups.enter(Origin::of(peer.ip()), Instant::now()) else {
            tell_without_waiting(&stream, &too_many_startups());
            continue;
        };
        tune(&stream);
        let shared = Arc::clone(&shared);
        tasks.spawn(async move { handle(Box::new(stream), peer, place, &shared).await });
    }
    drop(listener);
    phase.send_replace(Phase::Draining);
    tracing::info!(connections = tasks.len(), "shutting down");
    if tokio::time::timeout(grace, drain(&mut tasks)).await.is_err() {
        phase.send_replace(Phase::Stopping);
        if tokio::time::timeout(GOODBYE, drain(&mut tasks)).await.is_err() {
            tasks.abort_all();
            drain(&mut tasks).await;
        }
    }
    Ok(())
}

async fn drain(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        note(ended);
    }
}

/// A panic ends its own connection and no other.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended by a panic");
    }
}

/// Sets what the socket of a client should have. None of it is worth a connection.
fn tune(stream: &TcpStream) {
    // Without it each small message would wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // A client whose machine is gone says no goodbye: after a minute of silence it is asked, and let go two minutes later.
    let asked =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20)).with_retries(6);
    let _ = SockRef::from(stream).set_tcp_keepalive(&asked);
}

/// From the first byte of a connection to its last.
pub(super) async fn handle(stream: Box<dyn Duplex>, peer: SocketAddr, place: Place, shared: &Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let login = tokio::time::timeout(shared.config.startup_timeout, log_in(stream, peer, place.origin(), shared));
    let entered = tokio::select! {
        biased;
        entered = login => entered,
        // Somebody else needs the place.
        () = place.taken_away() => return,
        // Nobody who is still logging in has anything to lose.
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
    };
    drop(place);
    // Too late or turned away: both have been told as far as they listen.
    if let Ok(Some(connection)) = entered {
        connection.serve().await;
    }
}

type Entered = Connection<tokio::io::ReadHalf<Box<dyn Duplex>>, tokio::io::WriteHalf<Box<dyn Duplex>>>;

async fn log_in(stream: Box<dyn Duplex>, peer: SocketAddr, origin: Origin, shared: &Arc<Shared>) -> Option<Admitted> {
    let start = match open(stream, &shared.config).await {
        Ok(Opening::Cancel { pid, secret }) => {
            // No answer: the connection is closed whether it hit anything or not.
            let act = || shared.registry.cancel(pid, &secret) != Cancelled::Wrong;
            shared.cancels.attempt(origin, Instant::now(), act);
            return None;
        }
        Ok(Opening::Start(start)) => *start,
        Err(refused) => {
            let Refused { mut inbox, why } = *refused;
            if let Unread::Violation(error) = why {
                turn_away(inbox.stream(), BytesMut::new(), &error).await;
            }
            return None;
        }
    };
    let Start { mut inbox, tls, startup } = start;
    if shared.connections.available_permits() == 0 {
        turn_away(inbox.stream(), BytesMut::new(), &too_many()).await;
        return None;
    }
    inbox.expect(Expect::Password);
    let mut attempt = LoginAttempt {
        session: SessionId::new(uuid::Uuid::now_v7().to_string()),
        user: startup.user.clone(),
        database: startup.database.clone(),
        peer,
        tls,
        application_name: startup.parameters.get("application_name").cloned().unwrap_or_default(),
        held_back: None,
    };
    let mut out = BytesMut::new();
    if startup.negotiate {
        backend::negotiate_protocol_version(&mut out, startup.minor, &startup.unknown_options);
    }
    let registration = shared.registry.register(startup.minor);
    let opening = (startup.parameters, registration.pid());
    let entered = enter(&mut inbox, &mut out, &mut attempt, opening, shared).await;
    match entered {
        Ok((session, place)) => {
            let (stream, ahead) = inbox.into_parts();
            let (reader, writer) = tokio::io::split(stream);
            let mut outbox = Outbox::new(writer, shared.config.write_timeout);
            outbox.buffer = out;
            let connection = Connection {
                inbox: Inbox::new(reader, ahead, Expect::Session { max_bytes: shared.config.max_message_bytes }),
                outbox,
                session,
                registration,
                phase: shared.phase.clone(),
                skipping: false,
                in_batch: false,
            };
            Some(Admitted { connection, _place: place })
        }
        Err(Unread::Violation(error)) => {
            turn_away(inbox.stream(), out, &error).await;
            None
        }
        Err(Unread::Gone) => None,
    }
}

/// A connection and its place among the many.
struct Admitted {
    connection: Entered,
    _place: OwnedSemaphorePermit,
}

impl Admitted {
    async fn serve(self) {
        self.connection.serve().await;
    }
}

/// Proof of the password, workspace, a place, audit record, session: in this order, and each must go well.
async fn enter(
    inbox: &mut Inbox<Box<dyn Duplex>>,
    out: &mut BytesMut,
    attempt: &mut LoginAttempt,
    opening: (BTreeMap<String, String>, i32),
    shared: &Shared,
) -> Result<(Session, OwnedSemaphorePermit), Unread> {
    let gatekeeper = &shared.gatekeeper;
    let origin = Origin::of(attempt.peer.ip());
    let end_point = shared.config.tls.as_ref().filter(|_| attempt.tls).and_then(|tls| tls.end_point());
    let claim = Claim { user: &attempt.user, origin, end_point };
    let proved = match authenticate(inbox, out, &claim, shared).await {
        Ok(()) => gatekeeper.login(&attempt.user, &attempt.database).map_err(as_fatal),
        Err(Denied::Gone) => return Err(Unread::Gone),
        Err(Denied::Refused(error)) => Err(error),
        Err(Denied::HeldBack(error)) => match shared.guard.held_back(origin, Instant::now()) {
            None => return Err(Unread::Violation(error)),
            Some(number) => {
                tracing::warn!(address = %origin, attempts = number, "log-ins are held back after wrong passwords");
                attempt.held_back = Some(number);
                Err(error)
            }
        },
    };
    let place = |user| match Arc::clone(&shared.connections).try_acquire_owned() {
        Ok(place) => Ok((user, place)),
        Err(_) => Err(too_many()),
    };
    let proved = proved.and_then(place);
    // What could not be recorded is not told either: who guesses would learn of it unseen.
    if let Err(error) = gatekeeper.audit_login(attempt, proved.as_ref().map(|_| ())).await {
        out.clear();
        return Err(Unread::Violation(as_fatal(error)));
    }
    let ((principal, workspace), place) = proved.map_err(Unread::Violation)?;
    let (startup_parameters, backend_pid) = opening;
    let opening = SessionOpening {
        session: attempt.session.clone(),
        principal,
        workspace,
        peer: attempt.peer,
        tls: attempt.tls,
        startup_parameters,
        backend_pid,
    };
    let session = gatekeeper.open_session(opening).await.map_err(|error| Unread::Violation(as_fatal(error)))?;
    if *shared.phase.borrow() != Phase::Serving {
        return Err(Unread::Violation(shutting_down()));
    }
    backend::authentication_ok(out);
    Ok((session, place))
}

fn as_fatal(error: ErrorReport) -> ErrorReport {
    ErrorReport { severity: Severity::Fatal, ..error }
}

fn too_many() -> ErrorReport {
    ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
}

fn too_many_startups() -> ErrorReport {
    ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, "too many connections are logging in")
}

/// One try to say why, on a socket that nobody will wait for.
fn tell_without_waiting(stream: &TcpStream, error: &ErrorReport) {
    let mut out = BytesMut::new();
    backend::error(&mut out, error);
    let _ = stream.try_write(&out);
}
