//! Watches a cluster until every shard is where it should be, and says how long
//! that will take as far as it can be told from what has moved meanwhile.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Target, table};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// Over how many looks the pace is measured: one replica takes several.
const LOOKS: usize = 30;

/// What was left to do, and when.
#[derive(Debug, Default)]
struct Course {
    seen: Vec<(Instant, u64)>,
}

impl Course {
    /// Takes in what is left now; returns how long the rest will take at the pace
    /// since the first look that is remembered. More work than before begins anew.
    fn note(&mut self, now: Instant, left: u64) -> Option<Duration> {
        if self.seen.last().is_some_and(|(_, before)| left > *before) {
            self.seen.clear();
        }
        self.seen.push((now, left));
        if self.seen.len() > LOOKS {
            self.seen.remove(0);
        }
        let (begun, first) = self.seen.first()?;
        let done = first.checked_sub(left).filter(|done| *done > 0)?;
        Some((now - *begun).mul_f64(left as f64 / done as f64))
    }
}

/// Prints what is left, once a second, until nothing is.
///
/// # Errors
/// The cluster does not answer.
pub(super) fn until_at_rest(target: &Target) -> Result<()> {
    let mut course = Course::default();
    loop {
        let document = target.ask("", None)?;
        let moves = &document["moves"];
        let keys = ["replicas_to_add", "replicas_to_remove", "leaders_to_move"];
        let left = keys.iter().filter_map(|key| moves[*key].as_u64()).sum();
        if left == 0 {
            return Ok(());
        }
        let words = match course.note(Instant::now(), left) {
            Some(rest) => format!("about {} s left", rest.as_secs().max(1)),
            None => "how long is not known yet".to_owned(),
        };
        writeln!(anstream::stderr(), "{}; {words}", table::to_move(&document))?;
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_its_share_of_what_was_done() {
        let begun = Instant::now();
        let at = |secs: u64| begun + Duration::from_secs(secs);
        let mut course = Course::default();
        assert_eq!(course.note(at(0), 40), None);
        assert_eq!(course.note(at(5), 40), None);
        assert_eq!(course.note(at(10), 20), Some(Duration::from_secs(10)));
        assert_eq!(course.note(at(15), 10), Some(Duration::from_secs(5)));
        // Another node came: there is more to do than before.
        assert_eq!(course.note(at(20), 50), None);
        assert_eq!(course.note(at(30), 40), Some(Duration::from_secs(40)));
    }

    #[test]
    fn only_the_newest_looks_count() {
        let begun = Instant::now();
        let at = |secs: u64| begun + Duration::from_secs(secs);
        let mut course = Course::default();
        for secs in 0..1_000 {
            course.note(at(secs), 10_000);
        }
        // One a second since; the long time of rest before is forgotten.
        let mut rest = None;
        for secs in 0..60 {
            rest = course.note(at(1_000 + secs), 10_000 - secs);
        }
        assert_eq!(rest, Some(Duration::from_secs(10_000 - 59)));
    }
}
