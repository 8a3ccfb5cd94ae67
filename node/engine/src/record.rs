//! A profile at rest. Owns the compact form: zero words are left out, so a
//! young profile is small; refuses to know files and checksums, which are the
//! codec's. Called by `lifecycle` and the shard. Exact: what comes back is
//! bit for bit what was put in (invariant E-1).

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use via_types::Column;

use crate::close::WIDEST;
use crate::detector::cardinality::Sketch;
use crate::detector::lanes::{Joint, Lane, Lanes};
use crate::episode::Episode;
use crate::history::{History, POINTS};
use crate::meta::Meta;
use crate::peers::Peers;
use crate::profile::{Cold, Hot, Rules, TRANSIENT};

/// The layout written below; another one is not opened (invariant D-7).
const LAYOUT: u32 = 3;

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
    peers: Option<Words>,
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
    points: Column<u8>,
}

/// The lanes, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    names: Vec<String>,
    lanes: Words,
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
            peers: None,
        }
    }

    /// Returns the record of a stream's habits and labels, of no entity.
    pub(crate) fn of_habits(peers: &Peers, meta: &Meta) -> Self {
        let nobody = Self::of(&Hot::zeroed(), &Cold::default(), &[]);
        let memory = [bytemuck::bytes_of(peers), meta.at_rest()].concat();
        Self { peers: Some(Words::of_bytes(&memory)), ..nobody }
    }

    /// Returns the habits and labels of a stream, if these are such and of this
    /// layout.
    pub(crate) fn habits(&self) -> Option<(Peers, Meta)> {
        let words = self.peers.as_ref().filter(|_| self.layout == LAYOUT)?;
        let mut peers = Peers::default();
        // What lies beyond the habits is labels.
        let labels = words.present.len().checked_sub(size_of::<Peers>().div_ceil(32))?;
        let mut memory = vec![0; size_of::<Peers>() + labels * 32];
        words.open_into(&mut memory)?;
        let (first, rest) = memory.split_at(size_of::<Peers>());
        bytemuck::bytes_of_mut(&mut peers).copy_from_slice(first);
        Some((peers, Meta::open(rest)?))
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
        let cold = Cold {
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
        Some((hot, cold))
    }
}

fn boxed<T: Pod>(part: Option<Words>) -> Option<Option<Box<T>>> {
    match part {
        Some(words) => Some(Some(Box::new(words.open()?))),
        None => Some(None),
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
            points: bytemuck::cast_slice(&history.points).to_vec().into(),
        }
    }

    fn open(self) -> Option<Box<History>> {
        let points = bytemuck::pod_collect_to_vec(&self.points);
        let next = self.next as usize;
        let fits = points.len() <= POINTS && next < points.len().max(1) && self.anchor.is_finite();
        let history = History { anchor: self.anchor, newest: self.newest, next, points };
        fits.then(|| Box::new(history))
    }
}

impl Named {
    fn of(lanes: &Lanes, names: &[String]) -> Self {
        Self {
            names: names.iter().take(lanes.lanes.len()).cloned().collect(),
            lanes: Words::of_bytes(bytemuck::cast_slice(&lanes.lanes)),
            joint: Words::of(&lanes.joint),
        }
    }

    fn open(self, number: &mut dyn FnMut(&str) -> Option<usize>) -> Option<Lanes> {
        let mut held = vec![Lane::zeroed(); self.names.len()];
        self.lanes.open_into(bytemuck::cast_slice_mut(&mut held))?;
        let joint: Joint = self.joint.open()?;
        let mut lanes = Lanes { lanes: Vec::new(), joint };
        for (name, lane) in self.names.iter().zip(held) {
            if let Some(number) = number(name) {
                if number >= lanes.lanes.len() {
                    lanes.lanes.resize(number + 1, Lane::zeroed());
                }
                lanes.lanes[number] = lane;
            }
        }
        Some(lanes)
    }
}
