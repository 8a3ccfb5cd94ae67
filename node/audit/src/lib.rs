//! The arithmetic of audit logs: Merkle trees after RFC 6962, signed heads as
//! C2SP notes, records, exports and their offline verification. Owns what an
//! outsider must be able to check; refuses to know where records are kept and
//! who may read them. Called by the catalog, by control and by the commands
//! that verify. Invariant: A-1 (no deed without a record).

mod export;
mod frontier;
mod hash;
mod note;
mod proof;
mod record;
mod verify;

pub use export::{Export, HashText, Line, Unreadable};
pub use frontier::{BadFrontier, Frontier, Place};
pub use hash::{Hash, leaf, node};
pub use note::{BadKey, BadNote, Head, PublicKey, SecretKey};
pub use proof::{MissingNode, Nodes, consistency, inclusion, is_consistent, is_included};
pub use record::{Decision, Record};
pub use verify::{Finding, Seen, verify};
