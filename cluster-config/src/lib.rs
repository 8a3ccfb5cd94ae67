//! What operators may set.

mod manual;
mod problem;
mod raw;
mod settings;
mod units;

pub use problem::{Errors, Fault, Notice, Origin, Problem};
pub use settings::{
    Engine, Limits, Listen, LogFormat, LogLevel, Node, Observability, Persistence, Settings,
};
