//! via-placement.
