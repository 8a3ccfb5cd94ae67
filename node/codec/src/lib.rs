//! via-codec.
