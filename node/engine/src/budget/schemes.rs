//! How alerts may be spent, compared on p-values of one entity: evenly; as LORD++
//! with a fading memory does, which gives back a share of each alert to the tests
//! that follow it (Ramdas et al. 2017, section 5; the even part keeps it from dying
//! when nothing is found: Rebjock et al. 2021); and as the engine does, evenly with
//! what was saved or overdrawn.

use bytemuck::Zeroable;
use via_types::config::{Method, Threshold};

use crate::noise::uniforms;
use crate::rule::Rule;

/// Tests a day, days, and alerts a day.
const TESTS: usize = 8640;
const DAYS: usize = 200;
const ALERTS: f32 = 1.0;
/// Share of each alert that LORD++ gives back, and the fading of its memory.
const BACK: f32 = 0.25;
const FADE: f32 = 0.999;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    Even,
    Lord,
    Saved,
}

/// Returns alerts a day without anomalies, and the share found of `crowds`, each
/// of so many anomalous tests of evidence about 3.5; a detection ends after twelve
/// quiet ones.
fn spend(scheme: Scheme, crowd: usize, apart: usize) -> (f32, f32) {
    let threshold = Threshold { method: Method::Budget(1.0), ..Threshold::default() };
    let mut rule = Rule::zeroed();
    let (mut alerts, mut found, mut crowds, mut given) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    let (mut since, mut is_found) = (usize::MAX, false);
    let even = libm::log10f(TESTS as f32 / ALERTS);
    let mut numbers = uniforms(3 * TESTS * DAYS);
    let mut draw = || numbers.next().expect("enough numbers");
    for test in 0..TESTS * DAYS {
        let phase = if apart > 0 { test % apart } else { usize::MAX };
        if phase == 0 {
            crowds += 1.0;
            is_found = false;
        }
        let is_odd = phase < crowd;
        let evidence = -libm::log10f(draw()) + if is_odd { 2.6 + 1.2 * draw() } else { 0.0 };
        let limit = match scheme {
            Scheme::Even => even,
            Scheme::Saved => rule.limit(&threshold, even),
            Scheme::Lord => -libm::log10f((1.0 - BACK) * ALERTS / TESTS as f32 + given),
        };
        since = since.saturating_add(1);
        given *= FADE;
        if evidence >= limit && since > 12 {
            if is_odd {
                found += f32::from(!is_found);
                is_found = true;
            } else {
                alerts += 1.0;
            }
            rule.pay();
            given += BACK * (1.0 - FADE);
        }
        if evidence >= limit {
            since = 0;
        }
        rule.learn(&threshold, evidence, ALERTS / TESTS as f32);
    }
    (alerts / DAYS as f32, found / crowds.max(1.0))
}

#[test]
fn what_is_saved_keeps_the_rate_and_finds_about_as_much_as_what_is_given_back() {
    let [even, lord, saved] = [Scheme::Even, Scheme::Lord, Scheme::Saved].map(|scheme| {
        let (rate, _) = spend(scheme, 0, 0);
        let rare = spend(scheme, 1, 5 * TESTS + 17);
        let often = spend(scheme, 1, TESTS / 2 + 7);
        let crowds = spend(scheme, 3, 2 * TESTS + 17);
        println!(
            "{scheme:?}: {rate:.2} a day of nothing; of rare ones {:.2}, of frequent ones {:.2} \
             ({:.2} a day of nothing), of crowds {:.2}",
            rare.1, often.1, often.0, crowds.1
        );
        (rate, rare.1)
    });
    assert!((saved.0 - 1.0).abs() < 0.1, "it keeps the rate");
    assert!((saved.0 - 1.0).abs() < (lord.0 - 1.0).abs(), "better than what gives back");
    assert!(saved.1 > 0.75 * lord.1 && saved.1 > 0.75 * even.1, "and finds about as many");
}
