//! What the engine promises to those who call it, asked through its face.

mod attacks;
mod behaviour;
mod budget;
mod calibration;
mod course;
mod explanation;
mod feed;
mod feedback;
mod lifecycle;
mod memory;
mod minded;
mod newcomers;
mod overrides;
mod promises;
mod purity;
mod reconfigure;
mod rest;
mod sentences;
mod sparing;
