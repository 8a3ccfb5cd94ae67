//! What the engine promises to those who call it, asked through its face.

mod attacks;
mod behaviour;
mod budget;
mod calibration;
mod course;
mod explanation;
mod feed;
mod lifecycle;
mod minded;
mod purity;
mod rest;
