//! A bucket of tokens: so many at once, and so many in a second after that, of
//! which this node has an equal part. Pure: time is handed in, and nothing is
//! rounded. Not `governor`, whose cells cannot change their rate, take back what
//! was not spent, or say what is left. Invariant: T-2.

use std::time::Duration;

use via_types::Timestamp;

/// Grains of a token for one part: at a rate of one in a second, one comes
/// every nanosecond.
const GRAINS: u128 = 1_000_000_000;
/// A clock that is set back by more than this is followed.
const SET_BACK: Duration = Duration::from_secs(1);
/// Longest wait that is told.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How many tokens there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Tokens in a second, all nodes together.
    pub(crate) per_second: u64,
    /// Most tokens at once, all nodes together.
    pub(crate) burst: u64,
    /// Among how many nodes they are divided.
    pub(crate) parts: u32,
}

impl Rate {
    /// Returns what one token weighs, in grains.
    fn token(self) -> u128 {
        GRAINS * u128::from(self.parts)
    }

    /// Returns what the bucket of one node holds. Each node's holds one token at
    /// least, or a small quota could be spent nowhere: the slack of division.
    fn most(self) -> u128 {
        let whole = u128::from(self.burst) * GRAINS;
        if whole == 0 { 0 } else { whole.max(self.token()) }
    }
}

/// Why tokens are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// They will be after so long, if nobody takes others.
    For(Duration),
    /// The bucket never holds so many.
    Never,
}

/// The tokens of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: u128,
    at: Timestamp,
}

impl Bucket {
    /// Makes a full one.
    pub(crate) fn new(rate: Rate, now: Timestamp) -> Self {
        Self { rate, level: rate.most(), at: now }
    }

    /// Returns how it is filled.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Changes how it is filled. What is in it stays, as far as it fits: nothing
    /// is won by changing a quota to and fro.
    pub(crate) fn set(&mut self, rate: Rate, now: Timestamp) {
        self.fill(now);
        let level = self.level.saturating_mul(u128::from(rate.parts));
        self.level = (level / u128::from(self.rate.parts)).min(rate.most());
        self.rate = rate;
    }

    /// Takes `count` tokens, or none.
    pub(crate) fn take(&mut self, count: u64, now: Timestamp) -> Result<(), Short> {
        self.fill(now);
        let cost = u128::from(count) * self.rate.token();
        match self.level.checked_sub(cost) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None if cost > self.rate.most() => Err(Short::Never),
            None => Err(Short::For(self.until(cost))),
        }
    }

    /// Takes back tokens that were taken and bought nothing.
    pub(crate) fn give_back(&mut self, count: u64) {
        let back = u128::from(count) * self.rate.token();
        self.level = self.level.saturating_add(back).min(self.rate.most());
    }

    /// Returns how many tokens are left, and after how long all are there.
    pub(crate) fn left(&mut self, now: Timestamp) -> (u64, Duration) {
        self.fill(now);
        let left = u64::try_from(self.level / self.rate.token()).unwrap_or(u64::MAX);
        (left, self.until(self.rate.most()))
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = now.saturating_since(self.at);
        if passed > Duration::ZERO {
            let come = u128::from(self.rate.per_second).saturating_mul(passed.as_nanos());
            self.level = self.level.saturating_add(come).min(self.rate.most());
            self.at = now;
        } else if self.at.saturating_since(now) > SET_BACK {
            self.at = now;
        }
    }

    /// Returns how long it takes until the bucket holds so much.
    fn until(&self, level: u128) -> Duration {
        let missing = level.saturating_sub(self.level);
        if missing == 0 {
            return Duration::ZERO;
        }
        if self.rate.per_second == 0 {
            return LONGEST;
        }
        let nanos = missing.div_ceil(u128::from(self.rate.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may happen to a bucket.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// So many nanoseconds pass, and so many tokens are asked for.
        Take(u64, u64),
        /// The quota is changed.
        Set(Rate),
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (0_u64..2_000, 0_u64..500, 1_u32..6).prop_map(|(per_second, burst, parts)| Rate {
            per_second,
            burst,
            parts,
        })
    }

    fn takes() -> impl Strategy<Value = Step> {
        let pause = prop_oneof![Just(0), 0_u64..1_000, 0_u64..2_000_000_000];
        (pause, 0_u64..600).prop_map(|(pause, count)| Step::Take(pause, count))
    }

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(nanos).unwrap())
    }

    /// What a window of so many nanoseconds may admit, in grains of one part.
    fn allowed(rate: Rate, nanos: u64) -> u128 {
        rate.most() + u128::from(rate.per_second) * u128::from(nanos)
    }

    proptest! {
        /// T-2: over any window no more than burst + rate × time; and nothing is
        /// refused unless some window would be over.
        #[test]
        fn a_window_admits_what_is_due_and_no_more(
            rate in rates(),
            steps in prop::collection::vec(takes(), 1..60),
        ) {
            let mut bucket = Bucket::new(rate, at(0));
            let mut admitted: Vec<(u64, u128)> = Vec::new();
            let mut now = 0;
            for step in steps {
                let Step::Take(pause, count) = step else { continue };
                now += pause;
                let cost = u128::from(count) * rate.token();
                let over = |admitted: &[(u64, u128)], more: u128| {
                    let mut sum = more;
                    let windows = admitted.iter().rev().map(|(begun, cost)| {
                        sum += cost;
                        sum > allowed(rate, now - begun)
                    });
                    more > rate.most() || windows.fold(false, |any, one| any | one)
                };
                match bucket.take(count, at(now)) {
                    Ok(()) => {
                        prop_assert!(!over(&admitted, cost), "more than is due");
                        admitted.push((now, cost));
                    }
                    Err(Short::Never) => prop_assert!(cost > rate.most()),
                    Err(Short::For(wait)) => {
                        prop_assert!(over(&admitted, cost), "less than is there");
                        if rate.per_second > 0 && wait < LONGEST {
                            let then = at(now).saturating_add(wait);
                            prop_assert!(bucket.clone().take(count, then).is_ok(), "{wait:?}");
                        }
                    }
                }
            }
        }

        /// T-2 while quotas change: never more than the largest burst, and what
        /// came at each rate while it was in force.
        #[test]
        fn a_changed_quota_gives_nothing_twice(
            first in rates(),
            steps in prop::collection::vec(
                prop_oneof![4 => takes(), 1 => rates().prop_map(Step::Set)], 1..60),
        ) {
            let mut bucket = Bucket::new(first, at(0));
            let (mut now, mut spent, mut due, mut rate) = (0, 0.0, 0.0_f64, first);
            let part = |grains: u128, rate: Rate| grains as f64 / rate.token() as f64;
            let mut most = part(first.most(), first);
            for step in steps {
                match step {
                    Step::Take(pause, count) => {
                        now += pause;
                        due += part(u128::from(rate.per_second) * u128::from(pause), rate);
                        if bucket.take(count, at(now)).is_ok() {
                            spent += count as f64;
                        }
                    }
                    Step::Set(next) => {
                        bucket.set(next, at(now));
                        rate = next;
                        most = most.max(part(next.most(), next));
                    }
                }
                prop_assert!(spent <= most + due + 1e-6, "{spent} of {most} + {due}");
            }
        }

        /// T-2 across nodes that know nothing of each other: the parts add up to
        /// the quota, and to one token a node more where it is that small.
        #[test]
        fn parts_add_up_to_the_whole(
            rate in rates(),
            asks in prop::collection::vec((0_u64..1_000_000_000, 0_usize..6, 1_u64..50), 1..80),
        ) {
            let mut nodes = vec![Bucket::new(rate, at(0)); rate.parts as usize];
            let (mut now, mut admitted) = (0, 0_u64);
            for (pause, node, count) in asks {
                now += pause;
                let node = node % nodes.len();
                admitted += if nodes[node].take(count, at(now)).is_ok() { count } else { 0 };
                let due = u128::from(rate.burst) * GRAINS + u128::from(rate.per_second) * u128::from(now);
                let slack = u128::from(rate.parts) * GRAINS;
                prop_assert!(u128::from(admitted) * GRAINS <= due + slack);
            }
        }
    }

    #[test]
    fn what_is_given_back_is_there_again_and_no_more_than_fits() {
        let rate = Rate { per_second: 10, burst: 100, parts: 1 };
        let mut bucket = Bucket::new(rate, at(0));
        assert_eq!(bucket.take(90, at(0)), Ok(()));
        bucket.give_back(40);
        assert_eq!(bucket.left(at(0)).0, 50);
        bucket.give_back(1_000);
        assert_eq!(bucket.left(at(0)).0, 100);
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_and_brings_nothing() {
        let rate = Rate { per_second: 1, burst: 10, parts: 1 };
        let mut bucket = Bucket::new(rate, at(3_600_000_000_000));
        assert_eq!(bucket.take(10, at(3_600_000_000_000)), Ok(()));
        assert_eq!(bucket.take(1, at(0)), Err(Short::For(Duration::from_secs(1))));
        assert_eq!(bucket.take(1, at(1_000_000_000)), Ok(()), "time goes on from there");
    }
}
