//! What the engine promises to those who call it, asked through its face.

mod attacks;
mod behaviour;
mod calibration;
mod explanation;
mod feed;
mod feedback;
mod lifecycle;
mod overrides;
mod purity;
mod reconfigure;
mod rest;
