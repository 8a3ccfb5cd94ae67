//! The data plane over in-memory twins of log and store.

mod counting;
mod detections;
mod feedback;
mod rig;
