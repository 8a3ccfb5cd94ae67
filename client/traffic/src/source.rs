//! One source of events: when its next one comes, and the making of it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

use crate::rhythm::{PEAK, rhythm};
use crate::shape::Shape;
use crate::{Attack, Stream, TrafficEvent};

/// When a source's events come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Poisson, so many a second on an average weekday, following the rhythm.
    Rhythmic(f64),
    /// Poisson, so many a second at any hour.
    Steady(f64),
    /// One each so many seconds.
    Every(f64),
}

/// What a source is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) stream: Stream,
    pub(crate) entity: &'static str,
    pub(crate) pace: Pace,
    pub(crate) shape: Shape,
}

/// A source with its own random numbers, so that nothing another source does,
/// or whether it exists, changes what this one says.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    plan: Plan,
    truth: Option<Attack>,
    rng: ChaCha8Rng,
    /// Tells its events from those of other sources.
    ordinal: u64,
    made: u64,
    wander: f64,
    next_nanos: i64,
    end_nanos: i64,
}

impl Source {
    pub(crate) fn new(plan: Plan, seed: u64, ordinal: u64, start_nanos: i64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(ordinal);
        let mut source = Self {
            plan,
            truth: None,
            rng,
            ordinal,
            made: 0,
            wander: 0.0,
            next_nanos: start_nanos,
            end_nanos: i64::MAX,
        };
        if let Pace::Every(secs) = plan.pace {
            // Sources that tick do not tick together.
            let phase: f64 = source.rng.random();
            source.next_nanos = start_nanos.saturating_add((phase * secs * 1e9) as i64);
        } else {
            source.advance();
        }
        source
    }

    /// Marks everything it makes as part of an attack.
    pub(crate) fn of(self, attack: Attack) -> Self {
        Self { truth: Some(attack), ..self }
    }

    /// Ends it at that time.
    pub(crate) fn until(self, end_nanos: i64) -> Self {
        Self { end_nanos, ..self }
    }

    /// Returns when its next event comes; none when it has ended.
    pub(crate) fn next_nanos(&self) -> Option<i64> {
        (self.next_nanos < self.end_nanos).then_some(self.next_nanos)
    }

    /// Makes the event that is next.
    pub(crate) fn make(&mut self) -> TrafficEvent {
        let at_nanos = self.next_nanos;
        let content = self.plan.shape.draw(&mut self.rng, at_nanos, &mut self.wander);
        let unique_id = format!("{:x}-{:x}", self.ordinal, self.made);
        self.made += 1;
        self.advance();
        TrafficEvent {
            stream: self.plan.stream,
            entity: self.plan.entity,
            at_nanos,
            value: content.value,
            attributes: content.attributes,
            truth: self.truth,
            unique_id,
        }
    }

    /// Moves on to the next event; a rate that varies is had exactly by
    /// thinning (Lewis and Shedler 1979, algorithm 1).
    fn advance(&mut self) {
        match self.plan.pace {
            Pace::Every(secs) => self.wait(secs),
            Pace::Steady(per_sec) => {
                let gap: f64 = self.rng.sample(Exp1);
                self.wait(gap / per_sec);
            }
            Pace::Rhythmic(per_sec) => loop {
                let gap: f64 = self.rng.sample(Exp1);
                self.wait(gap / (per_sec * PEAK));
                let keep: f64 = self.rng.random();
                if keep * PEAK < rhythm(self.next_nanos) || self.next_nanos == i64::MAX {
                    break;
                }
            },
        }
    }

    fn wait(&mut self, secs: f64) {
        self.next_nanos = self.next_nanos.saturating_add(((secs * 1e9) as i64).max(1));
    }
}
