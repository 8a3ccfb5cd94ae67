//! A profile at rest. Owns the compact form: zero words are left out, so a
//! young profile is small; refuses to know files and checksums, which are the
//! codec's. Called by `lifecycle` and the shard. Exact: what comes back is
//! bit for bit what was put in (invariant E-1).

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use via_types::Column;

use crate::close::WIDEST;
use crate::detector::cardinality::Sketch;
use crate::detector::horizons::Horizons;
use crate::detector::lanes::{Lane, Lanes};
use crate::detector::together::{Pair, Together};
use crate::episode::Episode;
use crate::grove::Resting;
use crate::history::{History, POINTS, Point};
use crate::meta::Meta;
use crate::peers::Habits;
use crate::profile::{Cold, Hot, Rules, TRANSIENT};

/// The layout written below; another one is not opened (invariant D-7).
const LAYOUT: u32 = 4;

/// One profile at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    layout: u32,
    key: String,
    hot: Words,
    sketch: Option<Marks>,
    history: Option<Past>,
    rate_season: Option<Words>,
    series: Option<Words>,
    lanes: Option<Named>,
    episode: Option<Box<Episode>>,
    rules: Option<Words>,
    course: Option<Words>,
    grove: Option<Box<Resting>>,
    peers: Option<Words>,
    ledgers: Option<Words>,
    labels: Option<Labels>,
}

/// What people said of a stream's detections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Labels {
    count: u32,
    held: Words,
}

/// The marks of the bucket being filled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Marks {
    exact: Column<u32>,
    registers: Column<u8>,
    estimate: f64,
    change: f64,
}

/// The ring of closed buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Past {
    anchor: f64,
    newest: i64,
    next: u32,
    count: u32,
    points: Words,
    /// Detections that ended.
    ended: Option<Words>,
}

/// The lanes, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    names: Vec<String>,
    lanes: Words,
    /// Levels of each at all horizons.
    far: Words,
    /// How pairs of them move together; by place, so that it begins anew where
    /// lanes were numbered otherwise.
    together: Words,
    pairs: u32,
    joint: Words,
}

/// Plain memory as 32-bit words, zeros left out: `present` has one bit per
/// word, `bytes` the words that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Words {
    present: Column<u8>,
    bytes: Column<u8>,
}

impl Words {
    fn of<T: Pod>(value: &T) -> Self {
        Self::of_bytes(bytemuck::bytes_of(value))
    }

    fn of_bytes(memory: &[u8]) -> Self {
        let mut words = Self::default();
        for (number, word) in memory.chunks_exact(4).enumerate() {
            if number % 8 == 0 {
                words.present.push(0);
            }
            if word != [0; 4] {
                words.present[number / 8] |= 1 << (number % 8);
                words.bytes.extend_from_slice(word);
            }
        }
        words
    }

    fn open<T: Pod>(&self) -> Option<T> {
        let mut value = T::zeroed();
        self.open_into(bytemuck::bytes_of_mut(&mut value))?;
        Some(value)
    }

    fn open_into(&self, memory: &mut [u8]) -> Option<()> {
        if self.present.len() != memory.len().div_ceil(32) {
            return None;
        }
        let mut rest = &self.bytes[..];
        for (number, word) in memory.chunks_exact_mut(4).enumerate() {
            if self.present[number / 8] >> (number % 8) & 1 == 1 {
                let (head, tail) = rest.split_at_checked(4)?;
                word.copy_from_slice(head);
                rest = tail;
            }
        }
        rest.is_empty().then_some(())
    }
}

impl Record {
    /// Returns the entity's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn of(hot: &Hot, cold: &Cold, names: &[String]) -> Self {
        let mut plain = *hot;
        plain.low = 0;
        plain.high = 0;
        plain.stream = 0;
        plain.flags &= !TRANSIENT;
        plain.wake = 0;
        Self {
            layout: LAYOUT,
            key: cold.key.to_string(),
            hot: Words::of(&plain),
            sketch: (!cold.sketch.is_empty()).then(|| Marks::of(&cold.sketch)),
            history: cold.history.as_deref().map(Past::of),
            rate_season: cold.rate_season.as_deref().map(Words::of),
            series: cold.series.as_deref().map(Words::of),
            lanes: cold.lanes.as_deref().map(|lanes| Named::of(lanes, names)),
            episode: cold.episode.clone(),
            rules: cold.rules.as_deref().map(Words::of),
            course: cold.course().map(Words::of),
            grove: cold.grove().map(|grove| Box::new(grove.rest())),
            peers: None,
            ledgers: None,
            labels: None,
        }
    }

    /// Returns the record of a stream's habits, of no entity.
    pub(crate) fn of_habits(habits: &Habits) -> Self {
        let nobody = Self::of(&Hot::zeroed(), &Cold::default(), &[]);
        let ledgers = habits.ledgers.as_deref().map(Words::of);
        let labels = (habits.meta.known() > 0).then(|| Labels::of(&habits.meta));
        Self { peers: Some(Words::of(&habits.peers)), ledgers, labels, ..nobody }
    }

    /// Returns the habits of a stream, if these are such and of this layout.
    pub(crate) fn habits(self) -> Option<Habits> {
        if self.layout != LAYOUT {
            return None;
        }
        let (peers, ledgers) = (self.peers?.open()?, boxed(self.ledgers)?);
        let meta = self.labels.map_or(Some(Meta::default()), Labels::open)?;
        Some(Habits { peers, ledgers, meta, ..Habits::default() })
    }

    /// Rebuilds the profile; `number` gives a lane's number in its stream.
    /// None when the record is of another layout or does not fit together.
    pub(crate) fn open(self, number: &mut dyn FnMut(&str) -> Option<usize>) -> Option<(Hot, Cold)> {
        if self.layout != LAYOUT {
            return None;
        }
        let mut hot: Hot = self.hot.open()?;
        if hot.bucket.shift > WIDEST {
            return None;
        }
        hot.wake = hot.bucket.end().min(hot.slot.end);
        let words = |part: Option<Words>| {
            part.map(|words| words.open()).map_or(Some(None), |x| x.map(Some))
        };
        let rules: Option<Rules> = words(self.rules)?;
        let mut cold = Cold {
            key: self.key.into_boxed_str(),
            sketch: self.sketch.map_or(Some(Sketch::default()), Marks::open)?,
            history: self.history.map_or(Some(None), |past| past.open().map(Some))?,
            rate_season: boxed(self.rate_season)?,
            series: boxed(self.series)?,
            lanes: match self.lanes {
                Some(named) => Some(Box::new(named.open(number)?)),
                None => None,
            },
            episode: self.episode,
            rules: rules.map(Box::new),
            counted: 0,
            skip: 0,
        };
        if let (Some(history), Some(course)) = (&mut cold.history, self.course) {
            history.course = Some(Box::new(course.open()?));
        }
        if let (Some(history), Some(grove)) = (&mut cold.history, self.grove) {
            history.grove = Some(Box::new(grove.wake()?));
        }
        Some((hot, cold))
    }
}

fn boxed<T: Pod>(part: Option<Words>) -> Option<Option<Box<T>>> {
    match part {
        Some(words) => Some(Some(Box::new(words.open()?))),
        None => Some(None),
    }
}

impl Labels {
    fn of(meta: &Meta) -> Self {
        Self { count: meta.known() as u32, held: Words::of_bytes(meta.at_rest()) }
    }

    fn open(self) -> Option<Meta> {
        let mut memory = vec![0; Meta::size_at_rest(self.count as usize)?];
        self.held.open_into(&mut memory)?;
        Meta::open(&memory)
    }
}

impl Marks {
    fn of(sketch: &Sketch) -> Self {
        let (exact, registers, estimate, change) = sketch.parts();
        Self { exact: exact.into(), registers: registers.to_vec().into(), estimate, change }
    }

    fn open(self) -> Option<Sketch> {
        Sketch::from_parts(&self.exact, self.registers.to_vec(), self.estimate, self.change)
    }
}

impl Past {
    fn of(history: &History) -> Self {
        Self {
            anchor: history.anchor,
            newest: history.newest,
            next: history.next as u32,
            count: history.points.len() as u32,
            points: Words::of_bytes(bytemuck::cast_slice(&history.points)),
            ended: history.ended.as_deref().map(Words::of),
        }
    }

    fn open(self) -> Option<Box<History>> {
        let (count, next) = (self.count as usize, self.next as usize);
        if count > POINTS || next >= count.max(1) || !self.anchor.is_finite() {
            return None;
        }
        let mut points = vec![Point::zeroed(); count];
        self.points.open_into(bytemuck::cast_slice_mut(&mut points))?;
        let ended = boxed(self.ended)?;
        let Self { anchor, newest, .. } = self;
        Some(Box::new(History { anchor, newest, next, points, ended, course: None, grove: None }))
    }
}

impl Named {
    fn of(lanes: &Lanes, names: &[String]) -> Self {
        Self {
            names: names.iter().take(lanes.lanes.len()).cloned().collect(),
            lanes: Words::of_bytes(bytemuck::cast_slice(&lanes.lanes)),
            far: Words::of_bytes(bytemuck::cast_slice(&lanes.far.lanes)),
            together: Words::of_bytes(bytemuck::cast_slice(&lanes.together.pairs)),
            pairs: lanes.together.pairs.len() as u32,
            joint: Words::of(&lanes.joint),
        }
    }

    fn open(self, number: &mut dyn FnMut(&str) -> Option<usize>) -> Option<Lanes> {
        let count = self.names.len();
        let mut held = vec![Lane::zeroed(); count];
        self.lanes.open_into(bytemuck::cast_slice_mut(&mut held))?;
        let mut far = vec![Horizons::zeroed(); count];
        self.far.open_into(bytemuck::cast_slice_mut(&mut far))?;
        let mut lanes = Lanes { joint: self.joint.open()?, ..Lanes::default() };
        let mut is_as_before = true;
        for (place, (name, (lane, far))) in
            self.names.iter().zip(held.into_iter().zip(far)).enumerate()
        {
            let Some(number) = number(name) else {
                is_as_before = false;
                continue;
            };
            is_as_before &= number == place;
            if number >= lanes.lanes.len() {
                lanes.lanes.resize(number + 1, Lane::zeroed());
                lanes.far.lanes.resize(number + 1, Horizons::zeroed());
            }
            lanes.lanes[number] = lane;
            lanes.far.lanes[number] = far;
        }
        if is_as_before && self.pairs as usize <= Together::places(count) {
            lanes.together.pairs = vec![Pair::zeroed(); self.pairs as usize];
            self.together.open_into(bytemuck::cast_slice_mut(&mut lanes.together.pairs))?;
        }
        Some(lanes)
    }
}
