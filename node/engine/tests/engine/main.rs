//! What the engine promises to those who call it, asked through its face.

mod attacks;
mod behaviour;
mod calibration;
mod course;
mod explanation;
mod feed;
mod lifecycle;
mod purity;
mod rest;
