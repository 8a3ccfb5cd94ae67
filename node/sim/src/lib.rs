//! Whole clusters in one process and one thread: the real consensus, shards,
//! control, placement and engine over the in-memory twins of network and disk,
//! in virtual time, where one seed decides everything. Checks the invariants as
//! it goes and at the end. Called by its command and by the tests.

mod canon;
mod client;
mod clock;
mod dice;
mod director;
mod disk;
pub mod entropy;
pub mod fleet;
mod node;
mod oracle;
mod plan;
mod run;
mod subscriber;
mod trace;
mod verdict;
mod watch;
mod weather;
mod world;

pub use dice::Dice;
pub use oracle::Tally;
pub use plan::{Climate, Deed, Loss, Plan, Rotten, Settings, Whom};
pub use run::{Outcome, run};
pub use trace::Telling;
