//! The statistical tests, each in its own file, each usable alone: `assess`
//! judges an observation against a state and changes nothing, `learn` takes it
//! in. Their evidence is nominal; `calibration` makes rarity of it.

pub mod behaviour;
pub(crate) mod burst;
pub(crate) mod cardinality;
pub mod changepoint;
pub(crate) mod distribution;
pub mod drift;
mod finding;
pub(crate) mod forecast;
pub mod forest;
pub mod horizons;
pub(crate) mod lanes;
pub(crate) mod memory;
pub(crate) mod pattern;
pub(crate) mod season;
pub mod spectral;
pub(crate) mod together;
mod usual;
pub(crate) mod volume;

pub use finding::Finding;
