//! The data plane of one node: every shard's log, engine, exactly-once ledger,
//! checkpoints and detections. Knows nothing of HTTP, users or how streams come
//! to be; the gateway calls [`Handle`], the node runs [`Host`]. Upholds D-1 to
//! D-4 and E-1 by executing only what the log says, and only as its leader.

mod admission;
mod archive;
mod ask;
pub mod census;
mod checkpoint;
mod courier;
pub mod cursor;
pub mod deed;
mod driver;
pub mod error;
pub mod feed;
pub mod handle;
pub mod host;
mod keys;
mod ledger;
mod list;
mod live;
mod machine;
mod metrics;
pub mod options;
mod peer;
mod presence;
pub mod pressure;
pub mod query;
mod record;
mod relay;
mod relief;
mod replay;
mod replica;
mod request;
mod retention;
mod room;
mod route;
mod saver;
mod seats;
mod snapshot;
mod standing;
mod steps;
mod steward;
mod wire;
pub mod writes;

pub use census::{Census, Report};
pub use cursor::Cursor;
pub use deed::{Labelled, Said};
pub use error::Error;
pub use feed::{Feed, FeedItem, Start};
pub use handle::Handle;
pub use host::{Ground, Host};
pub use options::Options;
pub use pressure::Report as Pressure;
pub use query::{Filter, Page, Query, Recorded, Sort, Stats};
pub use via_engine::Answer;
pub use writes::Writes;
