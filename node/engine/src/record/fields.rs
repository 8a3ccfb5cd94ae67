//! Fields of plain memory: what kind of number each is, and which float before it
//! has an exponent like its own. Owns the kinds; refuses to know their codes,
//! which are `code`'s. All is laid out when this is compiled.

use bytemuck::Pod;

/// Numbers of a kind that lie one after another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// 32-bit floats, and those of a quantity that is not negative; likewise
    /// rounded to 16 significant bits; rounded to 12.
    Float(usize),
    Size(usize),
    Short(usize),
    Small(usize),
    Brief(usize),
    /// 32-bit floats that count.
    Whole(usize),
    /// 64-bit floats.
    Double(usize),
    /// 32-bit integers.
    Count(usize),
    /// Nanoseconds; other 64-bit integers; the lengths of periods.
    Time(usize),
    Long(usize),
    Length(usize),
    /// So many upper halves of floats, 8-bit and 16-bit integers, as a whole.
    Halves(usize),
    Steps(usize),
    Wide(usize),
    /// Tails.
    Tail(usize),
    /// The same several times.
    Group(usize, &'static [Self]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Size,
    Short,
    Small,
    Brief,
    Whole,
    Double,
    Count,
    Raw,
    Time,
    Long,
    Length,
    Halves,
    Steps,
    Wide,
    Tail,
}

/// A number of known kind, or some that have one code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) kind: Kind,
    pub(super) bytes: u16,
    /// The float whose exponent is like this one's, so many units before it.
    pub(super) back: u16,
    /// That is the same float of the element before.
    pub(super) is_repeated: bool,
}

/// Units that a part has at most.
pub(super) const MOST: usize = 384;
/// Values of one kind in a row from which on they are elements of one array.
const ARRAY: usize = 8;

impl Unit {
    /// Returns one of which nothing is known.
    pub(super) const fn word() -> Self {
        Self { kind: Kind::Raw, bytes: 4, back: 0, is_repeated: false }
    }
}

impl Field {
    const fn parts(self) -> (Kind, usize, usize) {
        match self {
            Self::Float(count) => (Kind::Float, 4, count),
            Self::Size(count) => (Kind::Size, 4, count),
            Self::Short(count) => (Kind::Short, 4, count),
            Self::Small(count) => (Kind::Small, 4, count),
            Self::Brief(count) => (Kind::Brief, 4, count),
            Self::Whole(count) => (Kind::Whole, 4, count),
            Self::Double(count) => (Kind::Double, 8, count),
            Self::Count(count) => (Kind::Count, 4, count),
            Self::Time(count) => (Kind::Time, 8, count),
            Self::Long(count) => (Kind::Long, 8, count),
            Self::Length(count) => (Kind::Length, 8, count),
            Self::Halves(count) => (Kind::Halves, 2 * count, 1),
            Self::Steps(count) => (Kind::Steps, count, 1),
            Self::Wide(count) => (Kind::Wide, 2 * count, 1),
            Self::Tail(count) => (Kind::Tail, 32, count),
            Self::Group(..) => (Kind::Raw, 0, 0),
        }
    }
}

/// Returns how many units and bytes such fields have.
pub(super) const fn size(fields: &[Field]) -> (usize, usize) {
    let (mut units, mut bytes, mut at) = (0, 0, 0);
    while at < fields.len() {
        if let Field::Group(times, fields) = fields[at] {
            let each = size(fields);
            units += times * each.0;
            bytes += times * each.1;
        } else {
            let (_, each, count) = fields[at].parts();
            units += count;
            bytes += count * each;
        }
        at += 1;
    }
    (units, bytes)
}

/// Returns the units of such fields, `units` of them known already.
const fn laid<const N: usize>(
    (mut units, mut at): ([Unit; N], usize),
    fields: &[Field],
) -> ([Unit; N], usize) {
    let mut field = 0;
    while field < fields.len() {
        if let Field::Group(times, fields) = fields[field] {
            let (each, _) = size(fields);
            let mut time = 0;
            while time < times {
                let first = at;
                (units, at) = laid((units, at), fields);
                let mut unit = first;
                while time > 0 && unit < at {
                    units[unit].back = each as u16;
                    units[unit].is_repeated = true;
                    unit += 1;
                }
                time += 1;
            }
        } else {
            let (kind, bytes, count) = fields[field].parts();
            let mut number = 0;
            while number < count {
                let back = if at == 0 { 0 } else { 1 };
                let is_repeated = count >= ARRAY && number > 0;
                units[at] = Unit { kind, bytes: bytes as u16, back, is_repeated };
                at += 1;
                number += 1;
            }
        }
        field += 1;
    }
    (units, at)
}

/// Returns the units of such fields.
pub(super) const fn units<const N: usize>(fields: &[Field]) -> [Unit; N] {
    const NONE: Unit = Unit::word();
    assert!(N <= MOST);
    laid(([NONE; N], 0), fields).0
}

/// Plain memory whose numbers are known by kind.
pub(super) trait Shaped: Pod {
    /// What it holds, in order.
    const UNITS: &'static [Unit];
}
