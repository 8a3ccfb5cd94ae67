//! When requests are meant to be sent. An open loop has a plan that does not
//! wait for answers, so that a slow answer delays nothing but itself and every
//! latency counts from the planned time (coordinated omission); a closed loop
//! sends as fast as answers come. Called by `load`.

use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::sync::mpsc;
use via_types::Clock as _;
use via_types::clock::SystemClock;

/// Most planned sendings of a run: bounds their queues.
const PLANNED: u64 = 1 << 24;

/// How many events are to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// As many as the node takes: a closed loop.
    Max,
    /// So many each second: an open loop.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let (number, factor) = match text.as_bytes().last() {
            Some(b'k') => (&text[..text.len() - 1], 1e3),
            Some(b'M') => (&text[..text.len() - 1], 1e6),
            _ => (text, 1.0),
        };
        let rate = number.parse::<f64>().context("events a second like 500k, or `max`")? * factor;
        ensure!(rate.is_finite() && rate > 0.0, "the rate must be above 0");
        Ok(Self::PerSecond(rate))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Max => f.write_str("as fast as answers come (closed loop)"),
            Self::PerSecond(rate) => write!(f, "{rate} events/s (open loop)"),
        }
    }
}

/// The times the events of a request carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// None: the node stamps them.
    Arrival,
    /// Nanoseconds since 1970: the first one's, and the distance of the others.
    Spread { first: i64, spacing: i64 },
}

impl Times {
    /// Returns times that end now, for `events` events of a flow of `rate`.
    pub(crate) fn until_now(events: usize, rate: Rate) -> Self {
        let spacing = match rate {
            Rate::Max => 250,
            Rate::PerSecond(rate) => (1e9 / rate) as i64,
        };
        let now = SystemClock.now().as_nanos();
        Self::Spread { first: now - events as i64 * spacing, spacing }
    }
}

/// One connection's sendings.
#[derive(Debug)]
pub(crate) enum Schedule {
    /// At these times, whatever the answers do.
    Open(mpsc::Receiver<Instant>),
    /// As soon as there is room, until this time, at most so many.
    Closed { until: Instant, left: u64 },
}

impl Schedule {
    /// Waits for the next sending; returns when it was meant to be, or none
    /// when the run is over.
    pub(crate) async fn next(&mut self) -> Option<Instant> {
        match self {
            Self::Open(times) => times.recv().await,
            Self::Closed { until, left } => {
                let now = Instant::now();
                if *left == 0 || now >= *until {
                    return None;
                }
                *left -= 1;
                Some(now)
            }
        }
    }
}

/// A thread that tells connections when to send; it keeps time better than the
/// runtime's timer, which knows whole milliseconds only.
pub(crate) struct Pacer {
    thread: JoinHandle<()>,
}

impl Pacer {
    /// Starts telling `connections` in turn, one every `every`, from `start`
    /// until `until`.
    ///
    /// # Errors
    /// A plan of too many sendings.
    pub(crate) fn start(
        connections: usize,
        every: Duration,
        start: Instant,
        until: Instant,
    ) -> Result<(Self, Vec<Schedule>)> {
        let step = u64::try_from(every.as_nanos().max(1))?;
        let planned = u64::try_from((until - start).as_nanos())? / step + 1;
        ensure!(planned <= PLANNED, "{planned} sendings are too many; choose a larger batch");
        // Room for all, so that telling never waits: the plan is independent of the answers.
        let room = (planned as usize).div_ceil(connections.max(1)) + 1;
        let (tellers, schedules): (Vec<_>, Vec<_>) = (0..connections)
            .map(|_| mpsc::channel(room))
            .map(|(teller, times)| (teller, Schedule::Open(times)))
            .unzip();
        let tell = move || {
            for number in 0..planned {
                let due = start + Duration::from_nanos(step * number);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if tellers[number as usize % connections].try_send(due).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("pacer".to_owned()).spawn(tell)?;
        Ok((Self { thread }, schedules))
    }

    /// Waits until everything was told.
    pub(crate) fn finish(self) {
        self.thread.join().expect("the pacer does not panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_open_loop_keeps_its_plan_although_nobody_listens() {
        let start = Instant::now();
        let every = Duration::from_micros(500);
        let until = start + Duration::from_millis(20);
        let (pacer, mut schedules) = Pacer::start(2, every, start, until).unwrap();
        // Nobody asks before the run is over: a stalled node.
        pacer.finish();
        for (nth, schedule) in schedules.iter_mut().enumerate() {
            let mut times = Vec::new();
            while let Some(time) = schedule.next().await {
                times.push(time);
            }
            assert!(times.len() >= 20, "{} sendings", times.len());
            assert_eq!(times[0], start + every * nth as u32);
            assert_eq!(times[10] - times[0], every * 20);
        }
    }

    #[tokio::test]
    async fn a_closed_loop_ends_by_time_or_by_number() {
        let now = Instant::now();
        let mut over = Schedule::Closed { until: now, left: 5 };
        assert!(over.next().await.is_none());
        let mut two = Schedule::Closed { until: now + Duration::from_secs(60), left: 2 };
        assert!(two.next().await.is_some() && two.next().await.is_some());
        assert!(two.next().await.is_none());
    }

    #[test]
    fn reads_a_rate() {
        assert_eq!("max".parse::<Rate>().unwrap(), Rate::Max);
        assert_eq!("500k".parse::<Rate>().unwrap(), Rate::PerSecond(500_000.0));
        assert_eq!("1.5M".parse::<Rate>().unwrap(), Rate::PerSecond(1_500_000.0));
        for bad in ["", "k", "fast", "0", "-3", "inf"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
