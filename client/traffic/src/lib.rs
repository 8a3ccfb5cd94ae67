//! via-traffic.
