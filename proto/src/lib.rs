//! via-proto.
