//! Accepting connections, one task each, and letting them end when the server does.

use super::auth::{AuthSecret, authenticate};
use super::backend;
use super::cancel::CancelRegistry;
use super::config::WireConfig;
use super::connection::Connection;
use super::gatekeeper::{Gatekeeper, LoginAttempt, SessionOpening};
use super::inbox::{Expect, Inbox, Unread};
use super::interrupt::{Phase, shutting_down};
use super::outbox::Outbox;
use super::startup::{Duplex, Opening, Refused, Start, open, send, turn_away};
use crate::error::{ErrorReport, Severity, SqlState};
use crate::types::SessionId;
use bytes::BytesMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Sockets beyond the connection limit that may be open at one time: for cancel requests, and to be told "too many".
const SPARE_SOCKETS: usize = 64;
/// How long connections have to say goodbye after their statements were stopped.
const GOODBYE: Duration = Duration::from_secs(5);

/// What all connections share.
pub(super) struct Shared {
    pub(super) config: WireConfig,
    pub(super) gatekeeper: Arc<dyn Gatekeeper>,
    pub(super) registry: Arc<CancelRegistry>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) secret: AuthSecret,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Shared {
    pub(super) fn new(config: WireConfig, gatekeeper: Arc<dyn Gatekeeper>, phase: watch::Receiver<Phase>) -> Self {
        let connections = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
        let registry = Arc::new(CancelRegistry::default());
        Self { config, gatekeeper, registry, connections, secret: AuthSecret::new(), phase }
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
    let sockets =
        Arc::new(Semaphore::new(config.max_connections.saturating_add(SPARE_SOCKETS).min(Semaphore::MAX_PERMITS)));
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
        let Ok(socket) = Arc::clone(&sockets).try_acquire_owned() else {
            tell_without_waiting(&stream, &too_many());
            continue;
        };
        // Without it each small message would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            handle(Box::new(stream), peer, &shared).await;
            drop(socket);
        });
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

/// From the first byte of a connection to its last.
pub(super) async fn handle(stream: Box<dyn Duplex>, peer: SocketAddr, shared: &Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let login = tokio::time::timeout(shared.config.startup_timeout, log_in(stream, peer, shared));
    let entered = tokio::select! {
        biased;
        entered = login => entered,
        // Nobody who is still logging in has anything to lose.
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
    };
    // Too late or turned away: both have been told as far as they listen.
    if let Ok(Some(connection)) = entered {
        connection.serve().await;
    }
}

type Entered = Connection<tokio::io::ReadHalf<Box<dyn Duplex>>, tokio::io::WriteHalf<Box<dyn Duplex>>>;

async fn log_in(stream: Box<dyn Duplex>, peer: SocketAddr, shared: &Arc<Shared>) -> Option<Admitted> {
    let start = match open(stream, &shared.config).await {
        Ok(Opening::Cancel { pid, secret }) => {
            // No answer: the connection is closed whether it hit anything or not.
            shared.registry.cancel(pid, &secret);
            return None;
        }
        Ok(Opening::Start(start)) => *start,
        Err(refused) => {
            let Refused { mut inbox, why } = *refused;
            if let Unread::Violation(error) = why {
                turn_away(inbox.stream(), &error).await;
            }
            return None;
        }
    };
    let Start { mut inbox, tls, startup } = start;
    let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() else {
        turn_away(inbox.stream(), &too_many()).await;
        return None;
    };
    inbox.expect(Expect::Password);
    let attempt = LoginAttempt {
        session: SessionId::new(uuid::Uuid::now_v7().to_string()),
        user: startup.user.clone(),
        database: startup.database.clone(),
        peer,
        tls,
        application_name: startup.parameters.get("application_name").cloned().unwrap_or_default(),
    };
    let mut out = BytesMut::new();
    if startup.negotiate {
        backend::negotiate_protocol_version(&mut out, startup.minor, &startup.unknown_options);
    }
    let registration = shared.registry.register(startup.minor);
    let entered = enter(&mut inbox, &mut out, &attempt, startup.parameters, registration.pid(), shared).await;
    match entered {
        Ok(session) => {
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
            turn_away(inbox.stream(), &error).await;
            None
        }
        Err(Unread::Gone) => None,
    }
}

/// A connection and its place among the many.
struct Admitted {
    connection: Entered,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Admitted {
    async fn serve(self) {
        self.connection.serve().await;
    }
}

/// Proof of the password, workspace, audit record, session: in this order, and each must go well.
async fn enter(
    inbox: &mut Inbox<Box<dyn Duplex>>,
    out: &mut BytesMut,
    attempt: &LoginAttempt,
    startup_parameters: std::collections::BTreeMap<String, String>,
    backend_pid: i32,
    shared: &Shared,
) -> Result<crate::session::Session, Unread> {
    send(inbox.stream(), out).await?;
    let gatekeeper = &shared.gatekeeper;
    let stored = gatekeeper.verifier(&attempt.user);
    let end_point = shared.config.tls.as_ref().filter(|_| attempt.tls).and_then(|tls| tls.end_point());
    let proved = authenticate(inbox, &attempt.user, stored.as_ref(), end_point, &shared.secret).await;
    let proved = match proved {
        Ok(()) => gatekeeper.login(&attempt.user, &attempt.database).map_err(as_fatal),
        Err(Unread::Violation(error)) => Err(as_fatal(error)),
        Err(Unread::Gone) => return Err(Unread::Gone),
    };
    let recorded = gatekeeper.audit_login(attempt, proved.as_ref().map(|_| ())).await;
    let (principal, workspace) = proved.map_err(Unread::Violation)?;
    recorded.map_err(|error| Unread::Violation(as_fatal(error)))?;
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
    Ok(session)
}

fn as_fatal(error: ErrorReport) -> ErrorReport {
    ErrorReport { severity: Severity::Fatal, ..error }
}

fn too_many() -> ErrorReport {
    ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
}

/// One try to say why, on a socket that nobody will wait for.
fn tell_without_waiting(stream: &TcpStream, error: &ErrorReport) {
    let mut out = BytesMut::new();
    backend::error(&mut out, error);
    let _ = stream.try_write(&out);
}
