//! The data plane of one node: every shard's log, engine, exactly-once ledger,
//! checkpoints and detections. Knows nothing of HTTP, users or how streams come
//! to be; the gateway calls [`Handle`], the node runs [`Host`]. Upholds D-1 to
//! D-4 and E-1 by executing only what the log says, and only as its leader.

pub mod cursor;
pub mod error;
pub mod feed;
pub mod handle;
pub mod options;
pub mod query;

pub use cursor::Cursor;
pub use error::Error;
pub use feed::{Feed, FeedItem};
pub use handle::Handle;
pub use options::Options;
pub use query::{Filter, Page, Query, Sort, Stats};
pub use via_engine::Answer;
