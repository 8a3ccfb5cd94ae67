//! A file system in memory that can lose power, run full and fail, for proofs.
//! What was written but not synced survives a power loss sector by sector, at
//! the whim of a seed. Every change counts as one step, and any step can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost in the middle of it; every later step fails too.
    PowerLoss,
    /// It fails once; a write may have happened in part.
    Once(io::ErrorKind),
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<Inner>>);

#[derive(Clone, Default)]
struct Inner {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    unsynced: Vec<NameChange>,
    files: BTreeMap<u64, Content>,
    steps: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    capacity: Option<u64>,
    ignores_syncs: bool,
}

#[derive(Clone)]
enum NameChange {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl SimulatedDisk {
    /// Makes an empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many changes and syncs were asked of it.
    pub fn steps(&self) -> u64 {
        self.0.lock().steps
    }

    /// Lets `fault` happen at step number `step`, counted from 0.
    pub fn fail_at(&self, step: u64, fault: Fault) {
        self.0.lock().fault = Some((step, fault));
    }

    /// Makes it a disk that claims to sync files and does not: proofs on it
    /// must fail.
    pub fn ignore_syncs(&self) {
        self.0.lock().ignores_syncs = true;
    }

    /// Says whether the power was lost.
    pub fn is_off(&self) -> bool {
        self.0.lock().dead
    }

    /// Limits the bytes of all files together; none lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Returns the bytes of all files together.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// Returns the disk as it is found after a power loss now: everything
    /// synced, and of the rest what `seed` decides.
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let mut inner = self.0.lock().clone();
        let mut dice = Dice(seed);
        let mut names = std::mem::take(&mut inner.durable_names);
        for change in std::mem::take(&mut inner.unsynced) {
            if dice.flip() {
                apply(&mut names, &change);
            }
        }
        for content in inner.files.values_mut() {
            content.lose_power(&mut dice);
        }
        let files = inner.files;
        Self(Arc::new(Mutex::new(Inner {
            durable_names: names.clone(),
            names,
            files,
            ..Inner::default()
        })))
    }

    /// Returns a copy of the disk as it is, for damaging.
    pub fn image(&self) -> Self {
        let inner = self.0.lock();
        Self(Arc::new(Mutex::new(Inner { fault: None, dead: false, ..inner.clone() })))
    }

    /// Flips one bit of a file.
    ///
    /// # Panics
    /// When there is no such bit.
    pub fn flip(&self, name: &str, bit: u64) {
        self.0.lock().edit(name, |bytes| bytes[(bit / 8) as usize] ^= 1 << (bit % 8));
    }

    /// Cuts a file short.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn cut(&self, name: &str, length: usize) {
        self.0.lock().edit(name, |bytes| bytes.truncate(length));
    }

    /// Returns a file's bytes.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let inner = self.0.lock();
        inner.files[&inner.names[name]].now.clone()
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut inner = self.0.lock();
        let id = inner.next_id();
        inner.names.insert(name.to_owned(), id);
        inner.durable_names.insert(name.to_owned(), id);
        let content = Content { durable: bytes.clone(), now: bytes, dirty: BTreeSet::new() };
        inner.files.insert(id, content);
    }

    fn change<T>(&self, act: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.0.lock();
        match inner.step() {
            None => act(&mut inner),
            Some(error) => Err(error),
        }
    }
}

impl Inner {
    /// Counts a step; says how it fails, if it does.
    fn step(&mut self) -> Option<io::Error> {
        let step = self.steps;
        self.steps += 1;
        if self.dead {
            return Some(io::Error::other("the power is off"));
        }
        match self.fault {
            Some((at, fault)) if at == step => {
                self.dead = fault == Fault::PowerLoss;
                Some(match fault {
                    Fault::PowerLoss => io::Error::other("the power is off"),
                    Fault::Once(kind) => kind.into(),
                })
            }
            _ => None,
        }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|id| self.files[id].now.len() as u64).sum()
    }

    fn next_id(&self) -> u64 {
        self.files.last_key_value().map_or(0, |(id, _)| id + 1)
    }

    fn edit(&mut self, name: &str, act: impl FnOnce(&mut Vec<u8>)) {
        let id = self.names[name];
        let content = self.files.get_mut(&id).expect("every name has its file");
        act(&mut content.now);
        content.durable = content.now.clone();
        content.dirty.clear();
    }

    fn rename(&mut self, change: NameChange) -> io::Result<()> {
        if apply(&mut self.names, &change) {
            self.unsynced.push(change);
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl Content {
    fn write(&mut self, parts: &[IoSlice<'_>], at: usize, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.dirty.extend(at / SECTOR..=(at + bytes - 1) / SECTOR);
        if self.now.len() < at + bytes {
            self.now.resize(at + bytes, 0);
        }
        let all = parts.iter().flat_map(|part| part.iter());
        for (byte, new) in self.now[at..at + bytes].iter_mut().zip(all) {
            *byte = *new;
        }
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        let mut found = self.durable.clone();
        if self.now.len() > found.len() && dice.flip() {
            found.resize(self.now.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(found.len()).min(self.now.len());
            if from < to && dice.flip() {
                found[from..to].copy_from_slice(&self.now[from..to]);
            }
        }
        self.now.clone_from(&found);
        self.durable = found;
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) -> bool {
    match change {
        NameChange::Create(name, id) => {
            names.insert(name.clone(), *id);
            true
        }
        NameChange::Rename(from, to) => match names.remove(from) {
            Some(id) => {
                names.insert(to.clone(), id);
                true
            }
            None => false,
        },
        NameChange::Remove(name) => names.remove(name).is_some(),
    }
}

impl Disk for SimulatedDisk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("simulated").join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.change(|inner| {
            let id = inner.next_id();
            inner.files.insert(id, Content::default());
            inner.rename(NameChange::Create(name.to_owned(), id))?;
            Ok(self.handle(id))
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.0.lock().names.get(name).copied();
        id.map(|id| self.handle(id)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|inner| inner.rename(NameChange::Rename(from.to_owned(), to.to_owned())))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|inner| inner.rename(NameChange::Remove(name.to_owned())))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.change(|inner| {
            inner.unsynced.clear();
            inner.durable_names.clone_from(&inner.names);
            Ok(())
        })
    }
}

impl SimulatedDisk {
    fn handle(&self, id: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id })
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[&self.id].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let inner = self.disk.0.lock();
        let bytes = &inner.files[&self.id].now;
        let from = at as usize;
        let Some(found) = bytes.get(from..from + buffer.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        buffer.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        let at = at as usize;
        let asked: usize = parts.iter().map(|part| part.len()).sum();
        let was_dead = inner.dead;
        let failure = inner.step();
        let length = inner.files[&self.id].now.len();
        let free =
            inner.capacity.map_or(usize::MAX, |all| all.saturating_sub(inner.used()) as usize);
        let room = length.saturating_sub(at).saturating_add(free);
        // A failing write leaves half of it behind: enough to be seen.
        let bytes = match &failure {
            _ if was_dead => 0,
            Some(_) => (asked / 2).min(room),
            None => asked.min(room),
        };
        let content = inner.files.get_mut(&self.id).expect("a handle's file stays");
        content.write(parts, at, bytes);
        match failure {
            Some(error) => Err(error),
            None if bytes < asked => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change(|inner| {
            if inner.ignores_syncs {
                return Ok(());
            }
            let content = inner.files.get_mut(&self.id).expect("a handle's file stays");
            let Content { now, durable, dirty } = content;
            durable.resize(now.len(), 0);
            for sector in std::mem::take(dirty) {
                let from = sector * SECTOR;
                let to = (from + SECTOR).min(now.len());
                durable[from..to].copy_from_slice(&now[from..to]);
            }
            Ok(())
        })
    }
}

/// A small generator of decisions (splitmix64).
struct Dice(u64);

impl Dice {
    fn flip(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &dyn DiskFile, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_at(&[IoSlice::new(bytes)], at)
    }

    #[test]
    fn the_synced_survives_and_the_rest_may() {
        let disk = SimulatedDisk::new();
        let file = disk.create("a").unwrap();
        write(&*file, &[1; 1024], 0).unwrap();
        file.sync().unwrap();
        disk.sync_names().unwrap();
        write(&*file, &[2; 1024], 0).unwrap();
        let found: BTreeSet<_> = (0..32)
            .map(|seed| {
                let bytes = disk.after_power_loss(seed).bytes("a");
                (bytes[0], bytes[511], bytes[512])
            })
            .collect();
        assert!(found.iter().all(|(first, last, _)| first == last), "sectors do not tear");
        assert_eq!(found.len(), 4, "either sector may survive without the other");
    }

    #[test]
    fn a_name_that_was_not_synced_may_be_lost() {
        let disk = SimulatedDisk::new();
        disk.create("a").unwrap();
        let lost = (0..32).filter(|seed| disk.after_power_loss(*seed).0.lock().names.is_empty());
        assert!((1..32).contains(&lost.count()));
        disk.sync_names().unwrap();
        assert!((0..32).all(|seed| disk.after_power_loss(seed).0.lock().names.len() == 1));
    }

    #[test]
    fn nothing_changes_after_the_power_is_off() {
        let disk = SimulatedDisk::new();
        let file = disk.create("a").unwrap();
        disk.fail_at(disk.steps(), Fault::PowerLoss);
        assert!(write(&*file, &[1; 512], 0).is_err());
        let half = disk.bytes("a");
        assert_eq!(half.len(), 256, "the interrupted write happened in part");
        assert!(write(&*file, &[2; 512], 0).is_err());
        assert!(file.sync().is_err());
        assert_eq!(disk.bytes("a"), half);
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let disk = SimulatedDisk::new();
        disk.set_capacity(Some(700));
        let file = disk.create("a").unwrap();
        let full = write(&*file, &[1; 1000], 0).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.used(), 700);
        disk.remove("a").unwrap();
        assert_eq!(disk.used(), 0);
    }
}
