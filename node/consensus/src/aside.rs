//! Work that waits for a disk, done where it holds up nobody.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Says whether this thread may wait while others go on with its tasks.
pub(crate) fn may_block() -> bool {
    matches!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread)
}

/// Does `work` on a thread that may wait. On a runtime of one thread it is done
/// at once instead: there the order of everything is the runtime's own, and
/// another thread would bring in one of its own.
///
/// # Errors
/// The work panicked, or the runtime ends.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if may_block() { tokio::task::spawn_blocking(work).await } else { Ok(work()) }
}
