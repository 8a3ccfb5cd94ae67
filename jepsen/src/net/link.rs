//! What becomes of a datagram on one directed link: lost, late, twice, out of
//! order, queued behind others. Pure: the same seed and datagrams give the same
//! fates.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Longest that a datagram waits for its turn on a narrow link; what would wait
/// longer is dropped, as a full queue drops it.
const QUEUE: Duration = Duration::from_millis(250);

/// How a link behaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weather {
    /// Nothing passes.
    pub is_cut: bool,
    /// Every datagram is at least this late.
    pub delay: Duration,
    /// And by chance up to this much more.
    pub jitter: Duration,
    /// Share of datagrams that are lost, 0..1.
    pub loss: f64,
    /// Share that arrive twice, 0..1.
    pub duplication: f64,
    /// Share that are held back while others pass, 0..1.
    pub reordering: f64,
    /// Bytes per second that fit through; any number when none.
    pub rate: Option<u32>,
}

/// One directed link: its state between datagrams.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// When a narrow link has sent all it was given, since the test began.
    free_at: Duration,
}

impl Link {
    /// Returns after how long each copy of a datagram of `bytes` arrives that is
    /// sent at `now`; no copy when it is lost.
    pub fn carry(
        &mut self,
        weather: &Weather,
        (now, bytes): (Duration, usize),
        rng: &mut impl Rng,
    ) -> Vec<Duration> {
        // Always the same draws, so that one fault does not change another's.
        let [lost, twice, held, late]: [f64; 4] = rng.random();
        if weather.is_cut || lost < weather.loss {
            return Vec::new();
        }
        let mut after = weather.delay + weather.jitter.mul_f64(late);
        if let Some(rate) = weather.rate {
            let takes = Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1)));
            let begins = self.free_at.max(now);
            if begins - now > QUEUE {
                return Vec::new();
            }
            self.free_at = begins + takes;
            after += self.free_at - now;
        }
        if held < weather.reordering {
            after += weather.jitter.max(Duration::from_millis(5)) * 2;
        }
        let copies = if twice < weather.duplication { 2 } else { 1 };
        vec![after; copies]
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Sends a datagram of 1,000 bytes every millisecond.
    fn carried(weather: &Weather, count: u32) -> Vec<Vec<Duration>> {
        let (mut link, mut rng) = (Link::default(), ChaCha8Rng::seed_from_u64(7));
        (0..count).map(|at| link.carry(weather, (MILLI * at, 1_000), &mut rng)).collect()
    }

    #[test]
    fn fair_weather_changes_nothing() {
        assert!(carried(&Weather::default(), 100).iter().all(|fate| *fate == [Duration::ZERO]));
    }

    #[test]
    fn a_cut_link_carries_nothing() {
        let weather = Weather { is_cut: true, ..Weather::default() };
        assert!(carried(&weather, 100).iter().all(Vec::is_empty));
    }

    #[test]
    fn loss_and_duplication_strike_their_share() {
        let weather = Weather { loss: 0.2, duplication: 0.1, ..Weather::default() };
        let fates = carried(&weather, 10_000);
        let share = |copies: usize| {
            fates.iter().filter(|fate| fate.len() == copies).count() as f64 / 10_000.0
        };
        assert!((share(0) - 0.2).abs() < 0.02, "{}", share(0));
        assert!((share(2) - 0.08).abs() < 0.02, "{}", share(2));
    }

    #[test]
    fn delay_is_kept_and_reordering_lets_others_pass() {
        let weather = Weather { delay: 10 * MILLI, reordering: 0.1, ..Weather::default() };
        let fates = carried(&weather, 1_000);
        assert!(fates.iter().flatten().all(|after| *after >= 10 * MILLI));
        let arrivals: Vec<Duration> =
            fates.iter().enumerate().map(|(at, fate)| MILLI * at as u32 + fate[0]).collect();
        assert!(arrivals.windows(2).any(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn a_narrow_link_carries_its_rate_and_drops_the_rest() {
        // A thousand kilobytes in a second, through 100 kB/s.
        let weather = Weather { rate: Some(100_000), ..Weather::default() };
        let fates = carried(&weather, 1_000);
        let carried = fates.iter().filter(|fate| !fate.is_empty()).count();
        assert!((100..140).contains(&carried), "{carried}");
    }

    #[test]
    fn one_seed_gives_one_course() {
        let weather =
            Weather { loss: 0.3, duplication: 0.3, jitter: 9 * MILLI, ..Weather::default() };
        assert_eq!(carried(&weather, 100), carried(&weather, 100));
    }
}
