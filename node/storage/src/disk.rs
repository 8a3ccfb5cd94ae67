//! The few things the log asks of a file system, so that a simulated one can
//! take its place and lose power. Owns no format; only the log calls it.

mod real;
pub mod simulated;

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use real::{RealDisk, lock};

/// One directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Returns the path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;

    /// Returns the names of all files.
    ///
    /// # Errors
    /// The operating system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file, or empties an existing one.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file.
    ///
    /// # Errors
    /// The operating system's.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; handles that are open still read it.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_names(&self) -> io::Result<()>;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// Returns its length, bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from position `at`.
    ///
    /// # Errors
    /// The operating system's; `UnexpectedEof` when the file is shorter.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;

    /// Writes all `parts`, one after the other, from position `at`. After an
    /// error any of the bytes may have been written.
    ///
    /// # Errors
    /// The operating system's.
    fn write_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<()>;

    /// Makes everything written to it durable.
    ///
    /// # Errors
    /// The operating system's; then nothing is known of what was written.
    fn sync(&self) -> io::Result<()>;
}
