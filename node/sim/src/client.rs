//! Clients: each writes about a few entities, asks what is counted, repeats what
//! it was told, comes back as a newer incarnation and as a zombie, and believes
//! exactly what it is told. Every wait is bounded, and so is every answer (D-5).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use via_shard::{Answer, Error};
use via_types::batch::Origin;
use via_types::{
    Batch, Epoch, Fate as Told, NodeId, ProducerId, Receipt, Sequence, ShardId, TenantId,
};

use crate::dice::Dice;
use crate::node::Rooms;
use crate::oracle::Fate;
use crate::world::{ENTITIES, World, name};

/// The one tenant.
pub(crate) const TENANT: TenantId = TenantId::new(1);
/// Longest time in which any answer must come: the nodes' own deadline for a
/// write, and room for one question to each of several nodes.
const ANSWER: Duration = Duration::from_secs(20);
/// Event times begin here; they are the simulation's own time.
const BEGIN: i64 = 1_700_000_000_000_000_000;

/// A producer that a client opened.
#[derive(Clone, Copy, Debug)]
struct Producer {
    id: ProducerId,
    epoch: Epoch,
    sequence: u64,
}

/// A write that was acknowledged, to be repeated.
#[derive(Clone, Debug)]
struct Kept {
    batch: Batch,
    shard: ShardId,
    accepted: u64,
}

/// A client.
pub(crate) struct Client {
    world: Arc<World>,
    number: u64,
    dice: Dice,
    producer: Option<Producer>,
    kept: Option<Kept>,
    written: u64,
}

impl Client {
    pub(crate) fn new(world: Arc<World>, number: u64) -> Self {
        let dice = world.dice(100 + number);
        Self { world, number, dice, producer: None, kept: None, written: 0 }
    }

    /// Works until `until`, and ends what it began.
    pub(crate) async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            match self.dice.below(100) {
                0..45 => self.write_named(until).await,
                45..65 => self.write_plain().await,
                65..80 => self.read().await,
                80..90 => self.repeat().await,
                90..93 => self.reopen().await,
                93..96 => self.configure().await,
                _ => self.list().await,
            }
            let pause = self.dice.millis(2, 60);
            tokio::time::sleep(pause).await;
        }
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.world.trace.note(format_args!("c{} {what}", self.number));
    }

    /// Makes some events of one entity: mostly usual ones.
    fn batch(&mut self) -> (usize, Batch) {
        let entity = self.dice.below(ENTITIES as u64) as usize;
        let count = self.dice.within(1, 60) as usize;
        let now = BEGIN + self.world.trace.micros() as i64 * 1_000;
        let mut batch = Batch { stream: self.world.stream(), ..Batch::default() };
        batch.keys.push(&name(entity));
        batch.entity = vec![0; count].into();
        batch.at = (0..count as i64).map(|event| now + event * 1_000_000).collect();
        let usual = |row: usize| 100.0 + ((row * 7_919) % 13) as f64;
        batch.value = (0..count).map(usual).collect();
        self.written += 1;
        if self.written > 40 && self.dice.chance(60) {
            let row = self.dice.below(count as u64) as usize;
            batch.value[row] = 1e6;
        }
        (entity, batch)
    }

    /// Asks one node; `None` when that ends first, or there is none.
    async fn ask<T, F: Future<Output = T>>(
        &mut self,
        question: impl FnOnce(Rooms) -> F,
    ) -> Option<(NodeId, T)> {
        let Some((node, rooms)) = self.world.any_rooms(&mut self.dice) else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        };
        let mut over = rooms.over.clone();
        let asked = tokio::time::timeout(ANSWER, question(rooms));
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => None,
            answered = asked => match answered {
                Ok(answer) => Some((node, answer)),
                Err(_) => {
                    let number = self.number;
                    let what = format!("invariant D-5: c{number} has no answer of {node}");
                    self.world.check(Err(what));
                    None
                }
            },
        }
    }

    async fn send(&mut self, shard: ShardId, batch: &Batch) -> Option<Result<Receipt, Error>> {
        let answer = if self.dice.chance(100) { Answer::Scores } else { Answer::Counts };
        let sent = batch.clone();
        let question = |rooms: Rooms| async move { rooms.shard.write(shard, sent, answer).await };
        let (node, told) = self.ask(question).await?;
        let words = match &told {
            Ok(receipt) => format!("{} accepted at {:?}", receipt.accepted, receipt.position),
            Err(error) => format!("{:?}: {error}", error.fate()),
        };
        let origin = batch.origin.map(|origin| (origin.epoch.get(), origin.sequence.get()));
        self.note(format_args!("{node} {shard} {} events {origin:?}: {words}", batch.len()));
        Some(told)
    }

    /// Writes once and believes what it is told.
    async fn write_plain(&mut self) {
        let (entity, batch) = self.batch();
        let shard = self.world.shard_of(entity);
        let write = self.world.oracle.lock().begin_write(entity, batch.len() as u64);
        let fate = match self.send(shard, &batch).await {
            Some(Ok(receipt)) => Fate::Accepted(u64::from(receipt.accepted)),
            Some(Err(error)) => match error.fate() {
                Told::Rejected | Told::Retry(_) => Fate::Refused,
                Told::Unknown => Fate::Unknown,
            },
            None => Fate::Unknown,
        };
        let ended = self.world.oracle.lock().end_write(write, fate);
        self.world.check(ended);
    }

    /// Writes under a sequence, and again until it knows what became of it.
    async fn write_named(&mut self, until: Instant) {
        let Some(mut producer) = self.producer else { return Box::pin(self.reopen()).await };
        producer.sequence += 1;
        self.producer = Some(producer);
        let (entity, mut batch) = self.batch();
        let shard = self.world.shard_of(entity);
        batch.origin = Some(producer.origin());
        let write = self.world.oracle.lock().begin_write(entity, batch.len() as u64);
        let mut may_count = false;
        let fate = loop {
            match self.send(shard, &batch).await {
                Some(Ok(receipt)) => break Fate::Accepted(u64::from(receipt.accepted)),
                Some(Err(error)) => match error.fate() {
                    Told::Rejected => break if may_count { Fate::Unknown } else { Fate::Refused },
                    Told::Retry(_) => {}
                    Told::Unknown => may_count = true,
                },
                None => may_count = true,
            }
            if Instant::now() >= until {
                break if may_count { Fate::Unknown } else { Fate::Refused };
            }
            let pause = self.dice.millis(5, 200);
            tokio::time::sleep(pause).await;
        };
        if let Fate::Accepted(accepted) = fate {
            self.kept = Some(Kept { batch, shard, accepted });
        }
        let ended = self.world.oracle.lock().end_write(write, fate);
        self.world.check(ended);
    }

    /// Sends again what was acknowledged: it must be told the same.
    async fn repeat(&mut self) {
        let Some(Kept { batch, shard, accepted }) = self.kept.clone() else { return };
        let now = match self.send(shard, &batch).await {
            Some(Ok(receipt)) => Some((receipt.repeated, u64::from(receipt.accepted))),
            Some(Err(_)) | None => None,
        };
        let outcome = self.world.oracle.lock().repeated(accepted, now);
        self.world.check(outcome);
    }

    /// Opens its producer anew; sometimes a zombie of the old one still writes
    /// after the new one has.
    async fn reopen(&mut self) {
        let producer = format!("p{}", self.number);
        let question =
            |rooms: Rooms| async move { rooms.control.open_producer(TENANT, &producer).await };
        let Some((node, Ok((id, epoch)))) = self.ask(question).await else { return };
        self.note(format_args!("{node} opens {id} as {epoch}"));
        if let Some(known) = self.producer.filter(|known| known.epoch >= epoch) {
            let known = known.epoch;
            self.world.check(Err(format!("invariant D-2: {epoch} was opened after {known}")));
        }
        let zombie = self.producer.replace(Producer { id, epoch, sequence: 0 });
        self.kept = None;
        let Some(mut zombie) = zombie else { return };
        if !self.dice.chance(500) {
            return;
        }
        self.write_named(Instant::now() + Duration::from_secs(2)).await;
        let Some(Kept { mut batch, shard, .. }) = self.kept.clone() else { return };
        zombie.sequence += 1;
        batch.origin = Some(zombie.origin());
        if let Some(Ok(receipt)) = self.send(shard, &batch).await {
            let position = receipt.position;
            let (old, new) = (zombie.epoch, epoch);
            let what = format!("invariant D-2: {old} is accepted at {position:?} after {new}");
            self.world.check(Err(what));
        }
    }

    /// Asks how much is counted of an entity.
    async fn read(&mut self) {
        let entity = self.dice.below(ENTITIES as u64) as usize;
        let read = self.world.oracle.lock().begin_read(entity);
        let (stream, key) = (self.world.stream(), name(entity));
        let asked = key.clone();
        let question = |rooms: Rooms| async move { rooms.shard.profile(stream, &asked).await };
        let Some((node, Ok(profile))) = self.ask(question).await else { return };
        let found = profile.map_or(0, |profile| profile.events);
        self.note(format_args!("{node} counts {found} of {key}"));
        let outcome = self.world.oracle.lock().end_read(read, found);
        self.world.check(outcome);
    }

    /// Changes how the stream is judged, from the revision that a node shows.
    async fn configure(&mut self) {
        let Some((node, rooms)) = self.world.any_rooms(&mut self.dice) else { return };
        let stream = rooms.control.view().stream_by_id(self.world.stream()).cloned();
        let Some(stream) = stream else { return };
        let (based_on, name) = (stream.revision, stream.name.clone());
        let warmup = self.dice.within(5, 30);
        let own = serde_json::json!({ "timing": { "warmup_events": warmup } });
        let question = |rooms: Rooms| async move {
            rooms.control.put_stream_config(TENANT, &name, based_on, &own).await
        };
        let Some((other, Ok(stream))) = self.ask(question).await else { return };
        let now = stream.revision;
        self.note(format_args!("{other} configures {now} after {based_on} of {node}"));
        let outcome = self.world.oracle.lock().configured(based_on, now);
        self.world.check(outcome);
    }

    /// Lists the newest detections: whatever is listed is committed.
    async fn list(&mut self) {
        let query = via_shard::Query {
            filter: via_shard::Filter { tenant: TENANT, ..via_shard::Filter::default() },
            limit: 20,
            ..via_shard::Query::default()
        };
        let question = |rooms: Rooms| async move { rooms.shard.detections(&query).await };
        let Some((node, Ok(page))) = self.ask(question).await else { return };
        self.note(format_args!("{node} lists {} detections", page.items.len()));
    }
}

impl Producer {
    fn origin(&self) -> Origin {
        Origin {
            producer: self.id,
            epoch: self.epoch,
            sequence: Sequence::new(self.sequence),
            part: 0,
        }
    }
}
