//! What one tenant may ask of this node. Owns the tokens, the seats and the
//! words in which a request is refused; follows the catalog, so that a changed
//! quota holds from the next request on. A request costs it one short lock of the
//! tenant's own, however many events it brings. Invariant: T-2.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use via_catalog::Quotas;
use via_types::{Fate, Revision, Timestamp};

use super::bucket::{Bucket, Rate, Short};
use super::usage::Usage;
use crate::problem::{Code, Problem};

/// Stands for no bound.
const NONE: u64 = u64::MAX;

/// What a tenant may ask of this node, and was given.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// The revision whose quotas these are.
    followed: AtomicU64,
    following: Mutex<()>,
    events: Meter,
    requests: Meter,
    seats: Seats,
    request_bytes: Bound,
    usage: Usage,
}

/// A number that may be none.
#[derive(Debug)]
struct Bound(AtomicU64);

impl Default for Bound {
    fn default() -> Self {
        Self(AtomicU64::new(NONE))
    }
}

impl Bound {
    fn get(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|bound| *bound != NONE)
    }

    fn set(&self, bound: Option<u64>) {
        self.0.store(bound.unwrap_or(NONE), Relaxed);
    }
}

/// Tokens of one kind; none where there is no quota.
#[derive(Debug, Default)]
struct Meter {
    /// Burst; tells without the lock that there is no quota.
    bound: Bound,
    bucket: Mutex<Option<Bucket>>,
}

impl Meter {
    fn set(&self, rate: Option<Rate>, now: Timestamp) {
        let mut bucket = self.bucket.lock();
        match (&mut *bucket, rate) {
            (Some(bucket), Some(rate)) => bucket.set(rate, now),
            (bucket, rate) => *bucket = rate.map(|rate| Bucket::new(rate, now)),
        }
        self.bound.set(rate.map(|rate| rate.burst));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Bucket) -> T) -> Option<T> {
        self.bound.get()?;
        self.bucket.lock().as_mut().map(act)
    }
}

/// Live feeds at a time.
#[derive(Debug, Default)]
struct Seats {
    bound: Bound,
    taken: AtomicU64,
}

/// A live feed's seat, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Allowance>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.taken.fetch_sub(1, Relaxed);
    }
}

/// What is left of a kind of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The kind.
    pub(crate) kind: &'static str,
    /// What the whole cluster gives.
    pub(crate) rate: Rate,
    /// Tokens that this node has.
    pub(crate) tokens: u64,
    /// After how long it has all it can have.
    pub(crate) full_after: Duration,
}

impl Allowance {
    /// Takes over the quotas of a newer revision, with the number of nodes among
    /// which they are divided.
    pub(crate) fn follow(
        &self,
        revision: Revision,
        now: Timestamp,
        quotas: impl FnOnce() -> (Quotas, u32),
    ) {
        if revision.get() <= self.followed.load(Relaxed) {
            return;
        }
        let _one = self.following.lock();
        if revision.get() <= self.followed.load(Relaxed) {
            return;
        }
        let (quotas, parts) = quotas();
        let rate = |per_second: Option<u64>, burst: Option<u64>| {
            let per_second = per_second?;
            Some(Rate { per_second, burst: burst.unwrap_or(per_second), parts })
        };
        self.events.set(rate(quotas.events_per_second, quotas.events_burst), now);
        self.requests.set(rate(quotas.requests_per_second, None), now);
        // One at least on each node: the slack of division.
        let part = |seats: u64| seats.div_euclid(u64::from(parts)).max(seats.min(1));
        self.seats.bound.set(quotas.subscribers.map(part));
        self.request_bytes.set(quotas.request_bytes);
        self.followed.store(revision.get(), Relaxed);
    }

    /// Takes the tokens of so many events, before anything is done with them.
    ///
    /// # Errors
    /// [`Code::QuotaExceeded`]; [`Code::TooLarge`] when they never fit.
    pub(crate) fn admit(&self, events: u64, now: Timestamp) -> Result<(), Problem> {
        let taken = self.events.with(|bucket| (bucket.take(events, now), bucket.rate()));
        let Some((Err(short), rate)) = taken else { return Ok(()) };
        let Rate { per_second, burst, parts } = rate;
        match short {
            Short::For(wait) => {
                let words = format!("{per_second} events a second are taken, {burst} at once");
                Err(exceeded("events_per_second", per_second, words, wait))
            }
            Short::Never => {
                let here = burst / u64::from(parts);
                let words = format!("{events} events at once; a node takes {here} of this tenant");
                Err(named(Problem::new(Code::TooLarge, words), "events_burst", burst))
            }
        }
    }

    /// Refuses when not one event could be admitted now: before a body is read.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn expect_room(&self, now: Timestamp) -> Result<(), Problem> {
        self.admit(1, now)?;
        self.give_back(1);
        Ok(())
    }

    /// Takes back the tokens of events that surely were not applied, or had been
    /// before.
    pub(crate) fn give_back(&self, events: u64) {
        self.events.with(|bucket| bucket.give_back(events));
    }

    /// Takes the token of one request.
    ///
    /// # Errors
    /// [`Code::QuotaExceeded`].
    pub(crate) fn request(&self, now: Timestamp) -> Result<(), Problem> {
        let taken = self.requests.with(|bucket| (bucket.take(1, now), bucket.rate().per_second));
        let Some((Err(short), per_second)) = taken else { return Ok(()) };
        let wait = match short {
            Short::For(wait) => wait,
            Short::Never => Duration::from_secs(3_600),
        };
        let words = format!("{per_second} requests a second are answered");
        Err(exceeded("requests_per_second", per_second, words, wait))
    }

    /// Refuses a request of more bytes than the tenant may send in one.
    ///
    /// # Errors
    /// [`Code::TooLarge`].
    pub(crate) fn bytes(&self, bytes: u64) -> Result<(), Problem> {
        match self.request_bytes.get() {
            Some(most) if bytes > most => {
                let words = format!("{bytes} bytes in one request; this tenant may send {most}");
                Err(named(Problem::new(Code::TooLarge, words), "request_bytes", most))
            }
            _ => Ok(()),
        }
    }

    /// Takes a live feed's seat.
    ///
    /// # Errors
    /// [`Code::QuotaExceeded`].
    pub(crate) fn seat(self: &Arc<Self>) -> Result<Seat, Problem> {
        let bound = self.seats.bound.get().unwrap_or(NONE);
        let more = |taken: u64| (taken < bound).then_some(taken + 1);
        match self.seats.taken.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(Seat(Arc::clone(self))),
            Err(_) => {
                let words = format!("all {bound} live feeds of this tenant are taken here");
                Err(exceeded("subscribers", bound, words, Duration::from_secs(1)))
            }
        }
    }

    /// Returns what was counted.
    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Returns what is left of what has a quota.
    pub(crate) fn left(&self, now: Timestamp) -> impl Iterator<Item = Left> {
        let of = |kind, meter: &Meter| {
            meter.with(|bucket| {
                let (tokens, full_after) = bucket.left(now);
                Left { kind, rate: bucket.rate(), tokens, full_after }
            })
        };
        [of("events", &self.events), of("requests", &self.requests)].into_iter().flatten()
    }
}

/// Makes the refusal of who has used a quota up: what it was, and when to go on.
fn exceeded(quota: &'static str, limit: u64, words: String, wait: Duration) -> Problem {
    // A part of a millisecond would be told as none.
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    let fate = Fate::Retry(Duration::from_millis(millis));
    named(Problem::new(Code::QuotaExceeded, words).with_fate(fate), quota, limit)
}

fn named(problem: Problem, quota: &'static str, limit: u64) -> Problem {
    problem.with("quota", quota).with("limit", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1 << 60);

    fn allowance(quotas: Quotas, parts: u32) -> Arc<Allowance> {
        let allowance = Arc::new(Allowance::default());
        allowance.follow(Revision::new(1), NOW, || (quotas, parts));
        allowance
    }

    fn quota(problem: &Problem) -> Option<&str> {
        problem.more.get("quota").and_then(serde_json::Value::as_str)
    }

    #[test]
    fn without_quotas_everything_is_admitted() {
        let free = allowance(Quotas::default(), 1);
        assert!(free.admit(u64::MAX, NOW).is_ok() && free.bytes(u64::MAX).is_ok());
        assert!(free.request(NOW).is_ok() && free.seat().is_ok());
        assert_eq!(free.left(NOW).count(), 0);
    }

    #[test]
    fn what_is_beyond_a_quota_is_refused_by_its_name_and_told_when_to_come_again() {
        let quotas = Quotas {
            events_per_second: Some(10),
            events_burst: Some(20),
            requests_per_second: Some(1),
            subscribers: Some(1),
            request_bytes: Some(100),
            ..Quotas::default()
        };
        let bound = allowance(quotas, 1);
        assert!(bound.admit(20, NOW).is_ok());
        let problem = bound.admit(5, NOW).expect_err("it is used up");
        assert_eq!(
            (problem.code, quota(&problem)),
            (Code::QuotaExceeded, Some("events_per_second"))
        );
        assert_eq!(problem.fate, Fate::Retry(Duration::from_millis(500)));
        let problem = bound.admit(21, NOW).expect_err("it never fits");
        assert_eq!((problem.code, problem.fate), (Code::TooLarge, Fate::Rejected));
        assert!(bound.expect_room(NOW).is_err());
        bound.give_back(1);
        assert!(bound.expect_room(NOW).is_ok() && bound.admit(1, NOW).is_ok(), "nothing is lost");
        assert!(bound.request(NOW).is_ok());
        assert_eq!(quota(&bound.request(NOW).expect_err("one")), Some("requests_per_second"));
        assert_eq!(quota(&bound.bytes(101).expect_err("long")), Some("request_bytes"));
        let seat = bound.seat().expect("there is one");
        assert_eq!(quota(&bound.seat().expect_err("one")), Some("subscribers"));
        drop(seat);
        assert!(bound.seat().is_ok());
    }

    #[test]
    fn a_newer_revision_is_followed_and_an_older_one_is_not() {
        let quotas =
            |per_second| Quotas { events_per_second: Some(per_second), ..Quotas::default() };
        let bound = allowance(quotas(10), 2);
        assert!(bound.admit(6, NOW).is_err(), "half of it is another node's");
        bound.follow(Revision::new(1), NOW, || panic!("it is known"));
        bound.follow(Revision::new(2), NOW, || (quotas(100), 1));
        let left: Vec<_> = bound.left(NOW).map(|left| (left.kind, left.tokens)).collect();
        assert_eq!(left, [("events", 5)], "what was there, and no more at once");
        bound.follow(Revision::new(3), NOW, || (Quotas::default(), 1));
        assert!(bound.admit(1_000, NOW).is_ok());
    }
}
