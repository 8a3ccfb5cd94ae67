//! What every request shares: the rooms behind the door, the bounds, and the
//! sign that the node is going down. Knows no protocol.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use via_catalog::{Stream, View};
use via_types::{Clock, Fate, Origin, StreamId, TenantId, Timestamp};

use crate::health::Readiness;
use crate::ingest::admission::Admission;
use crate::options::Options;
use crate::problem::{Code, Problem};

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

/// Shared state of all requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    options: Options,
    rooms: Rooms,
    admission: Admission,
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
        Self(Arc::new(Inner { options, rooms, admission, requests, subscribers, draining }))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.0.rooms
    }

    pub(crate) fn shard(&self) -> &via_shard::Handle {
        &self.0.rooms.shard
    }

    pub(crate) fn control(&self) -> &via_control::Handle {
        &self.0.rooms.control
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.rooms.clock.now()
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.options.tenant
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.control().view()
    }

    fn draining(&self) -> watch::Receiver<bool> {
        self.0.draining.clone()
    }

    /// Waits until shutdown begins.
    pub(crate) async fn drained(&self) {
        // An error means that the service itself is gone: shutdown as well.
        drop(self.draining().wait_for(|draining| *draining).await);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Takes a place among the requests in flight, or refuses at once (D-6).
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.requests).try_acquire_owned().map_err(|_| {
            let words = format!("{} requests are being handled", self.options().requests);
            Problem::new(Code::Overloaded, words)
        })
    }

    /// Takes a live subscriber's seat, or refuses at once (D-6).
    pub(crate) fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.subscribers).try_acquire_owned().map_err(|_| {
            let words = format!("all {} live feeds are taken", self.options().subscribers);
            Problem::new(Code::Overloaded, words)
        })
    }

    /// Returns the stream of that name.
    pub(crate) fn stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        let view = self.view();
        view.stream(self.tenant(), name).cloned().ok_or_else(|| {
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

    /// Makes the stream of that name, which says nothing of its configuration.
    pub(crate) async fn create_stream(&self, name: &str) -> Result<Arc<Stream>, Problem> {
        let own = serde_json::json!({});
        match self.control().create_stream(self.tenant(), name, &own).await {
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
