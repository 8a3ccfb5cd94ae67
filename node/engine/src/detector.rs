//! The statistical tests, each in its own file, each usable alone: `assess`
//! judges an observation against a state and changes nothing, `learn` takes it
//! in. Their evidence is nominal; `calibration` makes rarity of it.

pub(crate) mod burst;
pub(crate) mod cardinality;
pub(crate) mod distribution;
pub(crate) mod forecast;
pub(crate) mod lanes;
pub(crate) mod pattern;
pub(crate) mod season;
pub(crate) mod volume;
