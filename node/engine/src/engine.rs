//! The store of profiles of one shard and its face. Owns which profiles and
//! configurations are in memory; judging is in `execute`, checkpointing and
//! eviction in `lifecycle`. Called by the shard. Invariants E-1, D-6.

use std::collections::BTreeMap;

use bytemuck::Zeroable;
use via_types::calendar::Calendar;
use via_types::config::Priority;
use via_types::feedback::{Lesson, Taught};
use via_types::pressure::Regime;
use via_types::{EntityHash, LogIndex, Revision, StreamConfig, StreamId, limit};

use crate::Options;
use crate::index::Index;
use crate::peers::{EVERYBODY, Habits};
use crate::plan::Plan;
use crate::profile::{Cold, Hot, LIVE, OWN, Profile, SKIPS, USED};
use crate::record::Record;
use crate::slab::Slab;

/// Most different lane names of one stream; further ones are not judged (D-6).
const LANE_NAMES: usize = limit::LANES;

/// What the engine knows of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) plan: Plan,
    /// Plans of entities that have something different, which have [`OWN`].
    own: BTreeMap<(u64, u64), Plan>,
    /// Names of lanes, by number.
    pub(crate) lanes: Vec<String>,
    /// What its owner knows of time.
    pub(crate) calendar: Calendar,
    /// What is usual whoever the entity; away while a batch is executed.
    pub(crate) habits: Box<Habits>,
    is_configured: bool,
}

impl Stream {
    /// Returns how the events of an entity are judged.
    pub(crate) fn plan_of(&self, hot: &Hot) -> &Plan {
        let own = if hot.is(OWN) { self.own.get(&entity_key(hot.hash())) } else { None };
        own.unwrap_or(&self.plan)
    }
}

fn entity_key(entity: EntityHash) -> (u64, u64) {
    (entity.high(), entity.low())
}

/// Every profile of one shard, and what judges their events.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) index: Index,
    pub(crate) places: Slab<Profile>,
    pub(crate) free: Vec<u32>,
    /// Changed since their last export, in the order they changed.
    pub(crate) changed: Vec<u32>,
    /// What the running round still has to export.
    pub(crate) round: Vec<u32>,
    pub(crate) unsaved: usize,
    pub(crate) round_left: usize,
    /// Where the eviction hand stands.
    pub(crate) hand: u32,
    /// Memory held by cold parts outside of the slab, bytes.
    pub(crate) heap: usize,
    /// Per place: when passing time should look at it again.
    pub(crate) due: Vec<i64>,
    /// Per key of the batch in execution, or asked for just before it: its place
    /// plus one, or 0.
    pub(crate) found: Vec<u32>,
    /// What was found is of a batch to be executed next.
    pub(crate) is_asked: bool,
    /// What is usual in the stream of the batch in execution.
    pub(crate) habits: Box<Habits>,
    /// Per lane of the batch in execution: its number in the stream.
    pub(crate) numbers: Vec<Option<u32>>,
    /// How sparing events are executed.
    pub(crate) regime: Regime,
}

impl Engine {
    /// Makes an engine without profiles.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Lets detections of streams that are configured from now on name `version`
    /// as the one that made them: for simulating an upgrade.
    pub fn set_version(&mut self, version: u32) {
        self.options.version = version;
    }

    /// Judges the stream's events by `config` from now on; what was learned
    /// stays (invariant C-1: detections name `revision`).
    pub fn configure(&mut self, stream: StreamId, revision: Revision, config: &StreamConfig) {
        let share = 1.0 / f64::from(self.options.shards.max(1));
        let version = self.options.version;
        let known = self.stream_mut(stream);
        known.plan = Plan { share, version, ..Plan::of(revision, config) };
        // What cannot be read was refused when it was written: explained without.
        known.calendar = Calendar::of(&config.business_hours, &config.calendar).unwrap_or_default();
        known.is_configured = true;
        let key = |key: &String| entity_key(EntityHash::of(stream, key));
        let plans = config.entities.iter().map(|(name, own)| (key(name), known.plan.with(own)));
        let own: BTreeMap<_, _> = plans.collect();
        let before = std::mem::replace(&mut known.own, own);
        for (high, low) in before.into_keys() {
            self.mark_own(stream, EntityHash::from_parts(low, high));
        }
        for name in config.entities.keys() {
            self.mark_own(stream, EntityHash::of(stream, name));
        }
    }

    /// Notes with a profile in memory whether its entity has a plan of its own.
    fn mark_own(&mut self, stream: StreamId, entity: EntityHash) {
        if let Some(slot) = self.find(stream, entity) {
            let is_own = self.has_own(stream, entity);
            let hot = &mut self.places.get_mut(slot).hot;
            hot.flags = hot.flags & !OWN | if is_own { OWN } else { 0 };
        }
    }

    fn has_own(&self, stream: StreamId, entity: EntityHash) -> bool {
        let known = self.streams.get(&stream);
        known.is_some_and(|known| known.own.contains_key(&entity_key(entity)))
    }

    /// Returns what is known of a stream; defaults until it is configured.
    pub(crate) fn stream_mut(&mut self, stream: StreamId) -> &mut Stream {
        self.streams.entry(stream).or_insert_with(|| Stream {
            plan: Plan::of(Revision::default(), &StreamConfig::default()),
            own: BTreeMap::new(),
            lanes: Vec::new(),
            calendar: Calendar::usual(),
            habits: Box::default(),
            is_configured: false,
        })
    }

    /// Executes events under `regime` from now on, as their entry says.
    pub fn set_regime(&mut self, regime: Regime) {
        self.regime = regime;
    }

    /// Returns how much an entity matters, seen or not.
    pub fn priority(&self, stream: StreamId, entity: EntityHash) -> Priority {
        self.streams.get(&stream).map_or(Priority::Normal, |known| {
            known.own.get(&entity_key(entity)).unwrap_or(&known.plan).priority
        })
    }

    /// Returns the stream's number of a lane, giving it one if it is new.
    pub(crate) fn lane_number(&mut self, stream: StreamId, name: &str) -> Option<u32> {
        let lanes = &mut self.stream_mut(stream).lanes;
        let known = lanes.iter().position(|lane| lane == name);
        if known.is_none() && lanes.len() < LANE_NAMES {
            lanes.push(name.to_owned());
            return Some(lanes.len() as u32 - 1);
        }
        known.map(|number| number as u32)
    }

    /// Returns the revision of the stream's configuration, if it has one.
    pub fn revision(&self, stream: StreamId) -> Option<Revision> {
        let known = self.streams.get(&stream).filter(|stream| stream.is_configured)?;
        Some(known.plan.revision)
    }

    /// Brings back a profile as it was after log index `as_of`: entries up to
    /// it are skipped for this profile (invariant D-2). A profile already in
    /// memory stays as it is. Returns false when the record cannot be read:
    /// it is of another layout, or its parts do not fit (invariant D-7).
    pub fn restore(
        &mut self,
        stream: StreamId,
        entity: EntityHash,
        as_of: LogIndex,
        record: Record,
    ) -> bool {
        if entity == EVERYBODY {
            return self.restore_habits(stream, as_of, record);
        }
        if self.find(stream, entity).is_some() {
            return true;
        }
        let Some((mut hot, mut cold)) =
            record.open(&mut |name| self.lane_number(stream, name).map(|number| number as usize))
        else {
            return false;
        };
        hot.low = entity.low();
        hot.high = entity.high();
        hot.stream = stream.get();
        cold.skip = as_of.get();
        hot.flags |= LIVE | USED | SKIPS;
        self.place(hot, cold);
        true
    }

    /// Returns under which entity the habits of a stream rest, once: before its
    /// first batch they have to be restored, if there are any.
    pub fn missing_habits(&mut self, stream: StreamId) -> Option<EntityHash> {
        let habits = &mut self.stream_mut(stream).habits;
        (!std::mem::replace(&mut habits.is_asked, true)).then_some(EVERYBODY)
    }

    /// Learns from the entry `at` what somebody said of a detection of a stream,
    /// whichever shard it was made in; says what that changed. The stream's
    /// habits have to be there: see [`Self::missing_habits`].
    pub fn learn_label(&mut self, at: LogIndex, lesson: &Lesson) -> Taught {
        let known = self.stream_mut(lesson.stream);
        known.habits.be_taught(at, lesson, &known.plan)
    }

    /// Brings back the habits of a stream, unless it has any.
    fn restore_habits(&mut self, stream: StreamId, as_of: LogIndex, record: Record) -> bool {
        let Some(rested) = record.habits() else { return false };
        let habits = &mut self.stream_mut(stream).habits;
        if habits.peers.entities == 0 && !habits.meta.is_taught() {
            **habits = Habits { skip: as_of.get(), is_asked: true, ..rested };
        }
        true
    }

    /// Forgets what was learned of an entity; says whether there was anything.
    pub fn reset(&mut self, stream: StreamId, entity: EntityHash) -> bool {
        let found = self.find(stream, entity);
        if let Some(slot) = found {
            let places = self.places.get(slot).cold.grove().map_or(0, |grove| grove.places());
            if let Some(known) = self.streams.get_mut(&stream) {
                let forests = &mut known.habits.peers.forests;
                *forests = forests.saturating_sub(places as u32);
            }
            self.drop_profile(slot);
        }
        found.is_some()
    }

    /// Returns how many profiles are in memory.
    pub fn profiles(&self) -> usize {
        self.index.len()
    }

    /// Returns how many profiles changed since their last export.
    pub fn dirty(&self) -> usize {
        self.unsaved
    }

    /// Returns the memory that profiles and their index hold, bytes. Places that
    /// profiles have left are not held: the next profiles take them first.
    pub fn memory_bytes(&self) -> usize {
        let place = size_of::<Profile>() + size_of::<i64>();
        self.index.bytes() + (self.places.len() - self.free.len()) * place + self.heap
    }

    #[inline(always)]
    pub(crate) fn find(&self, stream: StreamId, entity: EntityHash) -> Option<u32> {
        self.index.find(entity, |slot| self.is_of(slot, stream, entity))
    }

    /// Says whether a place that exists holds an entity's profile.
    #[inline(always)]
    pub(crate) fn is_of(&self, slot: u32, stream: StreamId, entity: EntityHash) -> bool {
        let hot = &self.places.get(slot).hot;
        hot.high == entity.high() && hot.low == entity.low() && hot.stream == stream.get()
    }

    /// Makes a profile of an entity seen for the first time, or says that
    /// there is no room (invariant D-6).
    pub(crate) fn create(
        &mut self,
        stream: StreamId,
        entity: EntityHash,
        key: &str,
    ) -> Option<u32> {
        if self.options.is_bounded && self.memory_bytes() >= self.options.memory_bytes {
            return None;
        }
        let mut hot = Hot::zeroed();
        hot.low = entity.low();
        hot.high = entity.high();
        hot.stream = stream.get();
        hot.flags = LIVE | USED;
        Some(self.place(hot, Cold { key: key.into(), ..Cold::default() }))
    }

    fn place(&mut self, mut hot: Hot, cold: Cold) -> u32 {
        let hash = hot.hash();
        if self.has_own(StreamId::new(hot.stream), hash) {
            hot.flags |= OWN;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.places.get_mut(slot) = Profile { hot, cold };
                slot
            }
            None => {
                self.due.push(i64::MIN);
                self.places.push(Profile { hot, cold })
            }
        };
        self.due[slot as usize] = i64::MIN;
        self.index.insert(hash, slot);
        self.count_memory(slot);
        slot
    }

    /// Brings the count of memory up to date with what a profile holds.
    pub(crate) fn count_memory(&mut self, slot: u32) {
        let cold = &mut self.places.get_mut(slot).cold;
        let now = cold.heap_bytes();
        self.heap = self.heap + now - cold.counted;
        cold.counted = now;
    }

    pub(crate) fn drop_profile(&mut self, slot: u32) {
        self.forget_changes(slot);
        let profile = self.places.get_mut(slot);
        self.index.remove(profile.hot.hash(), slot);
        self.heap -= profile.cold.counted;
        *profile = Profile::none();
        self.free.push(slot);
    }
}
