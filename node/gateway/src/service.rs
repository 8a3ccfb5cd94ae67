//! The server's life: binds one port, serves HTTP/1.1 and HTTP/2 on it, and
//! drains. Owns connections and their bounds; knows no route.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::Service as Tower;

use crate::access::guard::Peer;
use crate::connection::Guarded;
use crate::error::Error;
use crate::gate::{Gate, Rooms};
use crate::metrics::Open;
use crate::options::Options;
use crate::quota::usage;
use crate::routes;

/// Most requests of one HTTP/2 connection at a time.
const STREAMS: u32 = 256;
/// Reset streams waiting to be accepted before the connection is closed.
const PENDING_RESETS: usize = 20;
/// Largest head of a request, bytes.
const HEAD_BYTES: usize = 32 << 10;
/// Flow-control windows: what a connection may send before it is read.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// How often a quiet HTTP/2 connection is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a client may leave an answer unread.
const WRITE_STALL: Duration = Duration::from_secs(60);
/// How long the last records may take to be committed.
const LAST_RECORDS: Duration = Duration::from_secs(1);
/// How long to wait when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bound server, to be run.
pub struct Service {
    gate: Gate,
    listener: TcpListener,
    drain: watch::Sender<bool>,
    sessions: TaskTracker,
}

/// What others may know of the server.
#[derive(Clone, Debug)]
pub struct Handle {
    address: SocketAddr,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy after the grace. What was acknowledged
    /// on them is durable (invariant D-1), what was not has no answer.
    pub cut_off: usize,
}

impl Handle {
    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Service {
    /// Binds the port.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(options: Options, rooms: Rooms) -> Result<(Self, Handle), Error> {
        let listen = options.listen;
        let failed = |source| Error::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (drain, draining) = watch::channel(false);
        crate::metrics::describe();
        let gate = Gate::new(options, rooms, draining);
        let service = Self { gate, listener, drain, sessions: TaskTracker::new() };
        Ok((service, Handle { address }))
    }

    /// Serves until `shutdown` resolves, then finishes what is in flight for as
    /// long as the grace lasts, and says what it had to cut off.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Drained {
        let Self { gate, listener, drain, sessions } = self;
        let router = routes::router(gate.clone(), sessions.clone());
        let server = Server {
            http: protocol(gate.options().header_timeout),
            router,
            graceful: GracefulShutdown::new(),
            header_timeout: gate.options().header_timeout,
            cut: CancellationToken::new(),
        };
        let slots = Arc::new(Semaphore::new(gate.options().connections));
        let connections = TaskTracker::new();
        let (ledger, control) = (gate.ledger().clone(), gate.control().clone());
        let every = gate.options().access.record_every;
        let keeping = tokio::spawn(async move { ledger.keep(control, every).await });
        let metering = tokio::spawn(usage::keep(gate.clone(), every));
        let mut shutdown = pin!(shutdown);
        loop {
            let slot = Arc::clone(&slots);
            let accepted = tokio::select! {
                accepted = accept(&listener, slot) => accepted,
                () = &mut shutdown => break,
            };
            if let Some((stream, slot)) = accepted {
                connections.spawn(server.serve(stream, slot));
            }
        }
        drop(listener);
        // Live feeds end themselves; connections finish their requests.
        drain.send_replace(true);
        connections.close();
        sessions.close();
        let Server { graceful, cut, .. } = server;
        let drained = async {
            tokio::join!(graceful.shutdown(), connections.wait(), sessions.wait());
        };
        let grace = gate.options().grace;
        let in_time = tokio::time::timeout(grace, drained).await.is_ok();
        let busy = connections.len().max(sessions.len());
        cut.cancel();
        keeping.abort();
        metering.abort();
        let last = async {
            tokio::join!(gate.ledger().write(gate.control()), usage::write(&gate));
        };
        // Without a majority nothing is recorded any more.
        let _late = tokio::time::timeout(LAST_RECORDS, last).await;
        Drained { cut_off: if in_time { 0 } else { busy } }
    }
}

fn protocol(header_timeout: Duration) -> Arc<auto::Builder<TokioExecutor>> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES.max(64 << 10))
        .half_close(false);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_header_list_size(HEAD_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    Arc::new(http)
}

async fn accept(
    listener: &TcpListener,
    slots: Arc<Semaphore>,
) -> Option<((TcpStream, SocketAddr), OwnedSemaphorePermit)> {
    // Beyond the bound, connections wait in the system's queue (D-6).
    let slot = slots.acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(accepted) => Some((accepted, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The routes as a connection from `peer` reaches them.
#[derive(Clone)]
struct FromPeer {
    router: axum::Router,
    peer: Peer,
}

impl<B> Tower<Request<B>> for FromPeer
where
    axum::Router: Tower<Request<B>>,
{
    type Response = <axum::Router as Tower<Request<B>>>::Response;
    type Error = <axum::Router as Tower<Request<B>>>::Error;
    type Future = <axum::Router as Tower<Request<B>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.router.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

struct Server {
    http: Arc<auto::Builder<TokioExecutor>>,
    router: axum::Router,
    graceful: GracefulShutdown,
    header_timeout: Duration,
    /// Ends connections that outlive the grace.
    cut: CancellationToken,
}

impl Server {
    fn serve(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let http = Arc::clone(&self.http);
        let watcher = self.graceful.watcher();
        let router = self.router.clone();
        let service = TowerToHyperService::new(FromPeer { router, peer: Peer(peer) });
        let header_timeout = self.header_timeout;
        let cut = self.cut.clone();
        async move {
            let open = Open::connection();
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection could not be set up");
                return;
            }
            let io = TokioIo::new(Guarded::new(stream, header_timeout, WRITE_STALL));
            let connection = http.serve_connection_with_upgrades(io, service).into_owned();
            let served = cut.run_until_cancelled(Box::pin(watcher.watch(connection)));
            if let Some(Err(error)) = served.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop((slot, open));
        }
    }
}
