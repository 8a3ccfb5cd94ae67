//! What every request shares: the rooms behind the door, the bounds, and the
//! sign that the node is going down. Knows no protocol.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use via_catalog::{Author, Deed, Stream, View};
use via_types::access::{Action, Resource};
use via_types::{Clock, Fate, Origin, StreamId, TenantId, Timestamp, limit};

use crate::access::caller::Caller;
use crate::access::ledger::Ledger;
use crate::access::password::Pool;
use crate::health::Readiness;
use crate::http::repeat::Said;
use crate::ingest::admission::Admission;
use crate::options::Options;
use crate::problem::{Code, Problem};
use crate::quota::Limiter;
use crate::quota::allowance::Allowance;

/// How often it is looked whether time has shut somebody out.
const LOOK: Duration = Duration::from_millis(500);
/// Ids of tenants begin at 1.
const NOBODY: TenantId = TenantId::new(0);

/// The rooms that the gateway serves.
pub struct Rooms {
    /// The data plane.
    pub shard: via_shard::Handle,
    /// The catalog.
    pub control: via_control::Handle,
    /// Where receipt times come from.
    pub clock: Arc<dyn Clock>,
    /// What else must be ready.
    pub readiness: Arc<dyn Readiness>,
    /// Renders `/metrics`; none when metrics are off.
    pub metrics: Option<PrometheusHandle>,
}

/// Shared state of all requests, and who makes the one at hand; cheap to clone.
/// A handler that takes a `Gate` has it with its caller; everywhere else it is
/// nobody's, and opens no tenant.
#[derive(Clone)]
pub(crate) struct Gate {
    inner: Arc<Inner>,
    caller: Arc<Caller>,
    said: Arc<Said>,
}

struct Inner {
    options: Options,
    rooms: Rooms,
    admission: Admission,
    ledger: Ledger,
    passwords: Pool,
    limiter: Limiter,
    requests: Arc<Semaphore>,
    subscribers: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
}

impl Gate {
    /// Makes the gate; `draining` becomes true when shutdown begins.
    pub(crate) fn new(options: Options, rooms: Rooms, draining: watch::Receiver<bool>) -> Self {
        let admission = Admission::new(options.memory_bytes);
        let requests = Arc::new(Semaphore::new(options.requests));
        let subscribers = Arc::new(Semaphore::new(options.subscribers));
        let (ledger, passwords) = (Ledger::default(), Pool::new(options.access.hashes));
        let inner = Arc::new(Inner {
            options,
            rooms,
            admission,
            ledger,
            passwords,
            limiter: Limiter::default(),
            requests,
            subscribers,
            draining,
        });
        Self { inner, caller: Arc::new(Caller::nobody()), said: Arc::default() }
    }

    /// Returns the gate as whoever made a request passes it, by what the request
    /// was given on its way.
    pub(crate) fn of(&self, extensions: &http::Extensions) -> Self {
        let caller = extensions.get::<Arc<Caller>>().unwrap_or(&self.caller);
        let said = extensions.get::<Arc<Said>>().unwrap_or(&self.said);
        let (caller, said) = (Arc::clone(caller), Arc::clone(said));
        Self { inner: Arc::clone(&self.inner), caller, said }
    }

    /// Returns who makes the request.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns what the caller is called; none where nobody is asked.
    pub(crate) fn name(&self) -> Option<String> {
        let view = self.view();
        let name = match self.caller.author {
            Author::User { user, .. } => view.user(user).map(|user| user.login.as_str()),
            Author::ApiKey { key, .. } => view.api_key(key).map(|key| key.name.as_str()),
            Author::Node(_) | Author::Unknown | Author::Console(_) => None,
        };
        name.map(|name| name.chars().take(limit::NAME_BYTES).collect())
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    pub(crate) fn passwords(&self) -> &Pool {
        &self.inner.passwords
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.inner.limiter
    }

    /// Returns what the caller may ask of this node: what their own tenant may,
    /// since nobody spends another's. An operator's is not bounded.
    pub(crate) fn allowance(&self) -> Arc<Allowance> {
        let home = self.caller.home().unwrap_or(NOBODY);
        self.limiter().of(&self.view(), home, self.now())
    }

    /// Checks again that the caller may do what their request needed.
    ///
    /// # Errors
    /// Those of a request that came now.
    pub(crate) fn recheck(&self) -> Result<(), Problem> {
        self.caller.still(&self.view(), self.now())
    }

    /// Waits until the caller may not do any more what their request needed.
    pub(crate) async fn shut_out(&self) -> Problem {
        let mut views = self.control().watch();
        loop {
            if let Err(problem) = self.recheck() {
                return problem;
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() {
                    return Problem::new(Code::ShuttingDown, "the node is going down");
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Returns the deed of the caller: who, when, from where, why, in which request,
    /// and by what its repetition is recognised.
    pub(crate) async fn deed(&self) -> Result<Deed, Problem> {
        let mut deed = Deed::new(self.caller.author, self.now());
        deed.request = self.caller.request.chars().take(limit::REQUEST_ID_BYTES).collect();
        deed.reason.clone_from(&self.said.reason);
        deed.idempotency = self.said.request;
        if let Author::User { user, .. } = self.caller.author {
            let address = self.caller.address.to_string();
            deed.personal = Some(self.control().seal(&user.to_string(), &address).await?);
        }
        Ok(deed)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.inner.rooms
    }

    pub(crate) fn shard(&self) -> &via_shard::Handle {
        &self.inner.rooms.shard
    }

    pub(crate) fn control(&self) -> &via_control::Handle {
        &self.inner.rooms.control
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.inner.admission
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.rooms.clock.now()
    }

    /// Returns the tenant that the request is about; the one that nobody is, when
    /// it is about none.
    pub(crate) fn tenant(&self) -> TenantId {
        self.caller.tenant.unwrap_or(NOBODY)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.control().view()
    }

    fn draining(&self) -> watch::Receiver<bool> {
        self.inner.draining.clone()
    }

    /// Waits until shutdown begins.
    pub(crate) async fn drained(&self) {
        // An error means that the service itself is gone: shutdown as well.
        drop(self.draining().wait_for(|draining| *draining).await);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.inner.draining.borrow()
    }

    /// Takes a place among the requests in flight, or refuses at once (D-6).
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.inner.requests).try_acquire_owned().map_err(|_| {
            let words = format!("{} requests are being handled", self.options().requests);
            Problem::new(Code::Overloaded, words)
        })
    }

    /// Takes a live subscriber's seat, or refuses at once (D-6).
    pub(crate) fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.inner.subscribers).try_acquire_owned().map_err(|_| {
            let words = format!("all {} live feeds are taken", self.options().subscribers);
            Problem::new(Code::Overloaded, words)
        })
    }

    /// Returns the stream of that name.
    pub(crate) fn stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        let view = self.view();
        let there = view.stream(self.tenant(), name);
        // One that the caller may not touch is as absent.
        let seen = there.filter(|stream| self.caller.sees(stream.id));
        seen.cloned().ok_or_else(|| {
            let shown: String = name.chars().take(128).collect();
            Problem::new(Code::UnknownStream, format!("there is no stream named {shown:?}"))
        })
    }

    /// Returns the stream of that name as it is now, whichever node changed it.
    pub(crate) async fn newest_stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        self.control().read_barrier().await?;
        self.stream(name)
    }

    /// Returns the stream of that name; one that this node has not heard of yet may
    /// have been made on another.
    pub(crate) async fn any_stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        match self.stream(name) {
            Ok(stream) => Ok(stream),
            Err(_) => self.newest_stream(name).await,
        }
    }

    /// Refuses a producer's incarnation that was never opened, as its shard would.
    pub(crate) fn opened(&self, origin: Option<Origin>) -> Result<(), Problem> {
        let Some(Origin { producer, epoch, .. }) = origin else { return Ok(()) };
        let view = self.view();
        let known = view.producer(producer).filter(|known| known.tenant == self.tenant());
        if known.is_some_and(|known| epoch <= known.epoch && epoch.get() > 0) {
            return Ok(());
        }
        Err(via_shard::Error::NeverOpened { producer, given: epoch }.into())
    }

    /// Refuses another tenant's producer as one that was never opened: tenants
    /// share shards, and their ledgers.
    pub(crate) fn is_own(&self, origin: Option<Origin>) -> Result<(), Problem> {
        let Some(Origin { producer, epoch, .. }) = origin else { return Ok(()) };
        let view = self.view();
        let known = view.producer(producer);
        if known.is_none_or(|known| known.tenant == self.tenant()) {
            return Ok(());
        }
        Err(via_shard::Error::NeverOpened { producer, given: epoch }.into())
    }

    /// Makes the stream of that name, which says nothing of its configuration.
    pub(crate) async fn create_stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        let own = serde_json::json!({});
        let (resource, action) = (Resource::Streams, Action::Write);
        if !self.caller.may_here(resource, action) || !self.caller.sees_all() {
            let words = format!("there is no stream named {name:?}, and making it needs");
            let words = format!("{words} {resource}:{action}");
            return Err(Problem::new(Code::UnknownStream, words));
        }
        let (deed, tenant) = (self.deed().await?, self.tenant());
        match self.control().create_stream_by(deed, tenant, name, &own).await {
            Ok(created) => Ok(created.stream),
            Err(error) => {
                let problem = Problem::from(error);
                let full = problem.code == Code::LimitReached && problem.fate == Fate::Rejected;
                let words =
                    format!("there is no stream named {name:?}, and no more can be created");
                Err(if full { Problem::new(Code::UnknownStream, words) } else { problem })
            }
        }
    }

    /// Returns the name of a stream for an answer.
    pub(crate) fn stream_name(&self, view: &View, id: StreamId) -> String {
        let own = view.stream_by_id(id).filter(|stream| stream.tenant == self.tenant());
        own.map_or_else(|| id.to_string(), |stream| stream.name.clone())
    }
}

impl FromRequestParts<Self> for Gate {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gate: &Self) -> Result<Self, Infallible> {
        Ok(gate.of(&parts.extensions))
    }
}
