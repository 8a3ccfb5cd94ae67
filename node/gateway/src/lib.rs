//! The door: gRPC and HTTP on one port, admission, translation, health. Owns
//! what outsiders may say and how they are answered; refuses to know how events
//! are judged or kept. Run by the node; calls `shard` and `control`.
//! Invariants: D-5 (every event has a fate), D-6 (every input has a bound),
//! T-2 (quotas conserve).

mod access;
mod connection;
mod error;
mod gate;
mod grpc;
mod health;
mod http;
mod hush;
mod ingest;
mod live;
pub mod metrics;
mod options;
mod problem;
mod quota;
mod routes;
mod service;

pub use access::first::{FirstUsers, first_users, key_of_admin};
pub use error::Error;
pub use gate::Rooms;
pub use health::{Component, Readiness};
pub use options::{Access, CheckConfig, File, Options, Site};
pub use service::{Drained, Handle, Service};
