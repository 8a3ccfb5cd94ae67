//! via-catalog.
