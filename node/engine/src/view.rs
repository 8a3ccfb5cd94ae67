//! Answers to questions about one entity. Owns the translation of a profile
//! into words and points; changes nothing. Called by the shard.

use via_types::profile::{DetectorState, Fact, ProfileView, SeriesPoint, Warmup};
use via_types::{Detector, EntityHash, StreamId, Timestamp};

use crate::close::in_bucket;
use crate::course::{BESIDE, Course, MIX, TESTS, YOUNG};
use crate::engine::Engine;
use crate::grove::Grove;
use crate::history::decimate;
use crate::math::log10;
use crate::plan::Plan;
use crate::profile::{Cold, Hot, MARKED, Profile, SPARED};
use crate::sparing::WORDS;

impl Engine {
    /// Returns what was learned of an entity.
    pub fn profile(&self, stream: StreamId, entity: EntityHash) -> Option<ProfileView> {
        let slot = self.find(stream, entity)?;
        let Profile { hot, cold } = self.places.get(slot);
        let plan = self.streams.get(&stream)?.plan_of(hot);
        Some(ProfileView {
            entity: cold.key.to_string(),
            first: Timestamp::from_nanos(hot.first),
            last: Timestamp::from_nanos(hot.last),
            events: hot.events,
            late: u64::from(hot.late),
            score: f64::from(hot.score),
            warmup: warmup(hot.events, plan.warmup, "events"),
            normal: normal(hot, cold, plan),
            detectors: Detector::ALL.iter().map(|which| state(*which, hot, cold, plan)).collect(),
        })
    }

    /// Returns the entity's recent past as at most `max_points` points, the
    /// bucket being filled last.
    pub fn series(
        &self,
        stream: StreamId,
        entity: EntityHash,
        max_points: usize,
    ) -> Option<Vec<SeriesPoint>> {
        let slot = self.find(stream, entity)?;
        let Profile { hot, cold } = self.places.get(slot);
        let mut series = Vec::new();
        let filling = in_bucket(hot);
        let mut filling = (hot.count > 0).then_some(filling);
        if let Some(history) = &cold.history {
            series = history.series();
            filling = filling.and_then(|bucket| history.rest_of(&bucket));
        }
        series.extend(filling.map(|bucket| bucket.point()));
        for point in &mut series {
            point.low = point.low.max(hot.least_normal());
            point.high = point.high.max(hot.least_normal());
        }
        Some(decimate(series, max_points))
    }
}

fn warmup(seen: u64, needed: u64, of: &str) -> Warmup {
    let ready = seen >= needed;
    let reason = if ready {
        String::new()
    } else {
        format!("has seen {seen} of {needed} {of} needed to know what is normal")
    };
    Warmup { ready, progress: (seen as f64 / needed.max(1) as f64).min(1.0), reason }
}

fn fact(name: &str, value: f64, unit: &str) -> Fact {
    let value = if value.is_finite() { value } else { 0.0 };
    Fact { name: name.to_owned(), value, unit: unit.to_owned() }
}

fn normal(hot: &Hot, cold: &Cold, plan: &Plan) -> Vec<Fact> {
    let mut facts = vec![
        fact("mean", hot.level.mean + hot.offset, ""),
        fact("deviation", hot.level.deviation(), ""),
    ];
    for (name, share) in [("p1", 0.01), ("median", 0.5), ("p99", 0.99)] {
        if let Some(value) = hot.values.quantile(share) {
            facts.push(fact(name, value, ""));
        }
    }
    if hot.gaps.count > 0.0 {
        facts.push(fact("gap", f64::from(hot.gaps.mean), "s"));
    }
    if hot.rate.buckets > 0.0 {
        let usual = hot.rate.range(0.0, hot.bucket.season).0;
        facts.push(fact("rate", usual / hot.width_secs(), "1/s"));
    }
    if let Some(series) = &cold.series
        && let Some((period, strength)) = series.season.strength(plan.period)
    {
        facts.push(fact("season period", period, "s"));
        facts.push(fact("season strength", strength, ""));
    }
    facts
}

fn state(detector: Detector, hot: &Hot, cold: &Cold, plan: &Plan) -> DetectorState {
    let weight = plan.weights[detector as usize];
    let (warmup, facts) = match detector {
        Detector::Volume => volume(hot, cold, plan),
        Detector::Distribution => distribution(hot, cold),
        Detector::Cardinality => cardinality(hot, cold),
        Detector::Burst => burst(hot),
        Detector::Forest => return forest(hot, cold, plan),
        Detector::Spectral
        | Detector::ChangePoint
        | Detector::MultiScale
        | Detector::Behavioural
        | Detector::Drift => return course(detector, hot, cold, plan),
    };
    DetectorState {
        detector,
        enabled: weight > 0.0,
        warmup,
        evidence: log10(f64::from(hot.odds[detector as usize]).max(1.0)),
        weight: f64::from(weight * (1.0 - hot.doubt[detector as usize])),
        facts,
    }
}

fn forest(hot: &Hot, cold: &Cold, plan: &Plan) -> DetectorState {
    let weight = plan.weights[Detector::Forest as usize];
    let grove = cold.grove();
    let (points, needed, odds) = grove.map_or((0, YOUNG, 1.0), Grove::state);
    let mut state = DetectorState {
        detector: Detector::Forest,
        enabled: weight > 0.0,
        warmup: warmup(u64::from(points), u64::from(needed), "points"),
        evidence: log10(f64::from(odds).max(1.0)),
        weight: f64::from(weight * grove.map_or(1.0, Grove::trust)),
        facts: vec![fact("memory", grove.map_or(0.0, |grove| grove.bytes() as f64), "B")],
    };
    if grove.is_none() {
        state.warmup.reason =
            "it gets a forest after 1,024 slow events, while there is memory for it".to_owned();
    }
    if hot.is(SPARED) {
        WORDS.clone_into(&mut state.warmup.reason);
    }
    state
}

/// Returns the state of one of the tests of the course.
fn course(detector: Detector, hot: &Hot, cold: &Cold, plan: &Plan) -> DetectorState {
    let weight = plan.weights[detector as usize];
    let test = TESTS.iter().position(|which| *which == detector).unwrap_or(0);
    let (points, needed) = cold.course().map_or((0, YOUNG), Course::warmup);
    let (said, odds) = cold.course().map_or_else(Default::default, |course| course.said(test));
    let trust = cold.course().map_or(1.0, |course| course.trust(test));
    let mut facts = vec![fact("points", f64::from(points), "")];
    if points > needed {
        facts.push(fact("expected", f64::from(said.expected), ""));
        facts.push(fact("deviation", f64::from(said.deviation), ""));
        if detector == Detector::ChangePoint {
            facts.push(fact("since", f64::from(said.about), "s"));
        } else if detector == Detector::MultiScale {
            facts.push(fact("horizon", f64::from(said.about), "s"));
        } else if detector == Detector::Behavioural {
            for (test, name) in [(BESIDE, "beside peers"), (MIX, "mix of distinct values")] {
                let rarity = cold.course().map_or(1.0, |course| course.said(test).1);
                facts.push(fact(name, log10(f64::from(rarity).max(1.0)), "evidence"));
            }
        }
    }
    let mut warmup =
        warmup(u64::from(points), u64::from(needed), "closed buckets of a minute or more");
    if hot.is(SPARED) {
        WORDS.clone_into(&mut warmup.reason);
    }
    DetectorState {
        detector,
        enabled: weight > 0.0,
        warmup,
        evidence: log10(f64::from(odds).max(1.0)),
        weight: f64::from(weight * trust),
        facts,
    }
}

fn volume(hot: &Hot, cold: &Cold, plan: &Plan) -> (Warmup, Vec<Fact>) {
    let (low, high) = hot.rate.range(3.0, hot.bucket.season);
    let mut facts = vec![
        fact("bucket", hot.width_secs(), "s"),
        fact("expected", hot.rate.range(0.0, hot.bucket.season).0, "events"),
        fact("low", low, "events"),
        fact("high", high, "events"),
        fact("silent buckets", f64::from(hot.bucket.silent), ""),
    ];
    if let Some(season) = &cold.rate_season
        && let Some((period, strength)) = season.strength(plan.period)
    {
        facts.push(fact("season period", period, "s"));
        facts.push(fact("season strength", strength, ""));
    }
    (warmup(hot.rate.buckets as u64, 3, "time buckets"), facts)
}

fn distribution(hot: &Hot, cold: &Cold) -> (Warmup, Vec<Fact>) {
    let mut facts = vec![
        fact("values", f64::from(hot.level.count), ""),
        fact("trend", hot.level.trend(), "deviations"),
    ];
    if let Some(lanes) = &cold.lanes {
        facts.push(fact("named values", lanes.lanes.len() as f64, ""));
    }
    (warmup(hot.level.count as u64, 8, "values"), facts)
}

fn cardinality(hot: &Hot, cold: &Cold) -> (Warmup, Vec<Fact>) {
    let facts = vec![
        fact("distinct now", cold.sketch.estimate(), ""),
        fact("expected new", hot.distinct.range(0.0).0, ""),
        fact("velocity", hot.distinct.fresh(&cold.sketch) / hot.width_secs(), "1/s"),
    ];
    let mut warmup = warmup(hot.distinct.windows as u64, 1, "windows of eight buckets");
    if !hot.is(MARKED) {
        "its events carry nothing whose distinct values could be counted"
            .clone_into(&mut warmup.reason);
    }
    (warmup, facts)
}

fn burst(hot: &Hot) -> (Warmup, Vec<Fact>) {
    let facts = vec![
        fact("gap", f64::from(hot.gaps.mean), "s"),
        fact("momentary gap", f64::from(hot.gaps.quick), "s"),
    ];
    (warmup(hot.gaps.count as u64, 8, "gaps"), facts)
}
