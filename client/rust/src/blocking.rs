//! The same client for code that blocks: capture is the same call, everything that
//! waits blocks its thread.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::client::{self, Client as Asynchronous};
use crate::core::Twice;
use crate::counters::State;
use crate::error::Error;
use crate::event::Event;
use crate::settings::Settings;
use crate::types::{Detection, Filter, Label, Labelled, Message, Score, Written};
use crate::wire::{Ask, part};

/// A [`crate::Client`] whose waiting calls block.
#[derive(Clone)]
pub struct Client {
    inner: Asynchronous,
}

impl Client {
    /// Starts a client of the nodes that the environment names.
    ///
    /// # Errors
    /// As [`crate::Client::start`].
    pub fn start() -> Result<Self, Error> {
        Self::with(Settings::default())
    }

    /// Starts a client of one node.
    ///
    /// # Errors
    /// As [`crate::Client::start`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(Settings::for_node(url))
    }

    /// Starts a client.
    ///
    /// # Errors
    /// As [`crate::Client::start`].
    pub fn with(settings: Settings) -> Result<Self, Error> {
        Ok(Self { inner: Asynchronous::with(settings)? })
    }

    /// Returns the same client for asynchronous code.
    pub fn asynchronous(&self) -> &Asynchronous {
        &self.inner
    }

    /// Captures an event, as [`crate::Client::event`] does.
    pub fn event(&self, stream: &str, event: Event) {
        self.inner.event(stream, event);
    }

    /// Returns the counters.
    pub fn state(&self) -> State {
        self.inner.state()
    }

    /// Waits until everything captured before is settled; says whether it was.
    pub fn flush(&self, timeout: Duration) -> bool {
        let core = self.inner.core();
        let flushed = core.wait(Arc::clone(&core).flush(timeout));
        flushed.unwrap_or_else(|_| self.state().pending == 0)
    }

    /// Stops capturing, flushes and ends; says whether everything was settled. May be
    /// called again.
    pub fn close(&self, timeout: Duration) -> bool {
        let core = self.inner.core();
        let closed = core.wait(Arc::clone(&core).close(timeout));
        closed.unwrap_or_else(|_| core.ended().unwrap_or(false))
    }

    /// Sends many events at once and waits until they are durable.
    ///
    /// # Errors
    /// As [`crate::Client::events`].
    pub fn events<'e>(
        &self,
        stream: &str,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<Written, Error> {
        let mut events = events.into_iter();
        let mut sums = Written::default();
        let core = self.inner.core();
        while let Some(load) = client::next_part(&core, stream, &mut events, sums.accepted)? {
            let written = core.wait(client::deliver(Arc::clone(&core), load));
            client::add(&mut sums, written.and_then(|written| written))?;
        }
        Ok(sums)
    }

    /// Applies one event and returns its verdict.
    ///
    /// # Errors
    /// As [`crate::Client::score`].
    pub fn score(&self, stream: &str, event: Event) -> Result<Score, Error> {
        let core = self.inner.core();
        let line = client::line(&event);
        core.wait(client::score(Arc::clone(&core), stream.to_owned(), line))?
    }

    /// Iterates over recorded detections, fetching page after page.
    pub fn detections(&self, filter: &Filter) -> Detections {
        Detections(self.inner.detections(filter))
    }

    /// Returns one detection.
    ///
    /// # Errors
    /// The three fates.
    pub fn detection(&self, id: &str) -> Result<Detection, Error> {
        self.call(Method::GET, format!("/api/v1/detections/{}", part(id)), None)
    }

    /// Returns what is normal for an entity, as the interface words it.
    ///
    /// # Errors
    /// The three fates.
    pub fn entity(&self, stream: &str, entity: &str) -> Result<Value, Error> {
        self.call(Method::GET, client::entity_path(stream, entity), None)
    }

    /// Returns the node's counts, as the interface words them.
    ///
    /// # Errors
    /// The three fates.
    pub fn stats(&self) -> Result<Value, Error> {
        self.call(Method::GET, "/api/v1/stats".to_owned(), None)
    }

    /// Says something of a detection; said again it changes nothing.
    ///
    /// # Errors
    /// The three fates.
    pub fn feedback(
        &self,
        id: &str,
        label: Label,
        note: &str,
        author: &str,
    ) -> Result<Labelled, Error> {
        let body = Some(client::said(label, note, author));
        self.call(Method::PUT, client::feedback_path(id), body)
    }

    /// Takes back what was said of a detection.
    ///
    /// # Errors
    /// The three fates.
    pub fn take_back(&self, id: &str) -> Result<Labelled, Error> {
        self.call(Method::DELETE, client::feedback_path(id), None)
    }

    /// Follows detections live, from a cursor or from now. Of the filter, `stream`,
    /// `entity` and `severity` are read.
    pub fn subscribe(&self, from: Option<&str>, filter: &Filter) -> Feed {
        Feed(self.inner.subscribe(from, filter))
    }

    /// Makes any other request of the interface, and returns the document that is
    /// answered. `revision` is the `ETag` that a change is based on. What changes
    /// something is not repeated when its outcome is unknown.
    ///
    /// # Errors
    /// The three fates.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<&str>,
    ) -> Result<Value, Error> {
        let core = self.inner.core();
        let twice = if method == Method::GET { Twice::Harmless } else { Twice::Wrong };
        let body = body.map(|body| ("application/json", body.to_string().into()));
        let headers = revision.map(|tag| ("if-match", format!("\"{}\"", tag.trim_matches('"'))));
        let headers = headers.into_iter().collect();
        let ask = Ask { method, path: path.to_owned(), body, headers, within: Duration::ZERO };
        core.wait(Arc::clone(&core).ask(ask, twice))?
    }

    fn call<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        method: Method,
        path: String,
        body: Option<String>,
    ) -> Result<T, Error> {
        let core = self.inner.core();
        core.wait(Arc::clone(&core).call(method, path, body, Twice::Harmless))?
    }
}

/// Recorded detections; an error is the last item.
pub struct Detections(client::Detections);

impl Iterator for Detections {
    type Item = Result<Detection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_blocking()
    }
}

/// The messages of the live feed. Must not be read within asynchronous code, which
/// has [`crate::Feed`].
pub struct Feed(crate::feed::Feed);

impl Feed {
    /// Returns where to resume: everything before it was returned.
    pub fn cursor(&self) -> Option<&str> {
        self.0.cursor()
    }
}

impl Iterator for Feed {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_blocking()
    }
}
