//! The client's thread: a runtime of its own, so that it works the same beneath
//! asynchronous code, blocking code and none. Owns beginning and end.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::counters::Loss;
use crate::error::{Error, Fate};
use crate::sender::Sender;
use crate::settings::Settings;
use crate::wire::Ask;

/// Whether a request may reach a node twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Twice {
    /// It reads, or says the same again.
    Harmless,
    /// It would count twice.
    Wrong,
}

/// What all handles of a client have in common.
pub(crate) struct Core {
    pub(crate) sender: Arc<Sender>,
    handle: Handle,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    end: Arc<Notify>,
    /// Whether everything was settled when it was closed.
    ended: Mutex<Option<bool>>,
}

/// Closes the client when the last handle is dropped.
pub(crate) struct Guard(pub(crate) Arc<Core>);

impl Drop for Guard {
    fn drop(&mut self) {
        let core = Arc::clone(&self.0);
        let within = core.sender.settings.exit_timeout;
        if core.ended.lock().is_none() {
            let (done, waited) = mpsc::sync_channel(1);
            core.handle.spawn({
                let core = Arc::clone(&core);
                async move {
                    // Whoever waited may have given up.
                    let _ = done.send(core.close(within).await);
                }
            });
            // The answer comes within the timeout, unless this is the client's own thread.
            let _ = waited.recv_timeout(within + Duration::from_secs(1));
        }
    }
}

impl Core {
    /// Starts a client's thread.
    pub(crate) fn start(settings: Settings) -> Result<Arc<Self>, Error> {
        let sender = Sender::new(settings)?;
        let local = |error: std::io::Error| Error::local(format!("no thread: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(local)?;
        let handle = runtime.handle().clone();
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        thread::Builder::new()
            .name("via-client".to_owned())
            .spawn(move || runtime.block_on(ended.notified()))
            .map_err(local)?;
        let mut tasks = Vec::new();
        if sender.spool.is_some() {
            tasks.push(handle.spawn(Arc::clone(&sender).fill_spool()));
        }
        for _ in 0..sender.settings.in_flight {
            tasks.push(match sender.spool {
                Some(_) => handle.spawn(Arc::clone(&sender).send_spooled()),
                None => handle.spawn(Arc::clone(&sender).send_buffered()),
            });
        }
        Ok(Arc::new(Self {
            sender,
            handle,
            tasks: Mutex::new(tasks),
            end,
            ended: Mutex::new(None),
        }))
    }

    /// Runs something on the client's thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn(work).await.map_err(|_| Error::closed())
    }

    /// Runs something on the client's thread and waits for it, blocking.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, waited) = mpsc::sync_channel(1);
        self.handle.spawn(async move { done.send(work.await).ok() });
        waited.recv().map_err(|_| Error::closed())
    }

    /// Begins something that nobody waits for.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(work));
    }

    /// Waits until all that was captured before is settled; says whether it was.
    pub(crate) async fn flush(self: Arc<Self>, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.sender.buffer.flush()).await.is_ok()
    }

    /// Stops capturing, flushes and ends; says whether everything was settled.
    pub(crate) async fn close(self: Arc<Self>, timeout: Duration) -> bool {
        if let Some(was_settled) = *self.ended.lock() {
            return was_settled;
        }
        let buffer = &self.sender.buffer;
        buffer.stop(Loss::Closed);
        let is_settled = tokio::time::timeout(timeout, buffer.flush()).await.is_ok();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.abort();
            // Cancelled or ended: either way it sends nothing more.
            drop(task.await);
        }
        buffer.abandon_all(Loss::Closed);
        *self.sender.slot.lock() = None;
        *self.ended.lock() = Some(is_settled);
        self.end.notify_one();
        is_settled
    }

    /// Returns what closing said, once it was closed.
    pub(crate) fn ended(&self) -> Option<bool> {
        *self.ended.lock()
    }

    /// Makes a request with its repeats, within the client's timeout.
    pub(crate) async fn call<T: DeserializeOwned>(
        self: Arc<Self>,
        method: Method,
        path: String,
        body: Option<String>,
        twice: Twice,
    ) -> Result<T, Error> {
        let body = body.map(|body| ("application/json", body.into()));
        let ask = Ask { method, path, body, headers: Vec::new(), within: Duration::ZERO };
        self.ask(ask, twice).await
    }

    /// Makes a request that says more, with its repeats.
    pub(crate) async fn ask<T: DeserializeOwned>(
        self: Arc<Self>,
        ask: Ask,
        twice: Twice,
    ) -> Result<T, Error> {
        let sender = &self.sender;
        let until = Instant::now() + sender.settings.timeout;
        let mut patience = sender.patience();
        loop {
            let address = sender.wire.current();
            let within = until.saturating_duration_since(Instant::now());
            let within = within.max(Duration::from_millis(1));
            let error = match sender.wire.call(address, Ask { within, ..ask.clone() }).await {
                Ok(answer) => {
                    let text = if answer.is_empty() { &b"null"[..] } else { &answer };
                    let read = serde_json::from_slice(text);
                    return read.map_err(|_| Error::lost("the answer cannot be read"));
                }
                Err(error) => error,
            };
            let is_harmless = error.fate() == Fate::Retry || twice == Twice::Harmless;
            if error.fate() == Fate::Rejected || !is_harmless {
                return Err(error);
            }
            sender.pause(&mut patience, address, error, Some(until)).await?;
        }
    }
}
