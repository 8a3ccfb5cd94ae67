//! The client for asynchronous code. Capture is a plain call; what waits is awaited,
//! on any runtime: the work is done on the client's own thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock;
use crate::columns::Columns;
use crate::core::{Core, Guard, Twice};
use crate::counters::State;
use crate::error::{Error, Fate};
use crate::event::Event;
use crate::feed::Feed;
use crate::link::Link;
use crate::outcome::Load;
use crate::sender::Sender;
use crate::settings::{LARGEST, Settings};
use crate::types::{Detection, Filter, Label, Labelled, Refusal, Score, Written};
use crate::wire::{part, query};

/// Sends events in the background and asks questions. A cheap handle: when the last
/// one is dropped, the client flushes for `exit_timeout` and ends.
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
}

impl Client {
    /// Starts a client of the nodes that the environment names, `VIA_URL`, else of
    /// `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the code `local`: a setting cannot work here.
    pub fn start() -> Result<Self, Error> {
        Self::with(Settings::default())
    }

    /// Starts a client of one node.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(Settings::for_node(url))
    }

    /// Starts a client.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub fn with(settings: Settings) -> Result<Self, Error> {
        Ok(Self { guard: Arc::new(Guard(Core::start(settings)?)) })
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.guard.0)
    }

    /// Captures an event: never fails, never waits for network or disk, and waits for
    /// room only under [`crate::Overflow::Block`]. What cannot be sent is counted.
    pub fn event(&self, stream: &str, event: Event) {
        let sender = &self.guard.0.sender;
        identified(event, sender, |event| sender.buffer.add(stream, event));
    }

    /// Returns the counters.
    pub fn state(&self) -> State {
        self.guard.0.sender.buffer.state()
    }

    /// Waits until everything captured before is settled; says whether it was.
    pub async fn flush(&self, timeout: Duration) -> bool {
        let core = self.core();
        let flushed = core.run(Arc::clone(&core).flush(timeout)).await;
        flushed.unwrap_or_else(|_| self.state().pending == 0)
    }

    /// Stops capturing, flushes and ends; says whether everything was settled. May be
    /// called again.
    pub async fn close(&self, timeout: Duration) -> bool {
        let core = self.core();
        let closed = core.run(Arc::clone(&core).close(timeout)).await;
        closed.unwrap_or_else(|_| core.ended().unwrap_or(false))
    }

    /// Sends many events at once, in parts of at most 16,384, and waits until they
    /// are durable; returns the sums. They are not queued, and not among the counters.
    ///
    /// # Errors
    /// What became of the part that failed, with `accepted` before it. The timeout
    /// is for each part.
    pub async fn events<'e>(
        &self,
        stream: &str,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<Written, Error> {
        let mut events = events.into_iter();
        let mut sums = Written::default();
        while let Some(load) = next_part(&self.core(), stream, &mut events, sums.accepted)? {
            let written = self.core().run(deliver(self.core(), load)).await;
            add(&mut sums, written.and_then(|written| written))?;
        }
        Ok(sums)
    }

    /// Applies one event and returns its verdict.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it may have been applied: it is not numbered, so it is
    /// not repeated. A refused event is [`Error::Rejected`] with the refusal's code.
    pub async fn score(&self, stream: &str, event: Event<'_>) -> Result<Score, Error> {
        let core = self.core();
        core.run(score(Arc::clone(&core), stream.to_owned(), line(&event))).await?
    }

    /// Lists recorded detections, page after page as they are asked for.
    pub fn detections(&self, filter: &Filter) -> Detections {
        Detections::new(self.core(), filter)
    }

    /// Returns one detection.
    ///
    /// # Errors
    /// The three fates; an unknown id is [`Error::Rejected`].
    pub async fn detection(&self, id: &str) -> Result<Detection, Error> {
        self.get(format!("/api/v1/detections/{}", part(id))).await
    }

    /// Returns what is normal for an entity, as the interface words it.
    ///
    /// # Errors
    /// The three fates.
    pub async fn entity(&self, stream: &str, entity: &str) -> Result<Value, Error> {
        self.get(entity_path(stream, entity)).await
    }

    /// Returns the node's counts, as the interface words them.
    ///
    /// # Errors
    /// The three fates.
    pub async fn stats(&self) -> Result<Value, Error> {
        self.get("/api/v1/stats".to_owned()).await
    }

    /// Says something of a detection; said again it changes nothing.
    ///
    /// # Errors
    /// The three fates.
    pub async fn feedback(
        &self,
        id: &str,
        label: Label,
        note: &str,
        author: &str,
    ) -> Result<Labelled, Error> {
        let core = self.core();
        let body = Some(said(label, note, author));
        let call = Arc::clone(&core).call(Method::PUT, feedback_path(id), body, Twice::Harmless);
        core.run(call).await?
    }

    /// Takes back what was said of a detection.
    ///
    /// # Errors
    /// The three fates.
    pub async fn take_back(&self, id: &str) -> Result<Labelled, Error> {
        let core = self.core();
        let call = Arc::clone(&core).call(Method::DELETE, feedback_path(id), None, Twice::Harmless);
        core.run(call).await?
    }

    /// Follows detections live, from a cursor or from now. Of the filter, `stream`,
    /// `entity` and `severity` are read.
    pub fn subscribe(&self, from: Option<&str>, filter: &Filter) -> Feed {
        Feed::begin(&self.core(), from, live_query(filter))
    }

    async fn get<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: String,
    ) -> Result<T, Error> {
        let core = self.core();
        core.run(Arc::clone(&core).call(Method::GET, path, None, Twice::Harmless)).await?
    }
}

pub(crate) fn feedback_path(id: &str) -> String {
    format!("/api/v1/detections/{}/feedback", part(id))
}

pub(crate) fn entity_path(stream: &str, entity: &str) -> String {
    format!("/api/v1/streams/{}/entities/{}", part(stream), part(entity))
}

pub(crate) fn said(label: Label, note: &str, author: &str) -> String {
    json!({ "label": label, "note": note, "author": author }).to_string()
}

pub(crate) fn live_query(filter: &Filter) -> String {
    query(&[
        ("stream", filter.stream.clone()),
        ("entity", filter.entity.clone()),
        ("severity", filter.severity.clone()),
    ])
}

/// Writes an event for an interface that takes one.
pub(crate) fn line(event: &Event) -> Option<String> {
    let mut text = String::new();
    event.write_line(event.at.unwrap_or_else(clock::now_nanos), &mut text);
    event.is_sendable().then_some(text)
}

/// Gives an event of an unnumbered client an id where it has none, so that a repeat
/// of its request does not count.
fn identified(event: Event, sender: &Sender, run: impl FnOnce(&Event)) {
    let id;
    let mut event = event;
    if sender.numbering.is_none() && event.unique_id.is_none() {
        id = format!("{:032x}", fastrand::u128(..));
        event.unique_id = Some(&id);
    }
    run(&event);
}

/// Cuts the next part off; none at the end.
pub(crate) fn next_part<'e>(
    core: &Core,
    stream: &str,
    events: &mut impl Iterator<Item = Event<'e>>,
    accepted: u64,
) -> Result<Option<Load>, Error> {
    let mut columns = Columns::default();
    let now = clock::now_nanos();
    while columns.events() < LARGEST
        && let Some(event) = events.next()
    {
        if !event.is_sendable() || !columns.fits(&event) {
            let words = "an event can never be sent, or its part has more than one message holds";
            return Err(Error::plain(Fate::Rejected, "invalid", words).with_accepted(accepted));
        }
        let at = event.at.unwrap_or(now);
        identified(event, &core.sender, |event| columns.push(event, at));
    }
    Ok((columns.events() > 0).then(|| Load::Columns(Box::new(columns.into_request(stream, 0)))))
}

/// Sends a part until it is answered or given up.
pub(crate) async fn deliver(core: Arc<Core>, mut load: Load) -> Result<Written, Error> {
    let sender = &core.sender;
    let until = Instant::now() + sender.settings.timeout * 6;
    let number = tokio::time::timeout_at(until, sender.number()).await;
    let number =
        number.map_err(|_| Error::plain(Fate::Retry, "no_answer", "the name is not open"))?;
    sender.deliver(&mut load, number, &mut Link::default(), Some(until)).await
}

/// Adds what became of a part.
pub(crate) fn add(sums: &mut Written, part: Result<Written, Error>) -> Result<(), Error> {
    let written = part.map_err(|error| error.with_accepted(sums.accepted))?;
    sums.accepted += written.accepted;
    sums.duplicates += written.duplicates;
    sums.refused += written.refused;
    sums.refusals.extend(written.refusals);
    Ok(())
}

#[derive(Deserialize)]
struct Verdicts {
    #[serde(default)]
    scores: VecDeque<Score>,
    #[serde(default)]
    refusals: VecDeque<Refusal>,
}

pub(crate) async fn score(
    core: Arc<Core>,
    stream: String,
    line: Option<String>,
) -> Result<Score, Error> {
    let Some(line) = line else {
        return Err(Error::plain(Fate::Rejected, "invalid", "the event can never be sent"));
    };
    let path = format!("/api/v1/streams/{}/score", part(&stream));
    let mut verdicts: Verdicts = core.call(Method::POST, path, Some(line), Twice::Wrong).await?;
    if let Some(score) = verdicts.scores.pop_front() {
        return Ok(score);
    }
    let refusal = verdicts.refusals.pop_front();
    Err(match refusal {
        Some(refusal) => Error::plain(Fate::Rejected, &refusal.code, refusal.reason),
        None => Error::plain(Fate::Rejected, "duplicate", "it was seen before"),
    })
}

#[derive(Deserialize)]
struct Page {
    items: VecDeque<Detection>,
    next: Option<String>,
}

/// Recorded detections, one after the other.
pub struct Detections {
    core: Arc<Core>,
    words: Vec<(&'static str, Option<String>)>,
    cursor: Option<String>,
    items: VecDeque<Detection>,
    is_over: bool,
}

impl Detections {
    pub(crate) fn new(core: Arc<Core>, filter: &Filter) -> Self {
        let filter = filter.clone();
        let words = vec![
            ("stream", filter.stream),
            ("entity", filter.entity),
            ("severity", filter.severity),
            ("min_score", filter.min_score.map(|score| score.to_string())),
            ("detector", filter.detector),
            ("state", filter.state),
            ("from", filter.since),
            ("until", filter.until),
            ("sort", filter.sort),
            ("limit", Some(filter.page.unwrap_or(100).to_string())),
        ];
        Self { core, words, cursor: None, items: VecDeque::new(), is_over: false }
    }

    /// Returns the next one, fetching a page where that is needed; none at the end.
    /// An error ends the listing.
    pub async fn next(&mut self) -> Option<Result<Detection, Error>> {
        while self.items.is_empty() && !self.is_over {
            let page = self.core.run(self.page()).await;
            if let Err(error) = self.take(page.and_then(|page| page)) {
                return Some(Err(error));
            }
        }
        self.items.pop_front().map(Ok)
    }

    pub(crate) fn next_blocking(&mut self) -> Option<Result<Detection, Error>> {
        while self.items.is_empty() && !self.is_over {
            let page = self.core.wait(self.page());
            if let Err(error) = self.take(page.and_then(|page| page)) {
                return Some(Err(error));
            }
        }
        self.items.pop_front().map(Ok)
    }

    fn page(&self) -> impl Future<Output = Result<Page, Error>> + Send + 'static + use<> {
        let mut words = self.words.clone();
        words.push(("cursor", self.cursor.clone()));
        let path = format!("/api/v1/detections{}", query(&words));
        Arc::clone(&self.core).call(Method::GET, path, None, Twice::Harmless)
    }

    fn take(&mut self, page: Result<Page, Error>) -> Result<(), Error> {
        let page = page.inspect_err(|_| self.is_over = true)?;
        self.items = page.items;
        self.is_over = page.next.is_none();
        self.cursor = page.next;
        Ok(())
    }
}
