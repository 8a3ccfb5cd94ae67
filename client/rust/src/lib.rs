//! Sends events to VIA in the background, asks for detections, follows them live.
//! Owns what lies between an application and the nodes: batches, numbers, repeats,
//! the spool. [`Client`] is for asynchronous code, [`blocking::Client`] for all else.
//!
//! ```no_run
//! use std::time::Duration;
//! use via_client::{Client, Event, Filter};
//!
//! # async fn run() -> Result<(), via_client::Error> {
//! let client = Client::new("http://127.0.0.1:8080")?;
//! client.event("web", Event::new("host-1", 12.5).attribute("route", "/login"));
//! assert!(client.flush(Duration::from_secs(30)).await);
//!
//! let verdict = client.score("web", Event::new("host-1", 250.0)).await?;
//! println!("{} {}", verdict.score, verdict.reason);
//!
//! let mut found = client.detections(&Filter::default());
//! while let Some(detection) = found.next().await.transpose()? {
//!     println!("{} {}", detection.entity, detection.reason);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An event has an entity of 1 to 256 bytes and a finite `f64`; times are
//! nanoseconds since 1970, scores 0 to 1. Capture never fails: what became of
//! everything that was captured is in [`State`], whose counters add up at every
//! moment. Calls that answer fail with an [`Error`], whose variants say what to
//! believe: `Rejected` and `Retry` are surely not applied, `Unknown` may be.

pub mod blocking;

mod buffer;
mod client;
mod clock;
mod columns;
mod core;
mod counters;
mod error;
mod event;
mod feed;
mod json;
mod link;
mod numbering;
mod outcome;
mod patience;
mod recovery;
mod sender;
mod settings;
mod slot;
mod spool;
mod types;
mod wire;

pub use client::{Client, Detections};
pub use counters::{Loss, State};
pub use error::{Error, Failure, Fate};
pub use event::{Attribute, Event};
pub use feed::Feed;
pub use http::Method;
pub use settings::{OnError, OnRefused, Overflow, Settings, VERSION};
pub use types::{
    Change, Circumstance, Contribution, Counterfactual, Detection, Expected, Feedback, Filter,
    Label, Labelled, Message, Refusal, Score, Similar, Written,
};
