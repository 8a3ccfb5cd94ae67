//! Sends batches under numbers, again and again until they are settled. Owns the
//! producer's name; knows nothing of how events are captured.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::buffer::{Batch, Body, Buffer};
use crate::counters::{Loss, State};
use crate::error::{Error, Fate};
use crate::link::Link;
use crate::numbering::{Given, Number, Numbering};
use crate::outcome::{Load, ask_for_lines, identity, origin, written};
use crate::patience::Patience;
use crate::settings::Settings;
use crate::slot::{self, Slot};
use crate::spool::{Segment, Spool};
use crate::types::Written;
use crate::wire::{Ask, Wire};

/// What stands between a buffer and the nodes.
pub(crate) struct Sender {
    pub(crate) settings: Settings,
    pub(crate) buffer: Buffer,
    pub(crate) wire: Wire,
    pub(crate) numbering: Option<Numbering>,
    pub(crate) spool: Option<Spool>,
    pub(crate) slot: Mutex<Option<Slot>>,
    /// What an earlier process left under the own name.
    pub(crate) left: Mutex<Vec<Segment>>,
    pub(crate) recovery: tokio::sync::Mutex<()>,
    pub(crate) has_recovered: AtomicBool,
}

impl Sender {
    /// Takes a name, and finds what was left under it.
    pub(crate) fn new(settings: Settings) -> Result<Arc<Self>, Error> {
        settings.check()?;
        let wire = Wire::new(&settings)?;
        let under = slot::root(settings.spool_dir.as_deref());
        let local = |error: std::io::Error| Error::local(format!("{}: {error}", under.display()));
        let held = settings.producer.as_deref().map(|name| slot::hold(name, &under));
        let held = held.transpose().map_err(local)?;
        let spool = held
            .as_ref()
            .filter(|_| settings.spool_dir.is_some())
            .map(|slot| Spool::new(&slot.folder, settings.spool_bytes));
        let sender = Self {
            buffer: Buffer::new(&settings),
            wire,
            numbering: held.as_ref().map(|slot| Numbering::new(&slot.name)),
            spool,
            slot: Mutex::new(held),
            left: Mutex::default(),
            recovery: tokio::sync::Mutex::new(()),
            has_recovered: AtomicBool::new(false),
            settings,
        };
        if let Some(spool) = &sender.spool {
            let found = spool.find().map_err(local)?;
            *sender.left.lock() = sender.take_over(found);
        }
        Ok(Arc::new(sender))
    }

    pub(crate) fn patience(&self) -> Patience {
        let Settings { backoff_min, backoff_max, .. } = self.settings;
        Patience::new(backoff_min, backoff_max, self.wire.addresses())
    }

    /// Remembers a failure and tells it to whoever asked.
    pub(crate) fn tell(&self, error: &Error) {
        self.buffer.count(|state| state.last_error = error.to_string());
        if let Some(told) = &self.settings.on_error {
            // The caller's own failure ends nothing here.
            drop(catch_unwind(AssertUnwindSafe(|| told(error))));
        }
    }

    /// Sends what the buffer gives, until it has ended.
    pub(crate) async fn send_buffered(self: Arc<Self>) {
        let mut link = Link::default();
        while let Some(batch) = self.buffer.take().await {
            let id = batch.id();
            let load = load_of(batch);
            let number = self.number().await;
            let (load, outcome) = self.outcome(load, number, &mut link, None).await;
            let count = |state: &mut State, events| count(state, events, &outcome);
            self.buffer.settle(id, count);
            self.tell_refusals(&load, &outcome);
        }
    }

    /// Sends a batch until it is answered or given up; returns it with its answer, or
    /// why its events are lost. `keep` is given each further number.
    pub(crate) async fn outcome(
        &self,
        mut load: Load,
        number: Option<Number>,
        link: &mut Link,
        keep: Option<(&Spool, &Segment)>,
    ) -> (Load, Result<Written, Loss>) {
        let mut number = number;
        loop {
            let delivered = self.deliver(&mut load, number, link, None).await;
            let error = match delivered {
                Ok(written) => return (load, Ok(written)),
                Err(error) => error,
            };
            match (error.code(), number, &self.numbering) {
                ("never_opened", Some(old), Some(numbering)) => {
                    self.open(numbering, Some(old.identity())).await;
                    let fresh = self.fresh_number(numbering).await;
                    if let Some((spool, segment)) = keep {
                        self.keep(spool, segment, fresh).await;
                    }
                    number = Some(fresh);
                }
                ("fenced", number, numbering) => {
                    let is_ours = numbering.as_ref().zip(number).is_none_or(|(it, n)| it.holds(n));
                    if is_ours {
                        self.buffer.stop(Loss::Fenced);
                        self.buffer.abandon_waiting(Loss::Fenced);
                    }
                    return (load, Err(Loss::Fenced));
                }
                _ if error.fate() == Fate::Unknown => return (load, Err(Loss::Unknown)),
                _ => return (load, Err(Loss::Rejected)),
            }
        }
    }

    /// Repeats a batch under its number until it is answered or given up.
    pub(crate) async fn deliver(
        &self,
        load: &mut Load,
        number: Option<Number>,
        link: &mut Link,
        until: Option<Instant>,
    ) -> Result<Written, Error> {
        if let Load::Columns(request) = load {
            request.origin = number.map(origin);
        }
        let delivered = self.repeat(load, number, link, until).await;
        // Answered or not: it is not sent again under this number.
        if let (Some(number), Some(numbering)) = (number, &self.numbering) {
            numbering.settle(number);
        }
        delivered
    }

    async fn repeat(
        &self,
        load: &Load,
        number: Option<Number>,
        link: &mut Link,
        until: Option<Instant>,
    ) -> Result<Written, Error> {
        let mut patience = self.patience();
        let losses = self.buffer.losses();
        let mut may_be_applied = false;
        loop {
            let address = self.wire.current();
            let error = match self.attempt(address, load, number, link, &losses).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            self.tell(&error);
            let is_over = error.fate() == Fate::Rejected || error.code() == "sequence_too_old";
            may_be_applied |= error.fate() == Fate::Unknown || link.is_after_lost;
            // What is refused now says nothing of an attempt that nobody answered.
            let error = if may_be_applied { error.into_unknown() } else { error };
            if is_over {
                return Err(error);
            }
            self.pause(&mut patience, address, error, until).await?;
            self.buffer.count(|state| state.repeats += 1);
        }
    }

    async fn attempt(
        &self,
        address: usize,
        load: &Load,
        number: Option<Number>,
        link: &mut Link,
        losses: &str,
    ) -> Result<Written, Error> {
        match load {
            Load::Columns(request) => link.attempt(&self.wire, address, request, losses).await,
            Load::Lines { stream, body } => {
                let mut ask = ask_for_lines(stream, body.clone(), number);
                ask.within = self.wire.timeout;
                if !losses.is_empty() {
                    ask.headers.push(("x-via-lost", losses.to_owned()));
                }
                written(&self.wire.call(address, ask).await?)
            }
        }
    }

    /// Waits as a failure asks for; gives the failure back where that is too long.
    pub(crate) async fn pause(
        &self,
        patience: &mut Patience,
        address: usize,
        error: Error,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        let turn = patience.after(&error);
        if turn.moves_on {
            self.wire.leave(address);
        }
        if until.is_some_and(|until| Instant::now() + turn.wait > until) {
            return Err(error);
        }
        if turn.wait > Duration::ZERO {
            tokio::time::sleep(turn.wait).await;
        }
        Ok(())
    }

    /// Gives the next number, once what was left is sent and the name is open.
    pub(crate) async fn number(&self) -> Option<Number> {
        let numbering = self.numbering.as_ref()?;
        self.recover().await;
        Some(self.fresh_number(numbering).await)
    }

    /// Gives the next number under a name, which is opened where it is not open.
    pub(crate) async fn fresh_number(&self, numbering: &Numbering) -> Number {
        loop {
            match numbering.give() {
                Given::Number(number) => return number,
                Given::Closed => self.open(numbering, None).await,
                Given::Ahead => numbering.wait_settled().await,
            }
        }
    }

    /// Opens a name, unless it is open under another identity than that.
    async fn open(&self, numbering: &Numbering, unlike: Option<(u64, u32)>) {
        let mut patience = self.patience();
        let opening = numbering.opening.lock().await;
        while numbering.identity().is_none() || numbering.identity() == unlike {
            let address = self.wire.current();
            match self.open_once(address, &numbering.name).await {
                Ok(identity) => numbering.open_as(identity),
                Err(error) => {
                    self.tell(&error);
                    // Without a deadline it only waits.
                    drop(self.pause(&mut patience, address, error, None).await);
                }
            }
        }
        drop(opening);
    }

    async fn open_once(&self, address: usize, name: &str) -> Result<(u64, u32), Error> {
        let body = serde_json::json!({ "name": name }).to_string();
        let ask = Ask {
            method: Method::POST,
            path: "/api/v1/producers".to_owned(),
            body: Some(("application/json", body.into())),
            headers: Vec::new(),
            within: self.wire.timeout,
        };
        let answer = self.wire.call(address, ask).await?;
        identity(&answer).ok_or_else(|| Error::lost("the answer cannot be read"))
    }

    /// Tells which events were refused, with their text.
    pub(crate) fn tell_refusals(&self, load: &Load, outcome: &Result<Written, Loss>) {
        let (Some(told), Ok(written)) = (&self.settings.on_refused, outcome) else { return };
        for refusal in &written.refusals {
            let text = load.text(refusal.line);
            drop(catch_unwind(AssertUnwindSafe(|| told(refusal, &text))));
        }
    }
}

/// Counts what became of a batch.
pub(crate) fn count(state: &mut State, events: u64, outcome: &Result<Written, Loss>) {
    match outcome {
        Ok(written) => {
            state.batches += 1;
            state.accepted += written.accepted;
            state.duplicates += written.duplicates;
            state.refused += written.refused;
        }
        Err(reason) => state.lose(*reason, events),
    }
}

/// Makes a batch ready to be sent.
fn load_of(batch: Batch) -> Load {
    let skipped = batch.skipped;
    if let Some(lines) = batch.lines() {
        let body = Bytes::copy_from_slice(lines.trim_end_matches('\n').as_bytes());
        return Load::Lines { stream: batch.stream.as_ref().to_owned(), body };
    }
    match batch.body {
        Body::Columns(columns) => {
            Load::Columns(Box::new(columns.into_request(&batch.stream, skipped)))
        }
        Body::Lines(_) => unreachable!("lines were taken above"),
    }
}
