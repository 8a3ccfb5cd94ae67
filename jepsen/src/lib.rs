//! via-jepsen.
