//! The attacks, each a story with one outcome: every acknowledged event is
//! counted exactly once, or the node refuses and says why. A scenario returns
//! one sentence about what it did, or the reason why the node is at fault.

pub mod crash;
pub mod fill;
pub mod hostile;
pub mod power;
pub mod rotten;
pub mod scale;

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::Arena;
use crate::load::{self, Load, Shape};
use crate::node::Node;
use crate::oracle::{self, Counts};

macro_rules! scenarios {
    ($($name:ident = $word:literal: $run:path,)*) => {
        /// An attack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scenario {
            $(#[doc = concat!("`", $word, "`.")] $name,)*
        }

        impl Scenario {
            /// Every attack.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Carries it out.
            ///
            /// # Errors
            /// The node is at fault, or the attack could not be made.
            pub async fn run(self, arena: &Arena) -> anyhow::Result<String> {
                match self { $(Self::$name => $run(arena).await,)* }
            }
        }
    };
}

scenarios! {
    Crash = "crash": crash::under_load,
    CrashStarting = "crash-starting": crash::while_starting,
    Power = "power": power::loss,
    DiskThatLies = "disk-that-lies": power::a_lying_disk_is_found_out,
    NothingUnseen = "nothing-unseen": power::no_write_passes_unseen,
    FullDisk = "full-disk": fill::full_disk,
    SyncError = "sync-error": fill::sync_error,
    LogRot = "log-rot": rotten::log,
    StateRot = "state-rot": rotten::state,
    StateGone = "state-gone": rotten::state_rebuilt_from_the_log,
    Million = "million": hostile::a_million_entities,
    SlowLoris = "slow-loris": hostile::slow_loris,
    Vanish = "vanish": hostile::vanishing_client,
    Bomb = "bomb": hostile::decompression_bomb,
    Oversized = "oversized": hostile::oversized,
    Scale = "scale": scale::under_load,
}

/// Compares what clients know with what the node counts.
async fn verify(node: &Node, shape: &Shape, acknowledged: &Counts) -> anyhow::Result<()> {
    let counted = load::count(node.address(), &shape.stream, acknowledged.keys()).await?;
    oracle::require_exact(acknowledged, &counted)
}

/// Lets clients work for a while that depends on chance.
async fn some_time(rng: &mut impl Rng, most: Duration) {
    tokio::time::sleep(most.mul_f64(rng.random())).await;
}

fn summary(load: &Load, what: &str) -> String {
    let tally = load.tally();
    let (acknowledged, repeated) =
        (tally.acknowledged.load(Ordering::SeqCst), tally.repeated.load(Ordering::SeqCst));
    format!("{what}; {acknowledged} batches acknowledged, {repeated} sendings repeated")
}
