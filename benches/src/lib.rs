//! How fast VIA is, measured from outside: a load generator against the real
//! node, and the figures that need no load. Owns workloads, pacing, latency
//! corrected for coordinated omission, and the table; refuses to know how a
//! node works inside. A run that loses an event fails (invariant D-1).

mod cluster;
pub mod command;
mod engine;
mod frame;
mod grpc;
mod http;
mod idle;
mod lines;
mod load;
mod node;
mod pace;
mod rest;
mod restart;
mod squeeze;
mod table;
mod tally;
mod usage;
pub mod workload;
