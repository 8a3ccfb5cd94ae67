//! That profiles come back bit for bit, whatever they hold, and where their bytes
//! go: `cargo test -p via-engine weighed -- --nocapture`.

use proptest::prelude::*;
use via_types::{
    Batch, EntityHash, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp,
};

use super::*;
use crate::detector::season::Season;
use crate::noise::{normals, uniforms};
use crate::precedent::Precedents;
use crate::profile::{Profile, Rules};
use crate::series::Series;
use crate::{Answer, Engine, Options, Outcome, Position};

const STREAM: StreamId = StreamId::new(1);

/// An engine that saw so many events of four entities, `pace` seconds apart, with
/// marks or named values or neither.
struct Seen {
    events: usize,
    pace: f64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Values,
    Marks,
    /// Marks of which there are few.
    Kinds,
    Lanes,
}

impl Seen {
    fn engine(&self) -> Engine {
        let mut engine = Engine::new(Options::default());
        let mut config = StreamConfig::default();
        config.detectors.forest.enabled = false;
        engine.configure(STREAM, Revision::new(1), &config);
        let (mut normal, mut uniform) = (normals(5), uniforms(self.events * 4));
        let mut at = 1.7e18;
        for event in 0..self.events {
            let mut batch = Batch { stream: STREAM, ..Batch::default() };
            for number in 0..4u32 {
                batch.keys.push(["a", "b", "c", "d"][number as usize]);
                batch.entity.push(number);
                let gap = -libm::log(f64::from(uniform.next().unwrap_or(0.5)));
                at += gap * self.pace * 1e9 / 4.0;
                batch.at.push(at as i64);
                let value = libm::exp(3.0 + 0.5 * normal());
                batch.value.push((value * 1e3).round() / 1e3);
            }
            match self.what {
                What::Values => {}
                What::Marks => batch.mark = batch.value.iter().map(|x| x.to_bits() | 1).collect(),
                What::Kinds => {
                    batch.mark = batch.value.iter().map(|x| *x as u64 % 12 + 1).collect()
                }
                What::Lanes => {
                    batch.lanes = ["p50", "p99", "rate"]
                        .map(|name| via_types::Lane {
                            name: name.to_owned(),
                            values: batch.value.iter().map(|x| x + normal()).collect(),
                        })
                        .to_vec();
                }
            }
            batch.seal().unwrap();
            let index = LogIndex::new(event as u64 + 1);
            let place = Position { shard: ShardId::new(0), index, base: 0 };
            let stamp = Timestamp::from_nanos(at as i64);
            engine.execute(place, stamp, &batch, Answer::Counts, &mut Outcome::default());
        }
        engine
    }

    fn profiles(&self) -> Vec<Profile> {
        let engine = self.engine();
        let entity = |key| EntityHash::of(STREAM, key);
        let found = ["a", "b", "c", "d"].map(|key| engine.find(STREAM, entity(key)));
        found.into_iter().flatten().map(|slot| engine.places.get(slot).clone()).collect()
    }
}

/// What a profile is, bit for bit, but for what is the engine's affair.
fn bits(hot: &Hot, cold: &Cold) -> (Vec<u8>, String) {
    let mut hot = *hot;
    (hot.low, hot.high, hot.stream, hot.wake) = (0, 0, 0, 0);
    hot.flags &= !TRANSIENT;
    let mut cold = cold.clone();
    (cold.skip, cold.counted) = (0, 0);
    // A set of marks has no order.
    let marks = cold.sketch.parts();
    let mut sorted = marks.0;
    sorted.sort_unstable();
    let marks = format!("{sorted:?} {:?} {:?} {:?}", marks.1, marks.2, marks.3);
    cold.sketch = Sketch::default();
    (bytemuck::bytes_of(&hot).to_vec(), format!("{cold:?} {marks}"))
}

#[test]
fn profiles_come_back_bit_for_bit() {
    let names = ["p50", "p99", "rate"].map(str::to_owned);
    for what in [What::Values, What::Marks, What::Kinds, What::Lanes] {
        for (events, pace) in [(1, 1.0), (7, 90.0), (40, 0.01), (700, 20.0), (2500, 0.3)] {
            for Profile { hot, cold } in (Seen { events, pace, what }).profiles() {
                let record = Record::of(&hot, &cold, &names);
                let again = record.clone();
                let number = &mut |name: &str| names.iter().position(|known| known == name);
                let (back_hot, back_cold) = record.open(number).unwrap();
                assert!(bits(&back_hot, &back_cold) == bits(&hot, &cold), "{events} {what:?}");
                assert_eq!(Record::of(&back_hot, &back_cold, &names), again);
                let is_mixed = back_cold.history.is_some_and(|history| history.marks.is_some());
                assert_eq!(is_mixed, what == What::Kinds && events >= 700, "{events} {what:?}");
            }
        }
    }
}

#[test]
fn habits_come_back_bit_for_bit() {
    let engine = (Seen { events: 5000, pace: 5.0, what: What::Values }).engine();
    let habits = &engine.streams[&STREAM].habits;
    let back = Record::of_habits(habits).habits().unwrap();
    assert!(habits.beside != crate::detector::behaviour::Peers::default());
    assert_eq!((back.beside, back.peers), (habits.beside, habits.peers));
}

/// Passes any memory at all through a part's code, after another one.
fn passes<T: Shaped>(noise: &[u8], sparse: &[bool]) {
    let mut parts = [T::zeroed(); 2];
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut parts);
    let noise = noise.iter().cycle().zip(sparse.iter().cycle());
    for (byte, (noise, present)) in memory.iter_mut().zip(noise) {
        *byte = if *present { *noise } else { 0 };
    }
    let mut writer = Coder::of(Writer::default());
    for part in parts {
        writer.part(&mut part.clone());
    }
    let bytes = writer.bits.finish();
    let mut reader = Coder::of(Reader::of(&bytes));
    for part in parts {
        let mut back = T::zeroed();
        reader.part(&mut back);
        assert!(bytemuck::bytes_of(&back) == bytemuck::bytes_of(&part));
    }
    assert!(reader.bits.is_whole());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_memory_comes_back(
        noise in prop::collection::vec(any::<u8>(), 301..302),
        sparse in prop::collection::vec(any::<bool>(), 1..47),
    ) {
        passes::<Season>(&noise, &sparse);
        passes::<Series>(&noise, &sparse);
        passes::<crate::course::Course>(&noise, &sparse);
        passes::<crate::detector::behaviour::Marks>(&noise, &sparse);
        passes::<Lane>(&noise, &sparse);
        passes::<Joint>(&noise, &sparse);
        passes::<Rules>(&noise, &sparse);
        passes::<Precedents>(&noise, &sparse);
    }

    #[test]
    fn any_points_come_back(points in prop::collection::vec(any::<[u16; 8]>(), 0..60)) {
        let kept = |[gap, both, count, mean, expected, below, above, reach]: [u16; 8]| {
            let width = |half: u16| half & 0x7fff & !3;
            let point = Point {
                gap: gap & 0x7fff,
                shift: both as u8,
                score: (both >> 8) as u8,
                count,
                mean,
                ..Point::default()
            };
            if count == 0 {
                return point;
            }
            let (below, above) = (width(below), width(above));
            Point { expected, below, above, reach: width(reach), ..point }
        };
        let points: Vec<Point> = points.into_iter().map(kept).collect();
        let mut writer = Coder::of(Writer::default());
        writer.points(points.clone().iter_mut());
        let bytes = writer.bits.finish();
        let mut reader = Coder::of(Reader::of(&bytes));
        let mut back = vec![Point::default(); points.len()];
        reader.points(back.iter_mut());
        prop_assert_eq!(back, points);
        prop_assert!(reader.bits.is_whole());
    }

    #[test]
    fn damage_is_refused_or_read_but_never_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        short in 0usize..3,
    ) {
        let what = What::Values;
        for Profile { hot, cold } in (Seen { events: 60, pace: 70.0, what }).profiles() {
            let mut record = Record::of(&hot, &cold, &[]);
            let mut plain = record.plain.to_vec();
            for (place, byte) in &damage {
                *place.get_mut(&mut plain[..]) ^= byte;
            }
            plain.truncate(plain.len() - short);
            record.plain = plain.into();
            record.open(&mut |_| None);
        }
    }
}

/// Prints where the bytes of a profile go.
#[test]
fn profiles_weighed_part_by_part() {
    use What::{Marks, Values};
    for (events, pace, what) in [
        (10, 1.0, Marks),
        (10, 1.0, Values),
        (10_000, 1.0, Marks),
        (10_000, 0.05, Marks),
        (10_000, 0.05, Values),
        (10_000, 1.0, Values),
        (10_000, 60.0, Values),
    ] {
        let mut parts: Vec<(&str, usize, usize)> = Vec::new();
        let profiles = (Seen { events, pace, what }).profiles();
        let mut whole = 0;
        for Profile { hot, cold } in &profiles {
            let mut coder = Coder::of(Writer::default());
            let mut weigh = |name, bytes: usize, coder: &Coder<Writer>| {
                let now = coder.bits.written();
                match parts.iter_mut().find(|part| part.0 == name) {
                    Some(part) => (part.1, part.2) = (part.1 + bytes, part.2 + now - whole),
                    None => parts.push((name, bytes, now - whole)),
                }
                whole = now;
            };
            let mut plain = *hot;
            (plain.low, plain.high, plain.stream, plain.wake) = (0, 0, 0, 0);
            coder.part(&mut plain);
            weigh("hot", size_of::<Hot>(), &coder);
            coder.marks(&cold.sketch);
            weigh("marks", cold.sketch.bytes(), &coder);
            if let Some(history) = &cold.history {
                let mut points = history.points.clone();
                points.rotate_left(history.next);
                coder.points(points.iter_mut());
                weigh("points", points.len() * 16, &coder);
                if let Some(course) = &history.course {
                    coder.part(&mut *course.clone());
                    weigh("course", size_of_val(&**course), &coder);
                }
                if let Some(ended) = &history.ended {
                    coder.part(&mut *ended.clone());
                    weigh("ended", size_of_val(&**ended), &coder);
                }
            }
            if let Some(season) = &cold.rate_season {
                coder.part(&mut *season.clone());
                weigh("rate season", size_of_val(&**season), &coder);
            }
            if let Some(series) = &cold.series {
                coder.part(&mut series.season.clone());
                weigh("value season", size_of::<Season>(), &coder);
                coder.part(&mut *series.clone());
                weigh("series", size_of_val(&**series), &coder);
            }
            whole = 0;
        }
        let each = profiles.len();
        println!("{events} events, {pace} s apart, {what:?}:");
        for (name, plain, bits) in &parts {
            println!("  {name:14} {:5} B as {:5} B", plain / each, bits.div_ceil(8 * each));
        }
        let most = if events == 10 { 340 } else { 2600 };
        let bits: usize = parts.iter().map(|part| part.2).sum();
        assert!(bits / 8 / each < most, "{} B", bits / 8 / each);
    }
}
