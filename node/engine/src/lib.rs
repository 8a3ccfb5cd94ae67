//! via-engine.
