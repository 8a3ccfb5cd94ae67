//! How VIA is attacked: faults against real `via-node` processes, clients that
//! remember what they were told, and judges of what they remember (D-1, D-2, D-4,
//! D-5, C-1). Knows only the command line, HTTP and the files of a node; links none
//! of its code. Run by its own tests and by `via-jepsen`.

pub mod arena;
pub mod binary;
pub mod caller;
pub mod checker;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod door;
pub mod history;
pub mod leaders;
pub mod load;
pub mod mutant;
pub mod nemesis;
pub mod net;
pub mod node;
pub mod oracle;
pub mod report;
pub mod rot;
pub mod scenario;
mod shim;
pub mod trial;
pub mod workload;

pub use arena::Arena;
