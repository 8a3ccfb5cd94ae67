//! A profile at rest. Owns the compact form: zeros are left out and digits that
//! carry nothing are packed, so a young profile is small; refuses to know files
//! and checksums, which are the codec's. Called by `lifecycle` and the shard.
//! Exact: what comes back is bit for bit what was put in (invariant E-1).

mod bits;
mod code;
mod fields;
mod points;
mod shapes;
#[cfg(test)]
mod tests;

use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use via_types::{Column, limit};

use self::bits::{Bits, Reader, Writer};
use self::code::Coder;
use self::fields::Shaped;
use crate::budget::Ledgers;
use crate::close::WIDEST;
use crate::detector::cardinality::Sketch;
use crate::detector::horizons::Horizons;
use crate::detector::lanes::{Joint, Lane, Lanes};
use crate::detector::together::{Move, Pair, Together};
use crate::episode::Episode;
use crate::grove::Resting;
use crate::history::{History, POINTS, Point};
use crate::meta::Meta;
use crate::peers::Habits;
use crate::profile::{Cold, Hot, TRANSIENT};

/// The layout written below; another one is not opened (invariant D-7).
const LAYOUT: u32 = 5;
/// Bytes that a young profile takes, and one with a history.
const ROOM: usize = 512;
const MORE_ROOM: usize = 3072;

/// One profile at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    layout: u32,
    key: String,
    /// All that is plain numbers, in bits.
    plain: Column<u8>,
    rare: Option<Box<Rare>>,
}

/// What few profiles have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Rare {
    /// Of lanes.
    names: Vec<String>,
    episode: Option<Box<Episode>>,
    grove: Option<Box<Resting>>,
}

/// Gives a lane its number in its stream, by its name.
pub(crate) type Numbering<'a> = &'a mut dyn FnMut(&str) -> Option<usize>;

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
        let room = if cold.course().is_some() { MORE_ROOM } else { ROOM };
        let mut coder = Coder::of(Writer::with_room_for(room));
        coder.part(&mut plain);
        if coder.bits.flag(!cold.sketch.is_empty()) {
            coder.marks(&cold.sketch);
        }
        if coder.bits.flag(cold.history.is_some())
            && let Some(history) = &cold.history
        {
            coder.write_history(history);
        }
        coder.write(cold.rate_season.as_deref());
        coder.write(cold.series.as_deref());
        coder.write(cold.rules.as_deref());
        let mut named = Vec::new();
        if coder.bits.flag(cold.lanes.is_some())
            && let Some(lanes) = &cold.lanes
        {
            named.extend(names.iter().take(lanes.lanes.len()).cloned());
            coder.write_lanes(lanes, named.len());
        }
        let rare = Rare {
            names: named,
            episode: cold.episode.clone(),
            grove: cold.grove().map(|grove| Box::new(grove.rest())),
        };
        let is_rare = rare != Rare::default();
        Self {
            layout: LAYOUT,
            key: cold.key.to_string(),
            plain: coder.bits.finish().into(),
            rare: is_rare.then(|| Box::new(rare)),
        }
    }

    /// Returns the record of a stream's habits, of no entity.
    pub(crate) fn of_habits(habits: &Habits) -> Self {
        let mut coder = Coder::of(Writer::with_room_for(MORE_ROOM));
        coder.words(bytemuck::bytes_of_mut(&mut habits.peers.clone()));
        coder.words(bytemuck::bytes_of_mut(&mut habits.beside.clone()));
        if coder.bits.flag(habits.ledgers.is_some())
            && let Some(ledgers) = &habits.ledgers
        {
            coder.words(bytemuck::bytes_of_mut(&mut *ledgers.clone()));
        }
        coder.bits.number(habits.meta.known() as u32);
        coder.words(&mut habits.meta.at_rest().to_vec());
        let plain = coder.bits.finish().into();
        Self { layout: LAYOUT, key: String::new(), plain, rare: None }
    }

    /// Returns the habits of a stream, if these are such and of this layout.
    pub(crate) fn habits(self) -> Option<Habits> {
        if self.layout != LAYOUT || !self.key.is_empty() || self.rare.is_some() {
            return None;
        }
        let mut habits = Habits::default();
        let mut coder = Coder::of(Reader::of(&self.plain));
        coder.words(bytemuck::bytes_of_mut(&mut habits.peers));
        coder.words(bytemuck::bytes_of_mut(&mut habits.beside));
        if coder.bits.flag(false) {
            let mut ledgers = Ledgers::zeroed();
            coder.words(bytemuck::bytes_of_mut(&mut ledgers));
            habits.ledgers = Some(Box::new(ledgers));
        }
        let labels = coder.bits.number(0) as usize;
        if labels > 0 {
            let mut held = vec![0; Meta::size_at_rest(labels)?];
            coder.words(&mut held);
            habits.meta = Meta::open(&held)?;
        }
        coder.bits.is_whole().then_some(habits)
    }

    /// Rebuilds the profile; `number` gives a lane's number in its stream.
    /// None when the record is of another layout or does not fit together.
    pub(crate) fn open(self, number: Numbering<'_>) -> Option<(Hot, Cold)> {
        if self.layout != LAYOUT {
            return None;
        }
        let Rare { names, episode, grove } = self.rare.map_or_else(Rare::default, |rare| *rare);
        let mut coder = Coder::of(Reader::of(&self.plain));
        let mut hot = Hot::zeroed();
        coder.part(&mut hot);
        if hot.bucket.shift > WIDEST {
            return None;
        }
        hot.wake = hot.bucket.end().min(hot.slot.end);
        let is_marked = coder.bits.flag(false);
        let sketch = if is_marked { coder.marks(&Sketch::default())? } else { Sketch::default() };
        let has_history = coder.bits.flag(false);
        let mut history = if has_history { Some(Box::new(coder.read_history()?)) } else { None };
        let (rate_season, series, rules) = (coder.read(), coder.read(), coder.read());
        let has_lanes = coder.bits.flag(false);
        let lanes =
            if has_lanes { Some(Box::new(coder.read_lanes(&names, number)?)) } else { None };
        if !coder.bits.is_whole() {
            return None;
        }
        if let (Some(history), Some(grove)) = (&mut history, grove) {
            history.grove = Some(Box::new(grove.wake()?));
        }
        let key = self.key.into_boxed_str();
        let cold = Cold {
            key,
            sketch,
            history,
            rate_season,
            series,
            lanes,
            episode,
            rules,
            counted: 0,
            skip: 0,
        };
        Some((hot, cold))
    }
}

impl Coder<Writer> {
    fn write<T: Shaped>(&mut self, part: Option<&T>) {
        self.bits.flag(part.is_some());
        if let Some(part) = part {
            self.part(&mut part.clone());
        }
    }

    fn write_history(&mut self, history: &History) {
        self.bits.long(history.anchor.to_bits());
        self.bits.long(history.newest as u64);
        self.bits.number(history.next as u32);
        self.bits.number(history.points.len() as u32);
        let mut points = history.points.clone();
        points.rotate_left(history.next);
        self.points(points.iter_mut());
        self.write(history.course.as_deref());
        self.write(history.ended.as_deref());
        self.write(history.marks.as_deref());
    }

    fn write_lanes(&mut self, lanes: &Lanes, count: usize) {
        for number in 0..count {
            self.part(&mut lanes.lanes[number].clone());
            self.part(&mut lanes.far.lanes.get(number).copied().unwrap_or(Horizons::zeroed()));
        }
        self.part(&mut lanes.joint.clone());
        self.bits.number(lanes.together.pairs.len() as u32);
        for pair in &lanes.together.pairs {
            self.part(&mut pair.clone());
        }
        self.bits.number(lanes.together.moves.len() as u32);
        for lately in &lanes.together.moves {
            self.part(&mut lately.clone());
        }
    }
}

impl Coder<Reader<'_>> {
    fn read<T: Shaped>(&mut self) -> Option<Box<T>> {
        self.bits.flag(false).then(|| {
            let mut part = bytemuck::zeroed_box();
            self.part(&mut *part);
            part
        })
    }

    fn read_plain<T: Shaped>(&mut self) -> T {
        let mut part = T::zeroed();
        self.part(&mut part);
        part
    }

    fn read_history(&mut self) -> Option<History> {
        let anchor = f64::from_bits(self.bits.long(0));
        let newest = self.bits.long(0) as i64;
        let (next, count) = (self.bits.number(0) as usize, self.bits.number(0) as usize);
        if count > POINTS || next >= count.max(1) || !anchor.is_finite() {
            return None;
        }
        let mut points = vec![Point::default(); count];
        self.points(points.iter_mut());
        points.rotate_right(next);
        let (course, ended, marks) = (self.read(), self.read(), self.read());
        Some(History { anchor, newest, next, points, ended, course, marks, grove: None })
    }

    fn read_lanes(&mut self, names: &[String], number: Numbering<'_>) -> Option<Lanes> {
        let mut lanes = Lanes::default();
        let mut is_as_before = true;
        for (place, name) in names.iter().enumerate() {
            let (lane, far) = (self.read_plain::<Lane>(), self.read_plain::<Horizons>());
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
        lanes.joint = self.read_plain::<Joint>();
        let count = self.bits.number(0) as usize;
        if count > Together::places(names.len()) {
            return None;
        }
        let pairs = (0..count).map(|_| self.read_plain::<Pair>()).collect();
        let count = self.bits.number(0) as usize;
        if count > limit::LANES {
            return None;
        }
        let moves = (0..count).map(|_| self.read_plain::<Move>()).collect();
        // By place: they begin anew where lanes are numbered otherwise.
        if is_as_before {
            lanes.together = Together { moves, pairs };
        }
        Some(lanes)
    }
}
