//! How long to wait between attempts, and when to try another address. Draws; knows
//! no clock.

use std::time::Duration;

use crate::error::Error;

/// Failures that another node may not have.
const ELSEWHERE: [&str; 3] = ["no_answer", "not_ready", "shutting_down"];

/// What to do after an attempt that failed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Turn {
    /// Wait so long.
    pub(crate) wait: Duration,
    /// Go on to the next address.
    pub(crate) moves_on: bool,
}

/// The repeats of one request.
pub(crate) struct Patience {
    min: Duration,
    max: Duration,
    addresses: usize,
    attempt: u32,
    tried: usize,
}

impl Patience {
    pub(crate) fn new(min: Duration, max: Duration, addresses: usize) -> Self {
        Self { min, max, addresses, attempt: 0, tried: 1 }
    }

    /// Says what to do after a failed attempt.
    pub(crate) fn after(&mut self, error: &Error) -> Turn {
        let moves_on = self.addresses > 1 && ELSEWHERE.contains(&error.code());
        if moves_on && self.tried < self.addresses {
            self.tried += 1;
            return Turn { wait: Duration::ZERO, moves_on };
        }
        self.tried = 1;
        let doubled = self.min.saturating_mul(1 << self.attempt.min(30));
        self.attempt += 1;
        let most = doubled.min(self.max);
        let asked = error.retry_after().unwrap_or_default();
        Turn { wait: most.mul_f64(fastrand::f64()).max(asked), moves_on }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Fate};

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(30);

    fn failed(code: &str, retry_after: Option<Duration>) -> Error {
        let failure = Failure { code: code.to_owned(), retry_after, ..Failure::default() };
        Error::of(Fate::Retry, failure)
    }

    #[test]
    fn waits_are_drawn_from_zero_to_a_doubling_bound() {
        let mut largest = [Duration::ZERO; 12];
        for _ in 0..400 {
            let mut patience = Patience::new(MIN, MAX, 1);
            for (nth, most) in largest.iter_mut().enumerate() {
                let wait = patience.after(&failed("overloaded", None)).wait;
                assert!(
                    wait <= MIN.mul_f64(2_f64.powi(nth as i32)).min(MAX),
                    "attempt {nth}: {wait:?}"
                );
                *most = wait.max(*most);
            }
        }
        for (nth, most) in largest.iter().enumerate() {
            let bound = MIN.mul_f64(2_f64.powi(nth as i32)).min(MAX);
            assert!(*most > bound.mul_f64(0.9), "attempt {nth} never waited long: {most:?}");
        }
    }

    #[test]
    fn a_thousand_attempts_do_not_overflow() {
        let mut patience = Patience::new(MIN, MAX, 1);
        for _ in 0..1_000 {
            assert!(patience.after(&failed("overloaded", None)).wait <= MAX);
        }
    }

    #[test]
    fn what_the_answer_asks_for_is_waited_at_least() {
        let asked = Duration::from_secs(9);
        let turn = Patience::new(MIN, MAX, 1).after(&failed("overloaded", Some(asked)));
        assert_eq!(turn.wait, asked);
    }

    #[test]
    fn every_address_is_tried_before_a_wait() {
        let mut patience = Patience::new(MIN, MAX, 3);
        let turns: Vec<Turn> = (0..6).map(|_| patience.after(&failed("no_answer", None))).collect();
        assert!(turns.iter().all(|turn| turn.moves_on));
        for nth in [0, 1, 3, 4] {
            assert_eq!(turns[nth].wait, Duration::ZERO);
        }
        assert!(!patience.after(&failed("overloaded", None)).moves_on);
    }
}
