//! When what happens to the shop: learning in fast motion, then attacks, some
//! at the same time. Pure: the same beginning gives the same plan.

use std::time::Duration;

use via_traffic::{Attack, Strike};

/// From going live to the first attack.
const CALM: Duration = Duration::from_secs(5);
/// From one attack's start to the next one's.
const APART: Duration = Duration::from_secs(10);
/// From one round's last start to the next round's first.
const REST: Duration = Duration::from_secs(240);

/// The shop's time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Where its history begins, nanoseconds since the epoch.
    pub(crate) start_nanos: i64,
    /// Where history ends and attacks become possible.
    pub(crate) live_nanos: i64,
    /// How fast it goes until it has caught up with the clock.
    pub(crate) speed: f64,
    attacks: Vec<Attack>,
}

/// How long an attack lasts.
fn length(attack: Attack) -> Duration {
    Duration::from_secs(match attack {
        Attack::CredentialStuffing | Attack::SqlInjection | Attack::PortScan => 60,
        Attack::CpuSpike => 75,
        Attack::LatencyRegression | Attack::TrafficDrop => 90,
        // What grows slowly takes time to stand out.
        Attack::MemoryLeak => 150,
    })
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

impl Plan {
    /// Plans so much history, and the attacks in the order given. With a speed
    /// above 1 the shop lives in the past until one round of attacks later it
    /// has caught up with `now_nanos`.
    pub(crate) fn new(now_nanos: i64, history: Duration, speed: f64, attacks: Vec<Attack>) -> Self {
        let speed = speed.clamp(1.0, 3_600.0);
        let mut plan = Self { start_nanos: 0, live_nanos: 0, speed, attacks };
        let behind = plan.period().mul_f64(1.0 - 1.0 / speed);
        plan.live_nanos = now_nanos.saturating_sub(nanos(behind));
        plan.start_nanos = plan.live_nanos.saturating_sub(nanos(history));
        plan
    }

    /// Leaves out the history up to `known_nanos`, which is learned already.
    pub(crate) fn go_on_from(&mut self, known_nanos: i64) {
        self.start_nanos = self.start_nanos.max(known_nanos).min(self.live_nanos);
    }

    /// Returns how much history there is.
    pub(crate) fn history(&self) -> Duration {
        let nanos = self.live_nanos.saturating_sub(self.start_nanos);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// Moves going live to `now_nanos` if that is later: learning took a while.
    pub(crate) fn go_live(&mut self, now_nanos: i64) {
        let behind = self.period().mul_f64(1.0 - 1.0 / self.speed);
        self.live_nanos = self.live_nanos.max(now_nanos.saturating_sub(nanos(behind)));
    }

    /// Returns the attacks of round `number`, from 0.
    pub(crate) fn round(&self, number: u32) -> Vec<Strike> {
        let first = self.live_nanos + nanos(CALM) + nanos(self.period()) * i64::from(number);
        let starts = (0i64..).map(|position| first + position * nanos(APART));
        let strike = |(attack, start_nanos): (&Attack, i64)| Strike {
            attack: *attack,
            start_nanos,
            end_nanos: start_nanos + nanos(length(*attack)),
            intensity: 1.0,
        };
        self.attacks.iter().zip(starts).map(strike).collect()
    }

    /// Returns when round `number` begins.
    pub(crate) fn round_nanos(&self, number: u32) -> i64 {
        self.live_nanos + nanos(self.period()) * i64::from(number)
    }

    /// Returns the shop's time so long after going live, when the clock shows
    /// `now_nanos`.
    pub(crate) fn shop_nanos(&self, live_for: Duration, now_nanos: i64) -> i64 {
        let played = self.live_nanos.saturating_add(nanos(live_for.mul_f64(self.speed)));
        played.min(now_nanos.max(self.live_nanos))
    }

    fn period(&self) -> Duration {
        CALM + APART * self.attacks.len() as u32 + REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn plan(speed: f64) -> Plan {
        let attacks = Attack::ALL.to_vec();
        Plan::new(1_000_000 * SECOND, Duration::from_secs(7_200), speed, attacks)
    }

    #[test]
    fn at_normal_speed_the_shop_lives_now() {
        let plan = plan(1.0);
        assert_eq!(plan.live_nanos, 1_000_000 * SECOND);
        assert_eq!(plan.start_nanos, (1_000_000 - 7_200) * SECOND);
        let later = plan.shop_nanos(Duration::from_secs(5), 1_000_005 * SECOND);
        assert_eq!(later, 1_000_005 * SECOND);
    }

    #[test]
    fn in_fast_motion_it_catches_up_and_never_runs_ahead() {
        let plan = plan(10.0);
        let mut before = i64::MIN;
        for second in 0..600 {
            let now = (1_000_000 + second) * SECOND;
            let shop = plan.shop_nanos(Duration::from_secs(second as u64), now);
            assert!(shop <= now && shop > before);
            before = shop;
        }
        assert_eq!(before, 1_000_599 * SECOND, "it has caught up");
    }

    #[test]
    fn a_round_holds_each_attack_once_and_the_next_round_comes_later() {
        let plan = plan(1.0);
        let (first, second) = (plan.round(0), plan.round(1));
        assert_eq!(first.len(), Attack::ALL.len());
        assert!(first[0].start_nanos - plan.live_nanos <= 10 * SECOND);
        let end = first.iter().map(|strike| strike.end_nanos).max().unwrap();
        assert!(second[0].start_nanos > end);
        assert!(plan.round_nanos(1) < second[0].start_nanos);
    }

    #[test]
    fn a_known_shop_only_learns_what_it_missed() {
        let missed = |secs: i64| {
            let mut plan = plan(1.0);
            plan.go_on_from((1_000_000 - secs) * SECOND);
            plan.history().as_secs()
        };
        assert_eq!(missed(360), 360);
        assert_eq!(missed(1_000_000), 7_200, "no more than was asked for");
        assert_eq!(missed(-30), 0, "a clock that went back");
    }

    #[test]
    fn going_live_late_moves_the_attacks() {
        let mut plan = plan(1.0);
        plan.go_live(1_000_030 * SECOND);
        assert!(plan.round(0)[0].start_nanos > 1_000_030 * SECOND);
        plan.go_live(0);
        assert_eq!(plan.live_nanos, 1_000_030 * SECOND);
    }
}
