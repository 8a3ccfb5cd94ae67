//! What became of the requests of a run, and how long each took. Filled by the
//! connections, summed and checked by `load`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

/// Longest latency told apart, microseconds.
const LONGEST_US: u64 = 120_000_000;

/// The part of a run that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Its begin, after warming up.
    pub(crate) from: Instant,
    /// Its end.
    pub(crate) until: Instant,
}

/// Counts and latencies.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    window: Window,
    /// Events that the node says it applied, in the whole run.
    pub(crate) accepted: u64,
    /// Events that it says it did not apply, in the whole run.
    pub(crate) refused: u64,
    /// Requests that it asked to send later, in the whole run.
    pub(crate) turned_away: u64,
    /// Events acknowledged within the window.
    measured: u64,
    /// Microseconds from the planned sending to the answer, per request
    /// planned within the window.
    pub(crate) latency: Histogram<u64>,
}

/// What one request's answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
}

impl Tally {
    pub(crate) fn new(window: Window) -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, 3)
            .expect("the bounds and the precision are valid");
        Self { window, accepted: 0, refused: 0, turned_away: 0, measured: 0, latency }
    }

    /// Notes an acknowledgement that came now for a request that was meant to
    /// be sent at `due`.
    ///
    /// # Errors
    /// An answer that does not account for all `events` (invariant D-5).
    pub(crate) fn acknowledge(
        &mut self,
        due: Instant,
        events: usize,
        counts: Counts,
    ) -> Result<()> {
        let Counts { accepted, duplicates, refused } = counts;
        ensure!(
            accepted + duplicates + refused == events as u64,
            "invariant D-5: of {events} events {accepted} were accepted, {duplicates} were \
             duplicates and {refused} refused"
        );
        let now = Instant::now();
        self.accepted += accepted;
        self.refused += duplicates + refused;
        let Window { from, until } = self.window;
        if (from..until).contains(&now) {
            self.measured += accepted;
        }
        if (from..until).contains(&due) {
            self.latency.saturating_record(((now - due).as_micros() as u64).max(1));
        }
        Ok(())
    }

    /// Notes that a request was to be sent again later, which is not done.
    pub(crate) fn turn_away(&mut self) {
        self.turned_away += 1;
    }

    /// Adds another connection's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.turned_away += other.turned_away;
        self.measured += other.measured;
        self.latency.add(&other.latency).expect("both have the same bounds");
    }

    /// Returns the events acknowledged each second of the window.
    pub(crate) fn rate(&self) -> f64 {
        self.measured as f64 / (self.window.until - self.window.from).as_secs_f64()
    }

    /// Returns the latency that the share `quantile` of requests does not exceed.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(quantile))
    }
}

/// Checks that the node counts as many events as it acknowledged.
///
/// # Errors
/// It lost some or counted some twice (invariants D-1, D-2).
pub(crate) fn check(acknowledged: u64, counted: u64) -> Result<()> {
    ensure!(
        acknowledged <= counted,
        "invariant D-1: {acknowledged} events were acknowledged, the node counts {counted}: {} \
         are lost",
        acknowledged - counted
    );
    ensure!(
        acknowledged == counted,
        "invariant D-2: {acknowledged} events were acknowledged, the node counts {counted}: {} \
         too many; is anybody else writing to it?",
        counted - acknowledged
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ago: u64, ahead: u64) -> Window {
        let now = Instant::now();
        let from = now - Duration::from_secs(ago);
        Window { from, until: now + Duration::from_secs(ahead) }
    }

    fn all(accepted: u64) -> Counts {
        Counts { accepted, duplicates: 0, refused: 0 }
    }

    #[test]
    fn latency_counts_from_the_planned_sending() {
        let mut tally = Tally::new(window(60, 60));
        tally.acknowledge(Instant::now() - Duration::from_secs(2), 10, all(10)).unwrap();
        assert!(tally.quantile(0.5) >= Duration::from_secs(2));
        assert_eq!((tally.accepted, tally.measured), (10, 10));
    }

    #[test]
    fn what_is_outside_of_the_window_is_counted_but_not_measured() {
        let later = Instant::now() + Duration::from_secs(60);
        let mut tally = Tally::new(Window { from: later, until: later + Duration::from_secs(1) });
        tally.acknowledge(Instant::now(), 10, all(10)).unwrap();
        assert_eq!((tally.accepted, tally.measured, tally.latency.len()), (10, 0, 0));
    }

    #[test]
    fn an_answer_that_forgets_an_event_is_an_error() {
        let mut tally = Tally::new(window(1, 1));
        let error = tally.acknowledge(Instant::now(), 10, all(9)).unwrap_err();
        assert!(error.to_string().contains("D-5"), "{error}");
    }

    #[test]
    fn a_lost_event_and_one_counted_twice_are_errors() {
        assert!(check(100, 100).is_ok());
        assert!(check(100, 99).unwrap_err().to_string().contains("D-1"));
        assert!(check(100, 101).unwrap_err().to_string().contains("D-2"));
    }
}
