//! What operators may set: defaults, overridden by a TOML file, by environment
//! variables, by flags; checked, documented, and migrated when old. Owns the
//! words and ranges of every setting; knows nothing of what they do. Called by
//! the command line. Refuses with every problem at once; no input panics.

mod file;
mod layer;
mod load;
mod manual;
mod migrate;
mod nearest;
mod problem;
mod raw;
mod relation;
mod render;
mod rule;
mod settings;
mod stream;
mod units;

pub use layer::{Environment, Flag};
pub use load::{File, Loaded, Sources, check, load};
pub use migrate::{Migrated, migrate};
pub use problem::{Errors, Fault, Notice, Origin, Problem};
pub use render::{Detail, Format, example, manual, schema};
pub use settings::{
    Engine, Limits, Listen, LogFormat, LogLevel, Node, Observability, Persistence, Settings,
};
pub use stream::check_stream;
