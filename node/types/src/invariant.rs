//! The promises that are never traded away. `docs/INVARIANTS.md` defines each;
//! code that depends on one names it by these ids.

use std::fmt;

macro_rules! invariants {
    ($($name:ident = $id:literal: $text:literal,)*) => {
        /// A promise of the design, by its id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Invariant {
            $(#[doc = concat!($id, ": ", $text)] $name,)*
        }

        impl Invariant {
            /// Every invariant, in the order of the design.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the id used in code and documents.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Returns the promise in one sentence.
            pub const fn promise(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

invariants! {
    AckedIsCommitted = "D-1": "a client is told accepted only after its batch is committed and fsynced by a majority",
    ExactlyOnce = "D-2": "a batch named (producer, epoch, sequence) changes state once, however often it is sent",
    LogSaysWhoExecutes = "D-3": "an Events entry is executed by the node its log id names, in that term",
    SpeakOnlyOfTheDurable = "D-4": "a detection is shown only after the entry that records it is committed",
    NothingIsSilent = "D-5": "every event is accepted, or refused with a reason and a fate",
    EverythingHasABound = "D-6": "every queue, batch, frame, table and cache has a named limit and refuses early",
    BytesAreChecked = "D-7": "bytes from disk or peer carry checksum, kind and version; a mismatch is refused",
    EngineIsPure = "E-1": "same profile, same events, same configuration: same scores, bit for bit",
    ExplanationsAddUp = "E-2": "contributions sum to the score's evidence, and a counterfactual keeps its promise",
    Placement = "P-1": "replicas are on distinct nodes, and a change of nodes moves only its share",
    QuotasConserve = "T-2": "over any window a tenant is given at most its quota and a stated slack, across all nodes; what is metered is what was admitted",
    NoDeedWithoutRecord = "A-1": "a change to the catalog and its audit record commit in the same entry, in a Merkle log with signed heads",
    ConfigurationIsVersioned = "C-1": "every change names the revision it was based on; a stale one is refused",
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id(), self.promise())
    }
}
