//! via-cluster-config.
