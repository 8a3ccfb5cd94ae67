//! What a detection says in words is what its fields say.

use proptest::prelude::*;
use via_types::{Detection, Detector};

use crate::feed::{Dice, Feed, MONDAY, event};

/// Returns the numbers of a range in a sentence, as they are spelled.
fn range(reason: &str) -> Option<(f64, f64)> {
    let number = |word: &str| word.trim_matches(['(', ')', ',']).replace(',', "").parse().ok();
    let words: Vec<&str> = reason.split(' ').collect();
    words.windows(3).find_map(|three| match three {
        [low, "to", high] if !reason.starts_with("level") => Some((number(low)?, number(high)?)),
        _ => None,
    })
}

fn is_spelled(told: f64, exact: f64) -> bool {
    (told - exact).abs() <= 6e-4 * exact.abs() + 1e-9
}

/// Checks that the range of a sentence is that of its fields.
fn agrees(found: &Detection) -> bool {
    let Some((low, high)) = range(&found.reason) else { return true };
    found
        .expected
        .as_ref()
        .is_some_and(|range| is_spelled(low, range.low) && is_spelled(high, range.high))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_sentence_names_the_range_that_was_expected(
        seed in any::<u64>(), pace in prop::sample::select(vec![1.0, 60.0, 300.0]),
        kind in 0u8..3, off in 8f64..60.0,
    ) {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(seed));
        for row in 0..1800 {
            let noise = match kind {
                0 => dice.normal(100.0, 5.0),
                1 => libm::exp(dice.normal(3.0, 0.5)),
                _ => 100.0 + 20.0 * libm::sin(f64::from(row) / 40.0) + dice.normal(0.0, 2.0),
            };
            let is_odd = matches!(row, 900 | 1300..1310 | 1500..1560);
            let value = if is_odd { noise + 5.0 * off } else { noise };
            feed.one(event(MONDAY + f64::from(row) * pace, value));
        }
        for change in &feed.changes {
            let found = change.detection();
            prop_assert!(agrees(found), "{} but {:?}", found.reason, found.expected);
            let is_of_value = found.detector == Detector::Distribution;
            prop_assert!(!is_of_value || found.expected.is_some());
        }
    }
}
