//! The file system of the machine.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile};
use crate::Error;
use crate::error::failed;

/// Most parts the kernel takes in one call.
const PARTS: usize = 1024;
const LOCK: &str = "lock";

/// A directory that only this process uses: a lock file says so.
pub(crate) struct RealDisk {
    directory: PathBuf,
    _lock: File,
}

impl RealDisk {
    /// Creates the directory if need be and locks it.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        create_durably(directory).map_err(failed("create", directory))?;
        let lock = lock(&directory.join(LOCK))?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }
}

/// Creates a directory and whatever leads to it, such that a power loss does
/// not take them away again with everything in them.
fn create_durably(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| !path.exists()).count();
    fs::create_dir_all(directory)?;
    for parent in directory.ancestors().skip(1).take(missing.max(1)) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Takes a lock that ends with this process, or with the file returned.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(failed("create", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
    }
}

impl Disk for RealDisk {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(RealFile(options.open(self.path(name))?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
        for parts in parts.chunks(PARTS) {
            at += write_all(&self.0, parts, at)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Writes `parts` whole; returns how many bytes they had.
fn write_all(file: &File, parts: &[IoSlice<'_>], at: u64) -> io::Result<u64> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let mut written = loop {
        match rustix::io::pwritev(file, parts, at) {
            Ok(written) => break written,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut position = 0;
    for part in parts {
        let end = position + part.len();
        if written < end {
            file.write_all_at(&part[written - position..], at + written as u64)?;
            written = end;
        }
        position = end;
    }
    Ok(total as u64)
}
