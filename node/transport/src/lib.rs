//! via-transport.
