//! The data plane over in-memory twins of log and store.

mod cluster;
mod counting;
mod detections;
mod disk;
mod feedback;
mod moving;
mod pressure;
mod rig;
mod slow;
mod three_nodes;
