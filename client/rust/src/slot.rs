//! Names that one process holds at a time, by locked files: a crash frees them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Names tried before giving up.
const MOST: usize = 4_096;

/// One name, held until it is dropped or the process ends.
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    _lock: File,
}

/// Returns where names are held.
pub(crate) fn root(spool_dir: Option<&Path>) -> PathBuf {
    #[cfg(unix)]
    let user = rustix::process::getuid().as_raw().to_string();
    #[cfg(not(unix))]
    let user = "user";
    spool_dir.map_or_else(|| std::env::temp_dir().join(format!("via-sdk-{user}")), Path::to_owned)
}

/// Takes the first of NAME, NAME.1, NAME.2 … that is free.
pub(crate) fn hold(name: &str, under: &Path) -> io::Result<Slot> {
    for nth in 0..MOST {
        let full = if nth == 0 { name.to_owned() } else { format!("{name}.{nth}") };
        if let Some(slot) = try_hold(&full, under)? {
            return Ok(slot);
        }
    }
    Err(io::Error::other(format!("{MOST} processes hold names like {name}")))
}

/// Takes a name if it is free.
pub(crate) fn try_hold(name: &str, under: &Path) -> io::Result<Option<Slot>> {
    let folder = under.join(name);
    fs::create_dir_all(&folder)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Slot { name: name.to_owned(), folder, _lock: file })),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_held_twice_and_a_free_one_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = hold("a", folder.path()).unwrap();
        let second = hold("a", folder.path()).unwrap();
        assert_eq!((first.name.as_str(), second.name.as_str()), ("a", "a.1"));
        drop(first);
        assert_eq!(hold("a", folder.path()).unwrap().name, "a");
    }
}
