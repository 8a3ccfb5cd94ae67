//! What is sent to the node: the shop's traffic and this machine's figures, as
//! NDJSON through the door that every client uses. Owns the pace; what the
//! events mean is the sources' business.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use serde::Deserialize;
use tokio::sync::watch;
use via_traffic::{Options, Traffic, TrafficEvent};
use via_types::Clock;

use super::door::Door;
use super::plan::Plan;
use crate::machine::{Machine, Reading};

/// How much of the shop's time is sent at once while it learns.
const STRIDE_NANOS: i64 = 600 * 1_000_000_000;
/// How often live events are sent.
const BEAT: Duration = Duration::from_millis(200);
/// How often the machine is read.
const READ_EVERY: Duration = Duration::from_secs(1);

/// What the node answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    #[serde(default)]
    pub(crate) duplicates: u64,
    #[serde(default)]
    pub(crate) refused: u64,
}

/// Sends events, each stream on its own connection.
pub(crate) struct Feed {
    node: SocketAddr,
    key: String,
    doors: BTreeMap<&'static str, (Door, String)>,
    /// Makes the unique ids of this run differ from those of other runs.
    run: i64,
    totals: Totals,
}

impl Feed {
    /// Feeds the node that is there, with this key.
    pub(crate) fn new((node, key): (SocketAddr, String), run: i64) -> Self {
        Self { node, key, doors: BTreeMap::new(), run, totals: Totals::default() }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    fn shop(&mut self, event: &TrafficEvent) -> Result<()> {
        let attributes: BTreeMap<_, _> =
            event.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let unique = format!("{:x}-{}", self.run, event.unique_id);
        let line = serde_json::json!({
            "entity": event.entity,
            "timestamp": event.at_nanos,
            "value": event.value,
            "unique_id": unique,
            "attributes": attributes,
        });
        writeln!(self.body(event.stream.name()), "{line}").context("a line of memory")
    }

    fn machine(&mut self, at_nanos: i64, reading: &Reading) -> Result<()> {
        let line = serde_json::json!({
            "entity": reading.entity,
            "timestamp": at_nanos,
            "value": reading.value,
        });
        writeln!(self.body(reading.stream), "{line}").context("a line of memory")
    }

    fn body(&mut self, stream: &'static str) -> &mut String {
        let (node, key) = (self.node, &self.key);
        let new = || (Door::new(node, key), String::new());
        let (_, body) = self.doors.entry(stream).or_insert_with(new);
        body
    }

    /// Sends what was gathered, all streams at the same time.
    async fn flush(&mut self) -> Result<()> {
        let sends = self.doors.iter_mut().map(|(stream, (door, body))| async move {
            if body.is_empty() {
                return Ok(Totals::default());
            }
            let path = format!("/api/v1/streams/{stream}/events");
            let answer = door.post(&path, "application/x-ndjson", body.as_bytes()).await?;
            body.clear();
            if answer.status >= 300 {
                let why = String::from_utf8_lossy(&answer.body).into_owned();
                bail!("stream {stream}: the node answered {}: {why}", answer.status);
            }
            let totals: Totals = serde_json::from_slice(&answer.body)
                .with_context(|| format!("stream {stream}: an odd receipt"))?;
            Ok(totals)
        });
        for totals in try_join_all(sends).await? {
            self.totals.accepted += totals.accepted;
            self.totals.duplicates += totals.duplicates;
            self.totals.refused += totals.refused;
        }
        Ok(())
    }
}

/// How far the feeding has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Of the shop's history, so much has been sent.
    Learning { share: f64, sent: u64 },
    /// Events come as they happen.
    Live(Live),
}

/// Since when, and by which plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Live {
    pub(crate) plan: Plan,
    pub(crate) since: Instant,
    pub(crate) learned: u64,
    pub(crate) learning_took: Duration,
}

/// Everything that is fed, and how.
pub(crate) struct Feeder {
    pub(crate) feed: Feed,
    pub(crate) plan: Plan,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) machine: Option<Machine>,
    pub(crate) stage: watch::Sender<Stage>,
}

impl Feeder {
    /// Feeds until told to stop; returns what the node answered in all.
    ///
    /// # Errors
    /// The node cannot be reached any more or refuses a whole request.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<Totals> {
        let start_nanos = self.plan.start_nanos;
        let mut traffic = Traffic::new(Options { seed: self.seed, start_nanos, rate: 1.0 });
        if !self.learn(&mut traffic, &stop).await? {
            return Ok(self.feed.totals());
        }
        let since = Instant::now();
        let mut rounds = 0;
        let mut read = since;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(self.feed.totals()),
            }
            let now_nanos = self.clock.now().as_nanos();
            let shop_nanos = self.plan.shop_nanos(since.elapsed(), now_nanos);
            if shop_nanos >= self.plan.round_nanos(rounds) {
                for strike in self.plan.round(rounds) {
                    traffic.strike(strike).context("an attack of the plan")?;
                }
                rounds += 1;
            }
            while let Some(event) = traffic.next_before(shop_nanos) {
                self.feed.shop(&event)?;
            }
            if read.elapsed() >= READ_EVERY {
                read = Instant::now();
                self.read_machine(now_nanos).await?;
            }
            self.feed.flush().await?;
        }
    }

    /// Sends the shop's history as fast as the node takes it, up to the time
    /// at which that is done; says whether it was not stopped.
    async fn learn(&mut self, traffic: &mut Traffic, stop: &watch::Receiver<bool>) -> Result<bool> {
        let started = Instant::now();
        let mut until = self.plan.start_nanos;
        let mut sent = 0;
        while until < self.plan.live_nanos {
            if *stop.borrow() {
                return Ok(false);
            }
            until = until.saturating_add(STRIDE_NANOS).min(self.plan.live_nanos);
            while let Some(event) = traffic.next_before(until) {
                self.feed.shop(&event)?;
                sent += 1;
            }
            self.feed.flush().await?;
            let whole = (self.plan.live_nanos - self.plan.start_nanos).max(1);
            let share = (until - self.plan.start_nanos) as f64 / whole as f64;
            self.stage.send_replace(Stage::Learning { share, sent });
            if until == self.plan.live_nanos {
                // Learning took a while, of which there is history too.
                let before = self.plan.live_nanos;
                self.plan.go_live(self.clock.now().as_nanos());
                let left = Duration::from_nanos((self.plan.live_nanos - before).max(0) as u64);
                if left < BEAT {
                    break;
                }
            }
        }
        let learning_took = started.elapsed();
        let live =
            Live { plan: self.plan.clone(), since: Instant::now(), learned: sent, learning_took };
        self.stage.send_replace(Stage::Live(live));
        Ok(true)
    }

    async fn read_machine(&mut self, now_nanos: i64) -> Result<()> {
        let Some(mut machine) = self.machine.take() else { return Ok(()) };
        // Reading /proc takes milliseconds: not on a thread that serves.
        let reading = tokio::task::spawn_blocking(move || {
            let readings = machine.read();
            (machine, readings)
        });
        let (machine, readings) = reading.await.context("reading this machine")?;
        self.machine = Some(machine);
        for reading in &readings {
            self.feed.machine(now_nanos, reading)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_one_line_with_its_attributes() {
        let mut feed = Feed::new(("127.0.0.1:1".parse().unwrap(), "k".to_owned()), 255);
        let mut traffic = Traffic::new(Options { seed: 1, start_nanos: 0, rate: 1.0 });
        let event = loop {
            let event = traffic.next_before(i64::MAX).unwrap();
            if event.stream == via_traffic::Stream::AuthLogins {
                break event;
            }
        };
        feed.shop(&event).unwrap();
        let body = feed.body("auth-logins").clone();
        let line: serde_json::Value = serde_json::from_str(body.trim_end()).unwrap();
        assert_eq!(line["entity"], "auth");
        assert_eq!(line["timestamp"], event.at_nanos);
        assert_eq!(line["unique_id"], format!("ff-{}", event.unique_id));
        assert!(line["attributes"]["client.address"].is_string());
    }
}
