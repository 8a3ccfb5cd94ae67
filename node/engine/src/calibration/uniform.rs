//! Whether p-values of normal data are uniform, for each statistic and for all
//! together, whatever the data are and however fast they come. Asks `judge` what
//! it would say of each event before the engine executes it.

use via_types::{Batch, EntityHash, LogIndex, ShardId, StreamId, Timestamp};

use crate::calm::glance;
use crate::judge::{Judgement, Row, Sample, conclude};
use crate::noise::{normals, uniforms};
use crate::peers::Habits;
use crate::profile::{FEATURES, Feature};
use crate::{Answer, Engine, Options, Outcome, Position, close};

const STREAM: StreamId = StreamId::new(1);
/// Events before p-values are looked at, and those that are.
const BURN_IN: usize = 4_000;
const LOOKED_AT: usize = 24_000;
/// Up to this p-values are compared: common events are told at a glance.
const REGION: f64 = 0.25;

/// One family of normal data.
type Family = (&'static str, fn(&mut dyn FnMut() -> f64, f64) -> f64);

const FAMILIES: [Family; 6] = [
    ("normal", |normal, _| 50.0 + 4.0 * normal()),
    ("log-normal", |normal, _| libm::exp(2.0 + 0.7 * normal())),
    ("uniform", |_, u| 10.0 * u),
    ("counts", |_, u| libm::floor(-4.0 * libm::log(u))),
    ("two values", |_, u| if u < 0.3 { 7.0 } else { 9.0 }),
    ("constant", |_, _| 5.0),
];
const GAPS: [f64; 3] = [0.1, 2.0, 300.0];

/// P-values of each statistic, then of all together.
struct Measured {
    p: [Vec<f64>; FEATURES + 1],
}

impl Measured {
    /// Returns how far p-values are from uniform up to [`REGION`]: the two one-sided
    /// Kolmogorov-Smirnov distances there, of too many and of too few that are
    /// small, and how often one in a hundred came.
    fn of(&self, which: usize) -> Option<(f64, f64, f64)> {
        let mut p = self.p[which].clone();
        if p.len() < 2_000 {
            return None;
        }
        p.sort_by(f64::total_cmp);
        let size = p.len() as f64;
        let near = p.iter().take_while(|p| **p <= REGION).count();
        let (mut many, mut few) = (0.0f64, REGION - near as f64 / size);
        for (rank, p) in p[..near].iter().enumerate() {
            many = many.max((rank + 1) as f64 / size - p);
            few = few.max(p - rank as f64 / size);
        }
        let rare = p.iter().filter(|p| **p <= 0.01).count() as f64;
        Some((many, few, rare / (0.01 * size)))
    }
}

fn ask(engine: &mut Engine, hash: EntityHash, at: i64, value: f64) -> Option<Judgement> {
    let slot = engine.find(STREAM, hash)?;
    let plan = engine.stream_mut(STREAM).plan;
    let profile = engine.places.get(slot).clone();
    let (mut hot, mut cold) = (profile.hot, profile.cold);
    let lanes = Row { lanes: &[], numbers: &[], row: 0, instead: None };
    let sample = Sample { at, value, mark: 0, lanes };
    let (glance, _) = glance(&hot, &plan, &sample);
    let mut verdict = Judgement::default();
    let habits = Habits::default();
    if at >= hot.wake && at >= hot.bucket.end() {
        verdict.closing = close::close(&mut hot, &mut cold, (&plan, &habits), at);
    }
    conclude(&hot, &cold, (&plan, &habits), (&sample, &glance), &mut verdict);
    Some(verdict)
}

fn measure(family: Family, gap: f64) -> Measured {
    let mut engine = Engine::new(Options::default());
    let hash = EntityHash::of(STREAM, "e");
    let mut normal = normals(7);
    let mut uniform = uniforms(2 * (BURN_IN + LOOKED_AT));
    let mut draw = || f64::from(uniform.next().expect("enough numbers"));
    let mut measured = Measured { p: Default::default() };
    let mut at = 1_704_067_200.0;
    for number in 0..BURN_IN + LOOKED_AT {
        at += -gap * libm::log(draw());
        let value = family.1(&mut normal, draw());
        let nanos = (at * 1e9) as i64;
        if number >= BURN_IN
            && let Some(verdict) = ask(&mut engine, hash, nanos, value)
        {
            for feature in Feature::ALL {
                if verdict.weights[feature as usize] > 0.0 {
                    let p = 1.0 / f64::from(verdict.odds[feature as usize]);
                    measured.p[feature as usize].push(p);
                }
            }
            measured.p[FEATURES].push(libm::exp10(-f64::from(verdict.evidence)));
        }
        let mut batch = Batch { stream: STREAM, ..Batch::default() };
        batch.entity.push(batch.keys.push("e"));
        batch.at.push(nanos);
        batch.value.push(value);
        batch.seal().expect("columns fit");
        let index = LogIndex::new(number as u64 + 1);
        let place = Position { shard: ShardId::new(0), index, base: 0 };
        let stamp = Timestamp::from_nanos(nanos);
        engine.execute(place, stamp, &batch, Answer::Counts, &mut Outcome::default());
    }
    measured
}

#[test]
fn p_values_of_each_statistic_and_of_all_are_uniform_where_it_matters() {
    for family in FAMILIES {
        for gap in GAPS {
            let measured = measure(family, gap);
            for which in 0..=FEATURES {
                let name = if which < FEATURES { Feature::ALL[which].name() } else { "all" };
                let Some((many, few, rare)) = measured.of(which) else { continue };
                let said = format!(
                    "{:10} {gap:6} s {name:9} too many {many:.3}, too few {few:.3}, one in a \
                     hundred {rare:.2}",
                    family.0
                );
                println!("{said}");
                // Of discrete data a statistic has few values, each of them common.
                assert!(many < 0.15, "{said}");
                assert!(rare < 2.0, "{said}");
                if which == FEATURES {
                    // Of all together, whatever some have to say: the same rarity.
                    assert!(many < 0.1 && few < 0.1 && rare > 0.5, "{said}");
                }
            }
        }
    }
}
