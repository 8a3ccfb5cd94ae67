//! via-storage.
