//! The one task that proposes to a shard's log: it merges the requests that come
//! while an entry is under way into the next, records detections, runs
//! checkpoint rounds and lets time pass. One proposer means one order: a profile is saved
//! only after the detections it has already forgotten (D-3, D-4).

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use via_catalog::View;
use via_consensus::{Group, Leadership, Position};
use via_engine::Answer;
use via_types::entry::{Command, Detections, Events, Pressed, ShardEntry, TurnedAway};
use via_types::pressure::Regime;
use via_types::{Batch, Clock, Revision, StreamId, Term, Timestamp, limit};

use crate::checkpoint::Checkpoints;
use crate::deed::Asked;
use crate::relief::Triage;
use crate::replica::Replica;
use crate::request::{Fate, Request, Waiting, answer, complain};
use crate::saver::Saver;
use crate::standing::{Standing, Waits};
use crate::writes::Ticket;
use crate::{Error, metrics};

/// Most bytes of one merged entry: 1 MiB costs a replica about 1 ms.
const ENTRY_BYTES: usize = 1 << 20;
/// Bytes taken from the door at a time; the rest waits there.
const QUEUE_BYTES: usize = 4 * ENTRY_BYTES;
/// How often a shard looks at its checkpoint, its ticks and its configuration.
const PULSE: Duration = Duration::from_secs(1);
/// Bytes of detections recorded by one entry.
pub(crate) const RECORD_BYTES: usize = 1 << 20;

/// A proposal under way, when it is done.
pub(crate) enum Done {
    Events(Vec<(Ticket, Instant)>, Arc<Pressed>, Fate),
    /// An entry of detections, and what became of it.
    Recorded(Detections, Fate),
    /// A step of a checkpoint round of that term.
    Chunk(Term, Fate),
    Boundary(Term, Fate),
    /// The store was made durable, or not.
    Durable(Term, Result<(), Error>),
    /// What another leader checkpointed is durable here up to this boundary.
    Kept(Option<Position>),
    /// The log was purged, or the reason why not was told.
    Purged,
    Deed(Asked, Fate),
    /// A tick or a configuration.
    Minor(Fate),
    /// Leadership was handed to another, or not.
    Aside,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = Done> + Send>>;

/// The driver of one shard.
pub(crate) struct Driver {
    pub(crate) replica: Arc<Replica>,
    pub(crate) group: Group,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) saver: Saver,
    /// Where writes go when another node leads.
    pub(crate) courier: Option<mpsc::Sender<Request>>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    requests: mpsc::Receiver<Request>,
    pub(crate) queue: VecDeque<Waiting>,
    pub(crate) queued_bytes: usize,
    pub(crate) tasks: FuturesUnordered<Task>,
    /// An `Events` entry is being committed and executed.
    events_in_flight: bool,
    pub(crate) recording: bool,
    /// Detections to propose when those under way are recorded: of two entries
    /// the group may refuse the first and take the second, which covers it.
    pub(crate) unsent: VecDeque<Detections>,
    /// Still taking requests.
    pub(crate) open: bool,
    pub(crate) resets: usize,
    last_tick: Instant,
    /// What was proposed of each stream in this term.
    pub(crate) configured: BTreeMap<StreamId, Revision>,
    pub(crate) term: Term,
    stamp: Timestamp,
    pub(crate) keeping: bool,
    /// Something that was taken from the executing state is not in the log.
    pub(crate) is_ruined: bool,
    /// Leadership is being handed to another for that.
    pub(crate) is_aside: bool,
    /// Nothing is proposed until then: the group refused the last ones, or there is
    /// no memory for events.
    pub(crate) pause: Instant,
    /// No profiles are looked for that may leave memory until then.
    pub(crate) rest: Instant,
    pub(crate) checkpoints: Checkpoints,
}

/// What the drivers of a node share, and what is one driver's own.
pub(crate) struct Outfit {
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) saver: Saver,
    pub(crate) courier: Option<mpsc::Sender<Request>>,
}

impl Driver {
    pub(crate) fn new(
        replica: Arc<Replica>,
        group: Group,
        outfit: Outfit,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let Outfit { view, clock, saver, courier } = outfit;
        let leadership = group.leadership();
        let checkpoints = Checkpoints::new(&replica.options, replica.shard);
        Self {
            replica,
            group,
            view,
            clock,
            saver,
            courier,
            leadership,
            requests,
            queue: VecDeque::new(),
            queued_bytes: 0,
            tasks: FuturesUnordered::new(),
            events_in_flight: false,
            recording: false,
            unsent: VecDeque::new(),
            open: true,
            resets: 0,
            last_tick: Instant::now(),
            configured: BTreeMap::new(),
            term: Term::default(),
            stamp: Timestamp::MIN,
            keeping: false,
            is_ruined: false,
            is_aside: false,
            pause: Instant::now(),
            rest: Instant::now(),
            checkpoints,
        }
    }

    /// Serves until `shutdown` says so, then finishes what was taken.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut alarm = pin!(tokio::time::sleep_until(Instant::now()));
        let mut leadership = self.leadership.clone();
        while self.open || !self.queue.is_empty() || !self.tasks.is_empty() {
            self.propose().await;
            let wake = self.next_deadline();
            if let Some(wake) = wake.filter(|wake| *wake != alarm.deadline()) {
                alarm.as_mut().reset(wake);
            }
            let room = self.open && self.queued_bytes < QUEUE_BYTES;
            let replica = Arc::clone(&self.replica);
            tokio::select! {
                Some(done) = self.tasks.next(), if !self.tasks.is_empty() => self.finish(done),
                request = self.requests.recv(), if room => match request {
                    Some(request) => self.take(request).await,
                    None => self.open = false,
                },
                () = replica.wake.notified() => {}
                // A group that is gone will not be led here any more.
                changed = leadership.changed(), if self.open => if changed.is_err() {
                    self.close().await;
                },
                () = alarm.as_mut(), if wake.is_some() => {}
                _ = pulse.tick(), if self.open => self.pulse().await,
                changed = shutdown.changed(), if self.open => {
                    if changed.is_err() || *shutdown.borrow() {
                        self.close().await;
                    }
                }
            }
        }
        // What the last entries made is recorded too, so that a restart need not.
        if self.standing() == Standing::Leads {
            self.record().await;
        }
        while let Some(done) = self.tasks.next().await {
            self.finish(done);
            if !self.recording && self.standing() == Standing::Leads {
                let _told = self.propose_detections().await;
            }
        }
    }

    /// Takes what is already in the door and nothing more.
    async fn close(&mut self) {
        self.open = false;
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            self.take(request).await;
        }
    }

    /// Returns when something becomes due without being woken.
    fn next_deadline(&self) -> Option<Instant> {
        // Nobody else writes what is due.
        let writes = self.open && self.resets == 0 && self.standing() == Standing::Leads;
        let write = self.checkpoints.next_write().filter(|_| writes && !self.is_ruined);
        let pause = Some(self.pause).filter(|until| *until > Instant::now());
        write.into_iter().chain(pause).min()
    }

    /// Takes a request and all that wait behind it.
    async fn take(&mut self, first: Request) {
        let since = Instant::now();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Write { batch, answer, bytes, ticket } => {
                    self.queued_bytes += bytes;
                    self.queue.push_back(Waiting { batch, answer, bytes, since, ticket });
                }
                Request::Deed { command, reply } => self.deed(command, reply).await,
            }
            let room = self.queued_bytes < QUEUE_BYTES;
            next = if room { self.requests.try_recv().ok() } else { None };
        }
    }

    /// Proposes whatever may be proposed now.
    async fn propose(&mut self) {
        self.follow_term();
        match self.standing() {
            Standing::Leads => {}
            Standing::Rises => return,
            Standing::Follows => {
                self.hand_on();
                self.keep_up();
                return;
            }
        }
        self.record().await;
        while self.may_propose_events() {
            self.propose_events().await;
        }
        // What the leader before checkpointed: until it is durable here, nothing
        // of this shard can be sent to a new replica.
        self.keep_up();
        if self.open && !self.is_ruined {
            self.checkpoint().await;
        }
    }

    /// Forgets what was proposed in an earlier term.
    fn follow_term(&mut self) {
        if self.replica.promoted() == self.term {
            return;
        }
        let followed = self.replica.with(|state| {
            let live = state.live.as_ref()?;
            let revisions = state.streams.values().map(|known| (known.stream, known.revision));
            Some((live.term, live.stamp(), revisions.collect()))
        });
        if let Some((term, stamp, configured)) = followed {
            self.term = term;
            self.stamp = stamp;
            self.configured = configured;
            self.is_ruined = false;
            self.unsent.clear();
            self.checkpoints.restart();
        }
    }

    /// Says whether an entry may go now: not while the one before is under way,
    /// whose time is what merges small requests. The busier the node, the more.
    fn may_propose_events(&self) -> bool {
        !self.queue.is_empty() && !self.events_in_flight && self.pause <= Instant::now()
    }

    /// Merges queued writes into one entry and proposes it.
    async fn propose_events(&mut self) {
        if let Some(lack) = self.lacking() {
            return self.hold_back(lack);
        }
        let (mut events, tickets) = self.merge().await;
        if tickets.is_empty() {
            return;
        }
        let pressure = &self.replica.pressure;
        events.regime = pressure.strategy.regime(pressure.look());
        let (events, submitted) = self.submit_events(events).await;
        match submitted {
            Ok(pending) => {
                self.events_in_flight = true;
                self.tasks
                    .push(Box::pin(async move { Done::Events(tickets, events, pending.await) }));
            }
            Err(error) => self.try_again(tickets, &events, &error),
        }
    }

    /// Takes queued writes for one entry: as many as fit, those that may go.
    async fn merge(&mut self) -> (Pressed, Vec<(Ticket, Instant)>) {
        let mut events = Events { stamp: self.now(), batches: Vec::new(), scored: Vec::new() };
        let (mut tickets, mut turned_away) = (Vec::new(), Vec::new());
        let (mut bytes, mut rows, mut admitted) = (0, 0, 0);
        while let Some(next) = self.queue.front() {
            let full =
                bytes + next.bytes > ENTRY_BYTES || rows + next.batch.len() > limit::BATCH_EVENTS;
            if full && !tickets.is_empty() {
                break;
            }
            let Some(next) = self.queue.pop_front() else { break };
            self.queued_bytes -= next.bytes;
            let away = match self.admit(&next.batch, &mut admitted).await {
                Ok(Triage::Goes(away)) => away,
                Ok(Triage::Stays(reason)) => {
                    self.turn_away(next, reason);
                    continue;
                }
                Err(error) => match self.wait_after(next, error) {
                    Waits::InLine => break,
                    Waits::NoMore => continue,
                },
            };
            bytes += next.bytes;
            rows += next.batch.len();
            let batch = events.batches.len() as u32;
            if next.answer == Answer::Scores {
                events.scored.push(batch);
            }
            let named = |(key, reason)| TurnedAway { batch, key, reason };
            turned_away.extend(away.into_iter().map(named));
            events.batches.push(*next.batch);
            tickets.push((next.ticket, next.since));
        }
        (Pressed { events, regime: Regime::Full, turned_away }, tickets)
    }

    /// Says whether a batch may go into the log, and makes sure that it can.
    async fn admit(&mut self, batch: &Batch, admitted: &mut usize) -> Result<Triage, Error> {
        self.opened(batch)?;
        self.configure(batch.stream).await?;
        self.triage(batch, admitted)
    }

    /// Encodes `entry` and hands it to the group; entries keep the order of calls.
    pub(crate) async fn submit(
        &mut self,
        entry: &ShardEntry,
        kind: &'static str,
    ) -> Result<impl Future<Output = Fate> + Send + use<>, Arc<via_consensus::Error>> {
        let bytes = Bytes::from(via_codec::encode(via_codec::Kind::ShardEntry, entry));
        self.submit_bytes(bytes, kind).await
    }

    /// Submits events and keeps them at hand for when they are committed, or not.
    async fn submit_events(
        &mut self,
        events: Pressed,
    ) -> (Arc<Pressed>, Result<impl Future<Output = Fate> + Send + use<>, Arc<via_consensus::Error>>)
    {
        let (bytes, events) = crate::request::encoded(events);
        let events = Arc::new(events);
        self.replica.expect(bytes.clone(), Arc::clone(&events));
        let submitted = self.submit_bytes(bytes, "events").await;
        (events, submitted)
    }

    async fn submit_bytes(
        &mut self,
        bytes: Bytes,
        kind: &'static str,
    ) -> Result<impl Future<Output = Fate> + Send + use<>, Arc<via_consensus::Error>> {
        ::metrics::counter!(metrics::ENTRIES, "kind" => kind).increment(1);
        let pending = self.group.submit(bytes).await.map_err(Arc::new)?;
        Ok(async move { pending.await.map_err(Arc::new) })
    }

    /// Once a second: time passes for silent entities, changed configurations
    /// are proposed.
    async fn pulse(&mut self) {
        if self.standing() != Standing::Leads {
            return;
        }
        if self.is_ruined || self.checkpoints.is_broken() {
            self.step_aside();
        }
        self.tidy_up();
        let held = self.replica.with(|state| {
            let profiles = state.live.as_ref().map_or(0, |live| live.engine.profiles());
            profiles + state.detections
        });
        // Time makes profiles notice silence, and detections go.
        if held == 0 || !self.replica.store.has_room() {
            return;
        }
        self.configure_all().await;
        if self.last_tick.elapsed() >= self.replica.options.tick_interval {
            self.last_tick = Instant::now();
            let entry = ShardEntry::Command(Command::Tick { stamp: self.now() });
            if let Ok(pending) = self.submit(&entry, "tick").await {
                self.tasks.push(Box::pin(async move { Done::Minor(pending.await) }));
            }
        }
    }

    /// Returns the leader's stamp, which never goes back.
    pub(crate) fn now(&mut self) -> Timestamp {
        self.stamp = self.stamp.max(self.clock.now());
        self.stamp
    }

    fn finish(&mut self, done: Done) {
        let shard = self.replica.shard;
        match done {
            Done::Events(tickets, events, result) => {
                self.events_in_flight = false;
                match result {
                    Ok(committed) => answer(&self.replica, tickets, committed),
                    Err(error) => self.try_again(tickets, &events, &error),
                }
            }
            Done::Recorded(detections, result) => self.recorded(detections, &result),
            Done::Aside => self.is_aside = false,
            Done::Deed(asked, fate) => self.done(asked, fate),
            Done::Minor(result) => complain(shard, "tick or configuration", &result),
            Done::Kept(boundary) => self.kept(boundary),
            // A round of an earlier term is over, however it ended.
            Done::Chunk(term, _) | Done::Boundary(term, _) | Done::Durable(term, _)
                if term != self.term => {}
            Done::Chunk(..) | Done::Boundary(..) | Done::Durable(..) | Done::Purged => {
                self.advance_checkpoint(done);
            }
        }
    }
}
