//! What the templates do.
