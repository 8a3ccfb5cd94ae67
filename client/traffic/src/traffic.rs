//! All sources merged in order of time, with the strikes laid over them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::source::Source;
use crate::{Attack, Strike, StrikeError, TrafficEvent, world};

/// Random numbers of strikes begin here, so that adding an ordinary source
/// leaves them as they are.
const FIRST_HOSTILE: u64 = 1 << 32;

/// Which traffic to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Decides every random number.
    pub seed: u64,
    /// When the first events come, nanoseconds since the epoch.
    pub start_nanos: i64,
    /// Multiplies arrivals: 1 is about 50 events a second on average.
    pub rate: f64,
}

/// The shop's traffic: the same options and strikes give the same events.
#[derive(Clone, Debug)]
pub struct Traffic {
    options: Options,
    sources: Vec<Source>,
    /// When each source that has not ended speaks next.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    strikes: Vec<(Strike, ChaCha8Rng)>,
    /// Events before this were handed out.
    now_nanos: i64,
}

impl Traffic {
    /// Starts the traffic; nothing is made until asked for. A rate that is not
    /// above zero and finite counts as 1.
    pub fn new(options: Options) -> Self {
        let rate = if options.rate > 0.0 && options.rate.is_finite() { options.rate } else { 1.0 };
        let options = Options { rate, ..options };
        let mut traffic = Self {
            options,
            sources: Vec::new(),
            due: BinaryHeap::new(),
            strikes: Vec::new(),
            now_nanos: options.start_nanos,
        };
        for (ordinal, plan) in world::ordinary(rate).into_iter().enumerate() {
            let source = Source::new(plan, options.seed, ordinal as u64, options.start_nanos);
            traffic.add(source, i64::MAX);
        }
        traffic
    }

    /// Switches an attack on for a time that has not been handed out yet.
    ///
    /// # Errors
    /// When the strike makes no sense or begins in the past.
    pub fn strike(&mut self, strike: Strike) -> Result<(), StrikeError> {
        strike.check()?;
        if strike.start_nanos < self.now_nanos {
            return Err(StrikeError::Past);
        }
        let first = FIRST_HOSTILE + ((self.strikes.len() as u64) << 8);
        let strength = strike.intensity * self.options.rate;
        for (ordinal, plan) in (first..).zip(world::hostile(strike.attack, strength)) {
            let source = Source::new(plan, self.options.seed, ordinal, strike.start_nanos);
            self.add(source.of(strike.attack), strike.end_nanos);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(first + 255);
        self.strikes.push((strike, rng));
        Ok(())
    }

    /// Returns the strikes switched on so far.
    pub fn strikes(&self) -> impl Iterator<Item = Strike> {
        self.strikes.iter().map(|(strike, _)| *strike)
    }

    /// Returns the time of the next event that may come.
    pub fn next_nanos(&self) -> i64 {
        self.due.peek().map_or(i64::MAX, |Reverse((at, _))| *at)
    }

    /// Returns the next event before `until_nanos`, none when there are no
    /// more; time is then considered to stand at `until_nanos`.
    pub fn next_before(&mut self, until_nanos: i64) -> Option<TrafficEvent> {
        while let Some(&Reverse((at, index))) = self.due.peek() {
            if at >= until_nanos {
                break;
            }
            self.due.pop();
            self.now_nanos = at;
            let mut event = self.sources[index].make();
            self.schedule(index);
            if self.happens(&mut event) {
                return Some(event);
            }
        }
        self.now_nanos = self.now_nanos.max(until_nanos);
        None
    }

    /// Appends every event before `until_nanos`, in order of time.
    pub fn until(&mut self, until_nanos: i64, out: &mut Vec<TrafficEvent>) {
        while let Some(event) = self.next_before(until_nanos) {
            out.push(event);
        }
    }

    fn add(&mut self, source: Source, end_nanos: i64) {
        self.sources.push(source.until(end_nanos));
        self.schedule(self.sources.len() - 1);
    }

    fn schedule(&mut self, index: usize) {
        if let Some(next) = self.sources[index].next_nanos() {
            self.due.push(Reverse((next, index)));
        }
    }

    /// Lets the strikes act on an ordinary event; says whether it happens.
    fn happens(&mut self, event: &mut TrafficEvent) -> bool {
        if event.truth.is_some() {
            return true;
        }
        for (strike, rng) in &mut self.strikes {
            let acts =
                strike.is_on(event.at_nanos) && strike.attack.touches(event.stream, event.entity);
            if acts && !act(strike, rng, event) {
                return false;
            }
        }
        true
    }
}

/// Lets one strike act on an event it touches; says whether the event happens.
fn act(strike: &Strike, rng: &mut ChaCha8Rng, event: &mut TrafficEvent) -> bool {
    let strong = strike.intensity.min(1.0);
    let value = match strike.attack {
        Attack::MemoryLeak => {
            event.value + (96.0 - event.value) * strong * strike.progress(event.at_nanos)
        }
        // A tenth of the ordinary wandering stays visible under full load.
        Attack::CpuSpike => event.value + (98.0 - event.value) * 0.9 * strong,
        Attack::LatencyRegression => event.value * (1.0 + 1.5 * strike.intensity),
        Attack::TrafficDrop if event.stream == crate::Stream::HttpRequests => {
            (event.value * (1.0 - 0.92 * strong)).round()
        }
        Attack::TrafficDrop => return !rng.random_bool(0.92 * strong),
        // These add events and leave the ordinary ones alone.
        Attack::CredentialStuffing | Attack::SqlInjection | Attack::PortScan => return true,
    };
    event.value = value;
    event.truth = Some(strike.attack);
    true
}
