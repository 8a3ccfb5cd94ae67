//! via-gateway.
