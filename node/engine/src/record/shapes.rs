//! Which numbers the parts of a profile hold, in the order of their fields: what
//! `code` goes by. A kind that is wrong costs bits and nothing else; that the
//! sizes are right is checked when this is compiled.

use super::fields::{Field, Shaped, Unit, size, units};
use crate::course::Course;
use crate::detector::behaviour::Marks;
use crate::detector::horizons::Horizons;
use crate::detector::lanes::{Joint, Lane};
use crate::detector::season::Season;
use crate::detector::together::{Move, Pair};
use crate::precedent::{KEPT, Precedents};
use crate::profile::{EVERY_EVENT, Hot, QUICK, Rules, STREAMS};
use crate::series::Series;
use Field::{
    Brief, Count, Double, Float, Group, Halves, Length, Long, Short, Size, Small, Steps, Tail,
    Time, Whole, Wide,
};

macro_rules! shaped {
    ($($part:ty: $fields:expr;)*) => {
        $(
            impl Shaped for $part {
                const UNITS: &'static [Unit] = {
                    const FIELDS: &[Field] = $fields;
                    const { assert!(size(FIELDS).1 == size_of::<$part>()) };
                    &units::<{ size(FIELDS).0 }>(FIELDS)
                };
            }
        )*
    };
}

shaped! {
    Hot: HOT;
    Season: SEASON;
    Series: &[Group(1, SEASON), Group(1, PATTERNS), Size(1), Count(1)];
    Course: COURSE;
    Marks: &[Size(32), Size(32), Size(2), Whole(2)];
    Horizons: HORIZONS;
    Lane: &[Double(7), Whole(1), Count(1)];
    Pair: &[Float(2), Size(1), Whole(1)];
    Move: &[Float(1), Size(1)];
    Joint: &[Double(10), Whole(2), Tail(1)];
    Rules: &[Group(STREAMS + 1, &[Float(1), Size(1), Float(1), Size(1), Float(4), Whole(1)])];
    Precedents: &[
        Group(KEPT, &[Time(1), Long(1), Count(3), Size(3)]),
        Count(2),
    ];
}

const HOT: &[Field] = &[
    // Whose it is, and in which state.
    Long(2),
    Count(2),
    // The newest event, the end of the bucket, which is known, and events so far.
    Time(2),
    Count(3),
    Size(1),
    Double(1),
    Group(1, LEVEL),
    Double(1),
    Float(2),
    // Gaps, varied marks, late events.
    Size(5),
    Whole(1),
    Size(3),
    Count(1),
    // The histogram.
    Double(2),
    Size(36),
    Size(3 * QUICK + 2),
    Tail(EVERY_EVENT + 1),
    // The bucket and the slot.
    Time(2),
    Count(3),
    Float(1),
    Time(1),
    Double(2),
    Count(2),
    // How many events come, and how many distinct marks.
    Size(1),
    Float(1),
    Size(1),
    Whole(1),
    Size(9),
    Whole(1),
    Count(1),
    Whole(1),
    Tail(2),
];

const LEVEL: &[Field] =
    &[Double(10), Whole(1), Size(1), Float(1), Size(1), Whole(1), Float(1), Size(2)];

const CYCLE: &[Field] =
    &[Length(1), Count(2), Double(6), Long(2), Count(2), Whole(1), Count(1), Brief(28)];

const SEASON: &[Field] = &[Group(2, CYCLE)];

const BOOK: &[Field] = &[Whole(1), Float(1), Size(1), Count(2)];

/// Points that a book keeps.
const POINTS: usize = 56;

const PATTERNS: &[Field] = &[
    Double(4),
    Whole(1),
    // The context.
    Float(4),
    Size(1),
    Float(2),
    Size(4),
    Group(2, BOOK),
    // The day.
    Wide(24),
    Count(3),
    Float(1),
    Whole(1),
    Steps(24),
    Steps(24),
    Float(5),
    Group(9, &[Steps(POINTS)]),
];

const COURSE: &[Field] = &[
    Double(1),
    Time(1),
    Count(3),
    Size(1),
    Group(7, &[Small(1), Short(2), Small(1)]),
    Size(23),
    Tail(8),
    Count(1),
    Group(1, HORIZONS),
    // The fingerprint.
    Double(2),
    Group(2, &[Float(1), Size(1), Float(1), Size(1)]),
    Size(4),
    Whole(1),
    Count(1),
    // The window of drift.
    Double(2),
    Size(1),
    Float(1),
    Count(2),
    Steps(12),
    Group(24, &[Short(1), Small(1)]),
    Count(1),
    // The runs.
    Double(2),
    Float(1),
    Size(1),
    Float(2),
    Size(1),
    Count(3),
    Group(16, &[Small(1), Short(1), Small(2), Count(1)]),
    // The rhythm.
    Double(1),
    Halves(122),
    Count(2),
    Size(1),
    Whole(1),
    Count(1),
];

const HORIZONS: &[Field] =
    &[Double(2), Time(2), Size(1), Whole(1), Group(10, &[Size(1), Float(1), Size(2)])];
