//! Feeding an engine event by event, and seeded numbers to feed it with.

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::detection::Change;
use via_types::{
    Batch, Detection, EntityHash, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp,
};

/// The stream all tests feed.
pub(crate) const STREAM: StreamId = StreamId::new(7);
/// A Monday, 2024-01-01T00:00:00Z, seconds.
pub(crate) const MONDAY: f64 = 1_704_067_200.0;

/// One event to feed.
#[derive(Clone, Debug)]
pub(crate) struct Fed {
    pub(crate) key: &'static str,
    pub(crate) at: f64,
    pub(crate) value: f64,
    pub(crate) mark: u64,
}

/// An event of the one entity most tests have.
pub(crate) fn event(at: f64, value: f64) -> Fed {
    Fed { key: "e", at, value, mark: 0 }
}

/// An engine with its place in the log and all that it said.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) engine: Engine,
    pub(crate) index: u64,
    pub(crate) changes: Vec<Change>,
    pub(crate) scores: Vec<f32>,
}

pub(crate) fn nanos(secs: f64) -> i64 {
    (secs * 1e9) as i64
}

/// Packs events into a sealed batch.
pub(crate) fn batch(events: &[Fed]) -> Batch {
    let mut batch = Batch { stream: STREAM, ..Batch::default() };
    let mut known = std::collections::BTreeMap::new();
    for event in events {
        let keys = &mut batch.keys;
        batch.entity.push(*known.entry(event.key).or_insert_with(|| keys.push(event.key)));
        batch.at.push(nanos(event.at));
        batch.value.push(event.value);
        batch.mark.push(event.mark);
    }
    if events.iter().all(|event| event.mark == 0) {
        batch.mark.clear();
    }
    batch.seal().expect("columns fit");
    batch
}

impl Feed {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        Self::with(Options::default(), config)
    }

    pub(crate) fn with(options: Options, config: &StreamConfig) -> Self {
        let mut engine = Engine::new(options);
        engine.configure(STREAM, Revision::new(5), config);
        Self { engine, index: 0, changes: Vec::new(), scores: Vec::new() }
    }

    /// Feeds one batch, live; keeps what was said, returns the rest.
    pub(crate) fn batch(&mut self, batch: &Batch) -> Outcome {
        self.index += 1;
        let index = LogIndex::new(self.index);
        let at = Position { shard: ShardId::new(3), index, base: 0 };
        let newest = batch.at.iter().copied().max().unwrap_or(0);
        let mut out = Outcome::default();
        let stamp = Timestamp::from_nanos(newest);
        self.engine.execute(at, stamp, batch, Answer::Scores, &mut out);
        assert_sane(&out);
        self.changes.extend(out.changes.iter().cloned());
        self.scores.extend(out.scores.iter().copied());
        out
    }

    /// Feeds events, 64 a batch; returns how many were accepted.
    pub(crate) fn feed(&mut self, events: &[Fed]) -> u32 {
        events.chunks(64).map(|chunk| self.batch(&batch(chunk)).accepted).sum()
    }

    /// Feeds one event; returns its score.
    pub(crate) fn one(&mut self, fed: Fed) -> f32 {
        self.batch(&batch(&[fed])).scores[0]
    }

    pub(crate) fn tick(&mut self, at: f64) -> Vec<Change> {
        self.index += 1;
        let index = LogIndex::new(self.index);
        let position = Position { shard: ShardId::new(3), index, base: 0 };
        let mut out = Outcome::default();
        self.engine.tick(position, Timestamp::from_nanos(nanos(at)), &mut out);
        assert_sane(&out);
        self.changes.extend(out.changes.iter().cloned());
        out.changes
    }

    /// Returns detections opened so far.
    pub(crate) fn opened(&self) -> Vec<&Detection> {
        let opened = |change: &'_ Change| matches!(change, Change::Opened(_));
        self.changes.iter().filter(|change| opened(change)).map(Change::detection).collect()
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new(&StreamConfig::default())
    }
}

/// Returns the hash of an entity of the stream.
pub(crate) fn hash(key: &str) -> EntityHash {
    EntityHash::of(STREAM, key)
}

/// Checks what must hold of everything the engine says.
fn assert_sane(out: &Outcome) {
    for score in &out.scores {
        assert!(score.is_nan() || (0.0..=1.0).contains(score), "score {score}");
    }
    for change in &out.changes {
        assert_detection(change.detection());
    }
    for scored in &out.scored {
        assert!((0.0..=1.0).contains(&scored.score));
        for term in &scored.contributions {
            assert!(term.evidence.is_finite() && term.observed.is_finite());
            assert!(term.expected.is_finite());
        }
    }
}

fn assert_detection(detection: &Detection) {
    let terms: f64 = detection.contributions.iter().map(|term| term.evidence).sum();
    if !detection.contributions.is_empty() {
        assert!((terms - detection.evidence).abs() < 1e-9, "invariant E-2: terms add up");
    }
    assert!(detection.evidence.is_finite() && detection.value.is_finite());
    assert!((0.0..=1.0).contains(&detection.score) && detection.threshold.is_finite());
    if let Some(range) = detection.expected {
        assert!(range.low.is_finite() && range.high.is_finite() && range.value.is_finite());
        assert!(range.low <= range.high, "{range:?}");
    }
    assert!(!detection.reason.is_empty());
    assert!(!detection.reason.contains("NaN") && !detection.reason.contains("inf"));
    assert!(detection.started <= detection.last);
}

/// A seeded generator: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.uniform())
    }

    pub(crate) fn normal(&mut self, mean: f64, sd: f64) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        mean + sd * radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}
