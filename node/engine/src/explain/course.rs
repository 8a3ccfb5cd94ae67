//! What the tests of the course of buckets have to say, in figures and words.
//! Owns the translation of rates, whose points are roots; refuses to judge.

use via_types::Detector;
use via_types::detection::{Contribution, Direction};

use crate::course::{BESIDE, Course, MIX, Said, TESTS};
use crate::detector::behaviour::TRAITS;
use crate::detector::behaviour::Trait;
use crate::explain::Case;
use crate::explain::sentence::{figure, span};
use crate::math::exp2;

/// Shares below this are left to the others.
const NEGLIGIBLE: f64 = 1e-4;

/// The test that says most of the newest point.
pub(crate) struct Leading<'a> {
    course: &'a Course,
    test: usize,
    said: Said,
}

/// Returns the test that says most; none where no course is kept.
pub(crate) fn leading<'a>(case: &Case<'a>) -> Option<Leading<'a>> {
    let course = case.cold.course()?;
    let test = course.leading(case.plan);
    Some(Leading { course, test, said: course.said(test).0 })
}

/// Appends the terms of `evidence` that all tests have together.
pub(crate) fn terms(case: &Case<'_>, evidence: f64, terms: &mut Vec<Contribution>) {
    let Some(course) = case.cold.course() else { return };
    let shares = course.shares(case.plan);
    let most = course.leading(case.plan);
    let rest: f64 = shares.iter().filter(|share| **share < NEGLIGIBLE).sum();
    for (test, mut share) in shares.into_iter().enumerate() {
        if share < NEGLIGIBLE {
            continue;
        }
        if test == most {
            share += rest;
        }
        let told = Leading { course, test, said: course.said(test).0 };
        let (observed, expected) = told.measured(case);
        terms.push(Contribution {
            detector: TESTS[test],
            feature: told.name().to_owned(),
            evidence: evidence * share,
            observed,
            expected,
        });
    }
}

impl Leading<'_> {
    /// Returns the detector.
    pub(crate) fn detector(&self) -> Detector {
        TESTS[self.test]
    }

    fn is_beside(&self) -> bool {
        self.test == BESIDE
    }

    fn about(&self) -> Trait {
        TRAITS[(self.said.about as usize).min(TRAITS.len() - 1)]
    }

    fn is_of_mean(&self) -> bool {
        self.detector() != Detector::Behavioural || self.test != MIX && self.about() == Trait::Mean
    }

    /// Returns what is measured, as contributions name it.
    fn name(&self) -> &'static str {
        match (self.detector(), self.course.is_rate()) {
            (Detector::Spectral, _) => "rhythm",
            (Detector::Behavioural, _) if self.test == MIX => "mix of distinct values",
            (Detector::Behavioural, _) if self.is_beside() => match self.about() {
                Trait::Mean => "mean beside peers",
                Trait::Spread => "spread beside peers",
                Trait::Skewness => "skewness beside peers",
                Trait::Peakedness => "peakedness beside peers",
            },
            (Detector::Behavioural, _) => match self.about() {
                Trait::Mean => "usual mean",
                Trait::Spread => "usual spread",
                Trait::Skewness => "usual skewness",
                Trait::Peakedness => "usual peakedness",
            },
            (_, true) => "course of the rate",
            (_, false) => "course of the level",
        }
    }

    /// Returns what was measured and what was expected: values, events per second,
    /// or a trait as it is.
    pub(crate) fn measured(&self, case: &Case<'_>) -> (f64, f64) {
        let expected = f64::from(self.said.expected);
        let observed = expected + f64::from(self.said.deviation);
        if !self.is_of_mean() {
            return (observed, expected);
        }
        if self.course.is_rate() {
            let rate = |root: f64| if root > 0.0 { root * root } else { 0.0 };
            return (rate(observed), rate(expected));
        }
        (observed + case.hot.offset, expected + case.hot.offset)
    }

    /// Returns which way it deviated.
    pub(crate) fn direction(&self) -> Direction {
        if self.said.deviation > 0.0 {
            Direction::Above
        } else if self.said.deviation < 0.0 {
            Direction::Below
        } else {
            Direction::Changed
        }
    }

    /// Returns one sentence.
    pub(crate) fn sentence(&self, case: &Case<'_>) -> String {
        let (observed, expected) = self.measured(case);
        let (now, usual) = (figure(observed), figure(expected));
        let unit = if self.course.is_rate() && self.is_of_mean() { " events a second" } else { "" };
        let what = if self.course.is_rate() { "the rate" } else { "the level" };
        let about = f64::from(self.said.about);
        match self.detector() {
            Detector::Spectral => {
                format!("{what} breaks its rhythm: {now}{unit} where {usual} would go on with it")
            }
            Detector::ChangePoint => {
                format!("{what} changed {} ago, from {usual} to {now}{unit}", span(about))
            }
            Detector::MultiScale => format!(
                "{what} over the last {} is {now}{unit} where it was {usual} for longer",
                span(about)
            ),
            Detector::Behavioural if self.test == MIX => format!(
                "what its events carry has lately been mixed otherwise than before: \
                 by {now} bits, usually by {usual}"
            ),
            Detector::Behavioural => self.behaviour(what, &now, &usual, unit),
            Detector::Drift
            | Detector::Volume
            | Detector::Distribution
            | Detector::Cardinality
            | Detector::Burst
            | Detector::Forest => format!("{what} has drifted from {usual} to {now}{unit}"),
        }
    }

    /// Returns what is said of a trait that moved, from the past or from peers.
    fn behaviour(&self, what: &str, now: &str, usual: &str, unit: &str) -> String {
        let times = figure(exp2(f64::from(self.said.deviation)));
        match (self.about(), self.is_beside()) {
            (Trait::Mean, false) => {
                format!("{what} has lately been {now}{unit}, long before {usual}")
            }
            (Trait::Mean, true) => format!(
                "{what} has lately been {now}{unit}, where {usual} would be what its peers did"
            ),
            (Trait::Spread, false) => {
                format!("{what} has lately scattered {times} times as much as before")
            }
            (Trait::Spread, true) => {
                format!("{what} has lately scattered {times} times as much as with its peers")
            }
            (Trait::Skewness, false) => {
                format!("{what} has lately strayed to another side than before")
            }
            (Trait::Skewness, true) => {
                format!("{what} has lately strayed to another side, which its peers did not")
            }
            (Trait::Peakedness, false) => {
                format!("{what} has lately had other extremes than before")
            }
            (Trait::Peakedness, true) => {
                format!("{what} has lately had other extremes, which its peers had not")
            }
        }
    }
}
