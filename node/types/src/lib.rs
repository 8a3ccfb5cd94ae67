//! The words of VIA: ids, events, batches, detections, log entries, limits,
//! fates and the invariants' names. Owns meaning, not behaviour: no I/O, no
//! threads, no policy. Every other room may import it; it imports none.

pub mod access;
pub mod batch;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod detection;
pub mod entity;
pub mod entry;
pub mod event;
pub mod fate;
pub mod feedback;
pub mod id;
pub mod invariant;
pub mod limit;
pub mod pressure;
pub mod profile;
pub mod receipt;
pub mod time;

pub use access::{Action, Permissions, Principal, Resource, Role, Wish, may};
pub use batch::{Batch, Column, Keys, Lane, Origin};
pub use clock::Clock;
pub use config::StreamConfig;
pub use detection::{Contribution, Detection, Detector, Direction, Severity};
pub use entity::EntityHash;
pub use event::Event;
pub use fate::Fate;
pub use feedback::{Feedback, Label};
pub use id::{
    ApiKeyId, DetectionId, Epoch, GrantId, GroupId, LogIndex, NodeId, ProducerId, Revision, RoleId,
    Sequence, SessionId, ShardId, StreamId, SuppressionId, TenantId, Term, UserId,
};
pub use invariant::Invariant;
pub use receipt::{Receipt, RowReason, Scored};
pub use time::Timestamp;
