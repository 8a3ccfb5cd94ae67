//! A disk that forgets: a library preloaded into the node (`shim/disk.c`, where
//! the model is described) keeps beside its data what a power loss would leave.
//! Builds it, switches its faults, and makes the image after a loss.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::{Rng, RngExt};

use crate::shim;

/// The unit in which a disk keeps or loses what was not synced.
const SECTOR: usize = 512;

/// A fault that lasts until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Syncing fails with an I/O error.
    SyncError,
    /// Syncing claims success and does nothing; planted, to prove the tests.
    SyncLies,
    /// Nothing can grow: no space is left.
    Full,
    /// Compares every file with its mirror at each syncfs.
    Verify,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::SyncError => "eio",
            Self::SyncLies => "lie",
            Self::Full => "full",
            Self::Verify => "verify",
        }
    }
}

/// What of the unsynced survives a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Any sector or not, by chance; per directory, its newest names or not.
    Some,
}

/// The library and its folders.
#[derive(Clone, Debug)]
pub struct Disk {
    object: PathBuf,
    mirror: PathBuf,
    control: PathBuf,
}

impl Disk {
    /// Builds the library and its folders in `folder`.
    ///
    /// # Errors
    /// The C compiler fails.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let disk = Self {
            object: shim::build("disk", folder)?,
            mirror: folder.join("mirror"),
            control: folder.join("control"),
        };
        fs::create_dir_all(&disk.mirror)?;
        fs::create_dir_all(&disk.control)?;
        Ok(disk)
    }

    /// Returns the shared object that must be preloaded.
    pub fn object(&self) -> &Path {
        &self.object
    }

    /// Returns what must be in a node's environment.
    pub fn environment(&self, data: &Path) -> [(&'static str, OsString); 4] {
        [
            ("LD_PRELOAD", self.object.clone().into()),
            ("VIA_DISK_ROOT", data.into()),
            ("VIA_DISK_MIRROR", self.mirror.clone().into()),
            ("VIA_DISK_CONTROL", self.control.clone().into()),
        ]
    }

    /// Begins a fault.
    ///
    /// # Errors
    /// The control folder cannot be written.
    pub fn begin(&self, fault: Fault) -> anyhow::Result<()> {
        fs::write(self.control.join(fault.name()), "")?;
        Ok(())
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// It had not begun.
    pub fn mend(&self, fault: Fault) -> anyhow::Result<()> {
        fs::remove_file(self.control.join(fault.name()))?;
        Ok(())
    }

    /// Says whether a fault has begun and not ended.
    pub fn has(&self, fault: Fault) -> bool {
        self.control.join(fault.name()).exists()
    }

    /// Returns files of which a write passed unseen, found by [`Fault::Verify`].
    pub fn missed(&self) -> String {
        fs::read_to_string(self.control.join("missed")).unwrap_or_default()
    }

    /// Returns the files that were compared under [`Fault::Verify`].
    pub fn compared(&self) -> String {
        fs::read_to_string(self.control.join("compared")).unwrap_or_default()
    }

    /// Replaces `data` by what is left of it after a power loss; the process
    /// must have ended. What survived is durable from now on.
    ///
    /// # Errors
    /// Files cannot be read or written.
    pub fn lose_power(
        &self,
        data: &Path,
        survivors: Survivors,
        rng: &mut impl Rng,
    ) -> anyhow::Result<()> {
        let image = data.with_extension("image");
        let before = data.with_extension("before");
        for stale in [&image, &before] {
            if stale.exists() {
                fs::remove_dir_all(stale)?;
            }
        }
        let mut real = BTreeMap::new();
        find_files(data, &mut real)?;
        find_files(&self.mirror.join("grave"), &mut real)?;
        let loss = Loss { mirror: &self.mirror, survivors, real: &real };
        loss.restore_folder(data.metadata()?.ino(), Some(data), &image, rng)?;
        // The old files stay: their inode numbers must not return.
        fs::rename(data, &before)?;
        fs::rename(&image, data)?;
        self.forget()
    }

    /// Forgets what was durable: the data is another's now, or as it is.
    ///
    /// # Errors
    /// Files cannot be removed.
    pub fn forget(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.mirror)?;
        fs::create_dir_all(&self.mirror)?;
        Ok(())
    }
}

fn find_files(folder: &Path, files: &mut BTreeMap<u64, PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            find_files(&entry.path(), files)?;
        } else {
            files.insert(metadata.ino(), entry.path());
        }
    }
    Ok(())
}

struct Loss<'a> {
    mirror: &'a Path,
    survivors: Survivors,
    /// What was there before the loss, by inode.
    real: &'a BTreeMap<u64, PathBuf>,
}

struct Entry {
    name: String,
    inode: u64,
    is_folder: bool,
}

impl Loss<'_> {
    fn restore_folder(
        &self,
        inode: u64,
        real: Option<&Path>,
        to: &Path,
        rng: &mut impl Rng,
    ) -> anyhow::Result<()> {
        fs::create_dir(to)?;
        let durable = durable_entries(&self.mirror.join(format!("dirs/{inode}")))?;
        let newest_survives = self.survivors == Survivors::Some && rng.random();
        let entries = match real {
            Some(real) if newest_survives => current_entries(real)?,
            Some(_) | None => durable,
        };
        for Entry { name, inode, is_folder } in entries {
            let target = to.join(&name);
            if is_folder {
                let below = real.map(|real| real.join(&name)).filter(|below| below.is_dir());
                self.restore_folder(inode, below.as_deref(), &target, rng)?;
            } else {
                self.restore_file(inode, &target, rng)?;
            }
        }
        Ok(())
    }

    fn restore_file(&self, inode: u64, to: &Path, rng: &mut impl Rng) -> anyhow::Result<()> {
        let durable = self.mirror.join(format!("data/{inode}"));
        if durable.exists() {
            fs::copy(&durable, to)?;
        } else {
            File::create(to)?;
        }
        if self.survivors == Survivors::Some
            && let Some(real) = self.real.get(&inode)
        {
            keep_some_sectors(real, to, rng)?;
        }
        Ok(())
    }
}

fn durable_entries(listing: &Path) -> anyhow::Result<Vec<Entry>> {
    let text = fs::read_to_string(listing).unwrap_or_default();
    let parse = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let is_folder = parts.next()? == "d";
        let inode = parts.next()?.parse().ok()?;
        Some(Entry { name: parts.next()?.to_owned(), inode, is_folder })
    };
    text.lines().map(|line| parse(line).with_context(|| format!("listing: {line:?}"))).collect()
}

fn current_entries(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(Entry { name, inode: metadata.ino(), is_folder: metadata.is_dir() });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Of the sectors in which `real` differs from what is durable, each survives
/// or not; likewise the newest length.
fn keep_some_sectors(real: &Path, image: &Path, rng: &mut impl Rng) -> anyhow::Result<()> {
    let newest = fs::read(real)?;
    let durable = fs::read(image)?;
    let image = File::options().write(true).open(image)?;
    let length = if rng.random() { newest.len() } else { durable.len() };
    image.set_len(length as u64)?;
    for at in (0..length.min(newest.len())).step_by(SECTOR) {
        let end = (at + SECTOR).min(length).min(newest.len());
        let old = durable.get(at..end.min(durable.len())).unwrap_or_default();
        if newest[at..end] != *old && rng.random() {
            image.write_all_at(&newest[at..end], at as u64)?;
        }
    }
    Ok(())
}
