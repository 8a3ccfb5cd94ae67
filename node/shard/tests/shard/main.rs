//! The data plane over in-memory twins of log and store.

mod cluster;
mod counting;
mod detections;
mod feedback;
mod moving;
mod rig;
mod three_nodes;
