//! via-control.
