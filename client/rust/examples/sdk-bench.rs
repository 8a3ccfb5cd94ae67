//! What an event costs, and how many a second one client sends to a node: medians of
//! five. Owns no node: it is told of one, which must accept whoever comes.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use via_client::blocking::Client;
use via_client::{Event, Overflow, Settings};

const RUNS: usize = 5;
const EVENTS: usize = 2_000_000;
const NAMES: usize = 1_000;

/// Measures and prints one figure.
fn told(name: &str, unit: &str, mut one: impl FnMut() -> Result<f64>) -> Result<()> {
    let mut figures = (0..RUNS).map(|_| one()).collect::<Result<Vec<_>>>()?;
    figures.sort_by(f64::total_cmp);
    let [least, median, most] = [0, RUNS / 2, RUNS - 1].map(|nth| figures[nth]);
    writeln!(std::io::stdout(), "{name:52} {median:12.2} {unit}   ({least:.2} to {most:.2})")?;
    Ok(())
}

fn names() -> Vec<String> {
    (0..NAMES).map(|nth| format!("host-{nth}")).collect()
}

/// Processor time spent so far, seconds: it holds on a machine that does other work.
fn spent(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Processor time of the capturing thread for one event, ns; `attributes` come with
/// each.
fn cost(attributes: usize) -> Result<f64> {
    const CAPTURED: usize = 200_000;
    let client = Client::with(Settings {
        queue_events: 2 * CAPTURED,
        queue_bytes: 1 << 30,
        ..Settings::for_node("http://127.0.0.1:9")
    })?;
    let names = names();
    let began = spent(ClockId::ThreadCPUTime);
    for nth in 0..CAPTURED {
        let mut event = Event::new(&names[nth % NAMES], 12.5);
        if attributes > 0 {
            event = event.attribute("route", "/login").attribute("status", 200);
        }
        client.event("bench", event);
    }
    let cost = spent(ClockId::ThreadCPUTime) - began;
    client.close(Duration::ZERO);
    Ok(cost * 1e9 / CAPTURED as f64)
}

/// Events a second, captured one by one and acknowledged.
fn rate(url: &str, queue_events: usize, in_flight: usize) -> Result<f64> {
    let client = Client::with(Settings {
        in_flight,
        queue_events,
        queue_bytes: 1 << 30,
        overflow: Overflow::Block(Duration::from_secs(60)),
        ..Settings::for_node(url)
    })?;
    let names = names();
    let began = Instant::now();
    for nth in 0..EVENTS {
        client.event("bench", Event::new(&names[nth % NAMES], 12.5));
    }
    let is_settled = client.flush(Duration::from_secs(60));
    let took = began.elapsed();
    let state = client.state();
    ensure!(is_settled && state.accepted == EVENTS as u64, "not all were accepted: {state:?}");
    client.close(Duration::from_secs(1));
    Ok(EVENTS as f64 / took.as_secs_f64())
}

/// Processor time of the whole process for one event that is sent, ns.
fn load(url: &str) -> Result<f64> {
    let began = spent(ClockId::ProcessCPUTime);
    rate(url, 200_000, 4)?;
    Ok((spent(ClockId::ProcessCPUTime) - began) * 1e9 / EVENTS as f64)
}

fn main() -> Result<()> {
    told("event(), processor time", "ns", || cost(0))?;
    told("event() with two attributes, processor time", "ns", || cost(1))?;
    let Some(url) = std::env::args().nth(1) else { return Ok(()) };
    told("event() to acknowledged, defaults", "/s", || rate(&url, 10_000, 1))?;
    told("event() to acknowledged, queue 200,000, 4 in flight", "/s", || rate(&url, 200_000, 4))?;
    told("event() to acknowledged, the whole process", "ns", || load(&url))
}
