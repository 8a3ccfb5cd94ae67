//! The traffic is what it says it is: the same for the same seed, Poisson with
//! a rhythm, and changed by an attack where the attack acts and nowhere else.

use std::collections::BTreeMap;

use via_traffic::{Attack, Options, Stream, Strike, StrikeError, Traffic, TrafficEvent, rhythm};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// A Wednesday, noon.
const START: i64 = 1_700_049_600 * SECOND;

fn options(seed: u64) -> Options {
    Options { seed, start_nanos: START, rate: 1.0 }
}

fn events(seed: u64, strikes: &[Strike], span: i64) -> Vec<TrafficEvent> {
    let mut traffic = Traffic::new(options(seed));
    for strike in strikes {
        traffic.strike(*strike).expect("a good strike");
    }
    let mut out = Vec::new();
    traffic.until(START + span, &mut out);
    out
}

fn strike(attack: Attack) -> Strike {
    Strike { attack, start_nanos: START + HOUR / 4, end_nanos: START + HOUR / 2, intensity: 1.0 }
}

fn of<'a>(
    all: &'a [TrafficEvent],
    stream: Stream,
    entity: &'a str,
) -> impl Iterator<Item = &'a TrafficEvent> {
    all.iter().filter(move |event| event.stream == stream && event.entity == entity)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[test]
fn the_same_seed_gives_the_same_events_however_they_are_asked_for() {
    let strikes: Vec<_> = Attack::ALL.into_iter().map(strike).collect();
    let whole = events(7, &strikes, HOUR);
    let mut traffic = Traffic::new(options(7));
    for strike in &strikes {
        traffic.strike(*strike).expect("a good strike");
    }
    let mut pieces = Vec::new();
    for second in 1..=3_600 {
        traffic.until(START + second * SECOND, &mut pieces);
    }
    assert_eq!(whole, pieces);
    assert_ne!(whole, events(8, &strikes, HOUR));
}

#[test]
fn events_come_in_order_and_no_id_comes_twice() {
    let all = events(1, &[strike(Attack::PortScan)], HOUR);
    assert!(all.is_sorted_by_key(|event| event.at_nanos));
    let mut ids: Vec<_> = all.iter().map(|event| &event.unique_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    assert!(all.iter().all(|event| event.value.is_finite()));
}

#[test]
fn arrivals_are_poisson_at_the_rate_of_the_hour() {
    let all = events(3, &[], 2 * HOUR);
    let times: Vec<i64> =
        of(&all, Stream::HttpLatency, "search GET /search").map(|event| event.at_nanos).collect();
    let expected: f64 = (0..7_200).map(|s| 5.0 * rhythm(START + s * SECOND)).sum();
    // Six standard deviations of a Poisson count.
    assert!((times.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{}", times.len());
    // Counts per second have a variance equal to their mean.
    let mut counts = vec![0.0; 7_200];
    for at in &times {
        counts[((at - START) / SECOND) as usize] += 1.0;
    }
    let centre = mean(counts.iter().copied());
    let variance = mean(counts.iter().map(|count| (count - centre).powi(2)));
    assert!((variance / centre - 1.0).abs() < 0.1, "variance {variance}, mean {centre}");
}

#[test]
fn nights_are_quieter_than_days() {
    let mut traffic = Traffic::new(Options { rate: 0.1, ..options(4) });
    let mut all = Vec::new();
    traffic.until(START + 24 * HOUR, &mut all);
    let count = |from: i64, to: i64| {
        let range = START + from * HOUR..START + to * HOUR;
        all.iter()
            .filter(|event| event.stream == Stream::DbQueries && range.contains(&event.at_nanos))
            .count() as f64
    };
    // 13:00 to 15:00 against 01:00 to 03:00.
    let ratio = count(1, 3) / count(13, 15);
    assert!((2.2..3.1).contains(&ratio), "{ratio}");
}

#[test]
fn latencies_are_log_normal() {
    let all = events(5, &[], HOUR);
    let logs: Vec<f64> = of(&all, Stream::HttpLatency, "checkout POST /checkout")
        .map(|event| event.value.ln())
        .collect();
    let centre = mean(logs.iter().copied());
    let sigma = mean(logs.iter().map(|log| (log - centre).powi(2))).sqrt();
    assert!((centre - 120f64.ln()).abs() < 0.02, "{centre}");
    assert!((sigma - 0.3).abs() < 0.02, "{sigma}");
}

#[test]
fn an_attack_changes_what_it_touches_while_it_is_on_and_nothing_else() {
    let span = 2 * HOUR / 3;
    let calm = events(9, &[], span);
    for attack in Attack::ALL {
        let strike = strike(attack);
        let struck = events(9, &[strike], span);
        let aside = |event: &&TrafficEvent| {
            !(attack.touches(event.stream, event.entity) && strike.is_on(event.at_nanos))
        };
        let left: Vec<_> = calm.iter().filter(aside).collect();
        let right: Vec<_> = struck.iter().filter(aside).collect();
        assert!(left == right, "{attack} changed what it does not touch");
        assert!(right.iter().all(|event| event.truth.is_none()));
        for (stream, entity) in attack.affected() {
            let during = |all: &[TrafficEvent]| -> Vec<TrafficEvent> {
                of(all, *stream, entity).filter(|e| strike.is_on(e.at_nanos)).cloned().collect()
            };
            assert_ne!(during(&calm), during(&struck), "{attack} does not act on {entity}");
        }
        if attack != Attack::TrafficDrop {
            let labelled = struck.iter().filter(|event| event.truth.is_some()).count();
            assert!(labelled >= 80, "{attack}: {labelled} labelled events");
        }
    }
}

#[test]
fn each_attack_has_the_shape_it_is_known_for() {
    let distinct = |all: &[TrafficEvent], stream: Stream, entity: &str| {
        let key = stream.distinct_of().expect("a counted attribute");
        let strike = strike(Attack::PortScan);
        let mut seen = BTreeMap::new();
        for event in of(all, stream, entity).filter(|event| strike.is_on(event.at_nanos)) {
            let (_, mark) = event.attributes.iter().find(|(name, _)| *name == key).expect("marked");
            *seen.entry(mark.clone()).or_insert(0) += 1;
        }
        seen.len()
    };
    let level = |all: &[TrafficEvent], stream: Stream, entity: &str| {
        let strike = strike(Attack::CpuSpike);
        mean(of(all, stream, entity).filter(|e| strike.is_on(e.at_nanos)).map(|e| e.value))
    };
    let calm = events(11, &[], HOUR / 2);
    let under = |attack: Attack| events(11, &[strike(attack)], HOUR / 2);

    for (attack, stream, entity) in [
        (Attack::CredentialStuffing, Stream::AuthLogins, "auth"),
        (Attack::SqlInjection, Stream::DbQueries, "orders-db"),
        (Attack::PortScan, Stream::NetFlows, "web-3"),
    ] {
        let (before, after) =
            (distinct(&calm, stream, entity), distinct(&under(attack), stream, entity));
        assert!(after > 10 * before.min(20), "{attack}: {before} then {after}");
    }
    let spike = under(Attack::CpuSpike);
    assert!(level(&spike, Stream::HostCpu, "search-1") > 90.0);
    let slow = under(Attack::LatencyRegression);
    let route = "checkout POST /checkout";
    let ratio = level(&slow, Stream::HttpLatency, route) / level(&calm, Stream::HttpLatency, route);
    assert!((ratio - 2.5).abs() < 1e-6, "{ratio}");
    let leak: Vec<f64> = of(&under(Attack::MemoryLeak), Stream::HostMemory, "payments-1")
        .filter(|event| event.truth.is_some())
        .map(|event| event.value)
        .collect();
    assert!(leak[leak.len() - 1] > 90.0 && leak[0] < 40.0);
    let drop = under(Attack::TrafficDrop);
    assert!(
        level(&drop, Stream::HttpRequests, "search")
            < 0.1 * level(&calm, Stream::HttpRequests, "search")
    );
}

#[test]
fn an_attack_cannot_begin_in_the_past() {
    let mut traffic = Traffic::new(options(1));
    let mut out = Vec::new();
    traffic.until(START + HOUR, &mut out);
    assert_eq!(traffic.strike(strike(Attack::PortScan)), Err(StrikeError::Past));
    let later = Strike {
        attack: Attack::PortScan,
        start_nanos: START + HOUR,
        end_nanos: START + 2 * HOUR,
        intensity: 0.5,
    };
    assert_eq!(traffic.strike(later), Ok(()));
    assert_eq!(traffic.strikes().count(), 1);
}

#[test]
fn every_event_of_a_counted_stream_carries_what_is_counted() {
    for event in events(2, &[strike(Attack::SqlInjection)], HOUR) {
        if let Some(key) = event.stream.distinct_of() {
            assert!(event.attributes.iter().any(|(name, _)| *name == key), "{event:?}");
        }
    }
}
