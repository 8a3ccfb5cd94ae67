//! What operators may set: defaults, overridden by a TOML file, by environment
//! variables, by flags; checked, documented, and migrated when old. Owns the
//! words and ranges of every setting; knows nothing of what they do. Called by
//! the command line. Refuses with every problem at once; no input panics.
//!
//! ```
//! use via_cluster_config::{Flag, Sources, load};
//!
//! let flags = vec![Flag::Set("engine.shards=16".to_owned())];
//! let loaded = load(&Sources { flags, ..Sources::default() })?;
//! assert_eq!(loaded.settings.engine.shards, 16);
//! assert_eq!(loaded.origins["engine.shards"].to_string(), "flag --set");
//! # Ok::<(), via_cluster_config::Errors>(())
//! ```

mod access;
mod file;
mod layer;
mod load;
mod manual;
mod membership;
mod migrate;
mod nearest;
mod pressure;
mod problem;
mod raw;
mod relation;
mod render;
mod rule;
mod settings;
mod stream;
mod units;

pub use access::Access;
pub use layer::{Environment, Flag};
pub use load::{File, Loaded, Sources, check, load};
pub use membership::Cluster;
pub use migrate::{Migrated, migrate};
pub use pressure::Pressure;
pub use problem::{Errors, Fault, Notice, Origin, Problem};
pub use render::{Detail, Format, example, manual, schema};
pub use settings::{
    Engine, Limits, Listen, LogFormat, LogLevel, Node, Observability, Persistence, Settings,
};
pub use stream::check_stream;
pub use units::span;
