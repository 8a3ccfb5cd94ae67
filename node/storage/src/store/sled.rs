//! The state store in sled: one tree, spaces as key prefixes, so that a batch
//! is atomic across them. Owns what sled alone does not promise: a commit point
//! that survives power loss, checked values, and a damaged store set aside
//! instead of trusted (invariant D-7).

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use metrics::{counter, histogram};
use parking_lot::{Mutex, RwLock};
use via_codec::Kind as Format;
use via_types::limit;

use super::cells::{self, CONTENT, PIECES, Tag};
use super::{Order, Store, VALUE_BYTES, Write, check, is_empty};
use crate::disk::lock;
use crate::error::{failed, is_full};
use crate::{Error, Space, metrics as names};

/// Where the store says what it is; before every space.
const META: &[u8] = &[0];
const LAYOUT: u32 = 1;
/// Longest wait for files that a store closed just now still holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what a look at the free space said is believed.
const LOOK: Duration = Duration::from_millis(20);

/// Options of [`open`]; the defaults run out of the box.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store's own directory; made if missing. A damaged store and the
    /// lock lie beside it.
    pub directory: PathBuf,
    /// Memory for pages read before.
    pub cache_bytes: u64,
}

impl Options {
    /// Returns the default options for a store in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), cache_bytes: 16 << 20 }
    }
}

/// A store that opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SledStore,
    /// Where a damaged one was moved: this one is empty then, and whoever owns
    /// the state must rebuild it.
    pub set_aside: Option<PathBuf>,
}

/// The state store of a node.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    directory: PathBuf,
    handle: File,
    /// Held alone while a value in pieces may be half replaced.
    pieces: RwLock<()>,
    has_pieces: AtomicBool,
    /// When the free space was looked at last, and whether it sufficed.
    room: Mutex<(Instant, bool)>,
    _lock: File,
}

/// Opens the store, or an empty one in the place of a damaged one.
///
/// # Errors
/// [`Error::Locked`] when another process has it; [`Error::Full`],
/// [`Error::Io`] when the directory itself fails.
pub fn open(options: &Options) -> Result<Opened, Error> {
    let directory = &options.directory;
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let lock = lock(&directory.with_extension("lock"))?;
    let (db, set_aside) = match open_without_damage(options) {
        Ok(db) => (db, None),
        Err(what) if is_held(&what) => return Err(Error::Locked { path: directory.join("db") }),
        Err(what) if !is_damage(&what) => return Err(what.into_error()),
        Err(what) => {
            let aside = set_aside(directory)?;
            tracing::error!(?what, aside = %aside.display(), "the state store is damaged; an empty one takes its place");
            (try_open(options, check_layout).map_err(Failure::into_error)?, Some(aside))
        }
    };
    let handle = File::open(directory).map_err(failed("open", directory))?;
    let has_pieces =
        guard("look for pieces", || db.range([PIECES]..).next().transpose())?.is_some();
    let store = SledStore {
        db,
        directory: directory.clone(),
        handle,
        pieces: RwLock::new(()),
        has_pieces: AtomicBool::new(has_pieces),
        room: Mutex::new((Instant::now(), true)),
        _lock: lock,
    };
    store.commit()?;
    Ok(Opened { store, set_aside })
}

/// Why a store did not open.
#[derive(Debug)]
enum Failure {
    Sled(sled::Error),
    Panic(String),
    Layout(String),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Sled(error) => store_error("open", error),
            Self::Panic(what) | Self::Layout(what) => Error::Store { doing: "open", what },
        }
    }
}

/// Says whether a store that opened may be trusted.
type Check = fn(&sled::Db) -> Result<(), Failure>;

/// Opens the store; when that fails and the file that says how it was made is
/// damaged, once more without that file, which is set aside: sled writes it anew.
fn open_without_damage(options: &Options) -> Result<sled::Db, Failure> {
    let what = match open_when_free(options, check_layout) {
        Err(what) if is_damage(&what) && !is_held(&what) => what,
        outcome => return outcome,
    };
    let conf = options.directory.join("conf");
    if is_sound(&conf) {
        return Err(what);
    }
    let aside = free_name(&conf);
    if let Err(error) = fs::rename(&conf, &aside) {
        tracing::warn!(%error, conf = %conf.display(), "a damaged file cannot be set aside");
        return Err(what);
    }
    tracing::error!(?what, aside = %aside.display(), "a file of the state store is damaged and set aside; the store is opened without it");
    // One that is empty then was damaged elsewhere too.
    open_when_free(options, |db| match db.contains_key(META).map_err(Failure::Sled)? {
        true => check_layout(db),
        false => Err(Failure::Layout("nothing is left in it".to_owned())),
    })
}

/// Says whether the file's last four bytes are the checksum of the others, as
/// sled's file of parameters has it; what cannot be read is not judged.
fn is_sound(conf: &Path) -> bool {
    let Ok(bytes) = fs::read(conf) else { return true };
    bytes
        .split_last_chunk()
        .is_none_or(|(content, checksum)| crc32fast::hash(content) == u32::from_le_bytes(*checksum))
}

/// Opens the store once its files are free: the lock beside it is ours, so that
/// only threads of a store closed just now can still hold them.
fn open_when_free(options: &Options, check: Check) -> Result<sled::Db, Failure> {
    let since = Instant::now();
    loop {
        match try_open(options, check) {
            Err(what) if is_held(&what) && since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            outcome => return outcome,
        }
    }
}

/// Says whether somebody else has the files open, which sled only tells in words.
fn is_held(failure: &Failure) -> bool {
    match failure {
        Failure::Sled(sled::Error::Io(error)) => {
            error.to_string().starts_with("could not acquire lock")
        }
        Failure::Sled(_) | Failure::Panic(_) | Failure::Layout(_) => false,
    }
}

/// Tells damage from a machine that merely refuses.
fn is_damage(failure: &Failure) -> bool {
    match failure {
        Failure::Sled(sled::Error::Io(error)) => {
            let refused = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
            !is_full(error) && !refused.contains(&error.kind())
        }
        Failure::Sled(_) | Failure::Panic(_) | Failure::Layout(_) => true,
    }
}

fn try_open(options: &Options, check: Check) -> Result<sled::Db, Failure> {
    let config = sled::Config::new()
        .path(&options.directory)
        .cache_capacity(options.cache_bytes)
        .flush_every_ms(None)
        .mode(sled::Mode::LowSpace);
    // sled panics on some damage; nothing of it is used after that.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = config.open().map_err(Failure::Sled)?;
        check(&db)?;
        Ok(db)
    }));
    opened.unwrap_or_else(|panic| Err(Failure::Panic(panic_text(&*panic))))
}

/// Refuses a tree that does not say what it is, unless it is empty.
fn check_layout(db: &sled::Db) -> Result<(), Failure> {
    let Some(meta) = db.get(META).map_err(Failure::Sled)? else {
        if !db.is_empty() {
            return Err(Failure::Layout("it does not say what it is".to_owned()));
        }
        let meta = via_codec::encode(Format::StoreMeta, &LAYOUT);
        db.insert(META, meta).map_err(Failure::Sled)?;
        return Ok(());
    };
    match via_codec::decode::<u32>(Format::StoreMeta, &meta) {
        Ok(LAYOUT) => Ok(()),
        Ok(layout) => Err(Failure::Layout(format!("its layout is {layout}, not {LAYOUT}"))),
        Err(error) => Err(Failure::Layout(error.to_string())),
    }
}

/// Returns the first name for something damaged that is not taken.
fn free_name(path: &Path) -> PathBuf {
    let names = (1_u32..).map(|number| path.with_extension(format!("damaged-{number}")));
    names.into_iter().find(|path| !path.exists()).expect("some number is free")
}

fn set_aside(directory: &Path) -> Result<PathBuf, Error> {
    let aside = free_name(directory);
    fs::rename(directory, &aside).map_err(failed("set aside", directory))?;
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    Ok(aside)
}

impl SledStore {
    /// Returns where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn corrupt(&self, key: &[u8]) -> Error {
        Error::Corrupt {
            file: self.directory.clone(),
            offset: 0,
            what: format!("the value at {key:02x?} fails its checksum"),
            advice: "stop the node and move this directory away: it is rebuilt from the log and \
                     from peers",
        }
    }

    /// Returns the value in the cell at `main`. The caller holds `pieces`.
    fn value(&self, main: &[u8], cell: &[u8]) -> Result<Bytes, Error> {
        match cells::open(main, cell) {
            Some((Tag::Whole, content)) => Ok(Bytes::copy_from_slice(content)),
            Some((Tag::Split, content)) => {
                let length = split_length(content).ok_or_else(|| self.corrupt(main))?;
                self.join(main, length)
            }
            Some((Tag::Piece, _)) | None => Err(self.corrupt(main)),
        }
    }

    fn join(&self, main: &[u8], length: usize) -> Result<Bytes, Error> {
        let mut value = BytesMut::with_capacity(length);
        for number in 0..cells::piece_count(length) {
            let key = cells::piece_key(main, number);
            let cell = guard("read", || self.db.get(&key))?.ok_or_else(|| self.corrupt(&key))?;
            match cells::open(&key, &cell) {
                Some((Tag::Piece, content)) => value.extend_from_slice(content),
                Some((Tag::Whole | Tag::Split, _)) | None => return Err(self.corrupt(&key)),
            }
        }
        if value.len() == length { Ok(value.freeze()) } else { Err(self.corrupt(main)) }
    }

    /// Adds the removal of the pieces of what is at `main` now.
    fn drop_pieces(&self, main: &[u8], batch: &mut sled::Batch) -> Result<(), Error> {
        let Some(cell) = guard("read", || self.db.get(main))? else { return Ok(()) };
        if let Some((Tag::Split, content)) = cells::open(main, &cell) {
            let length = split_length(content).ok_or_else(|| self.corrupt(main))?;
            for number in 0..cells::piece_count(length) {
                batch.remove(cells::piece_key(main, number));
            }
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let main = cells::main_key(space, key);
        let _whole = self.pieces.read();
        match guard("read", || self.db.get(&main))? {
            Some(cell) => self.value(&main, &cell).map(Some),
            None => Ok(None),
        }
    }

    fn write(&self, writes: Vec<Write>) -> Result<(), Error> {
        check(&writes)?;
        counter!(names::STORE_WRITES).increment(writes.len() as u64);
        let adds_pieces = writes.iter().any(is_large);
        let _alone = self.pieces.write();
        let has_pieces = adds_pieces || self.has_pieces.load(Ordering::Relaxed);
        let mut batch = sled::Batch::default();
        for write in if has_pieces { last_of_each(writes) } else { writes } {
            let (space, key, value) = match write {
                Write::Put { space, key, value } => (space, key, Some(value)),
                Write::Delete { space, key } => (space, key, None),
            };
            let main = cells::main_key(space, &key);
            if has_pieces {
                self.drop_pieces(&main, &mut batch)?;
            }
            match value {
                Some(value) => put(main, &value, &mut batch),
                None => batch.remove(main),
            }
        }
        if adds_pieces {
            self.has_pieces.store(true, Ordering::Relaxed);
        }
        guard("write", || self.db.apply_batch(batch))
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        if is_empty(bounds) {
            return Ok(Vec::new());
        }
        let from = match bounds.0 {
            Bound::Included(key) => Bound::Included(cells::main_key(space, key)),
            Bound::Excluded(key) => Bound::Excluded(cells::main_key(space, key)),
            Bound::Unbounded => Bound::Included(vec![space as u8]),
        };
        let to = match bounds.1 {
            Bound::Included(key) => Bound::Included(cells::main_key(space, key)),
            Bound::Excluded(key) => Bound::Excluded(cells::main_key(space, key)),
            Bound::Unbounded => Bound::Excluded(vec![space as u8 + 1]),
        };
        let _whole = self.pieces.read();
        let mut range = guard("scan", || Ok(self.db.range((from, to))))?;
        let mut found = Vec::new();
        while found.len() < limit {
            let next = guard("scan", || match order {
                Order::Ascending => range.next().transpose(),
                Order::Descending => range.next_back().transpose(),
            })?;
            let Some((main, cell)) = next else { break };
            let value = self.value(&main, &cell)?;
            found.push((Bytes::copy_from_slice(&main[1..]), value));
        }
        Ok(found)
    }

    fn commit(&self) -> Result<(), Error> {
        let started = Instant::now();
        guard("flush", || self.db.flush())?;
        // sled's flush reaches the kernel only; this reaches the disk.
        rustix::fs::syncfs(&self.handle)
            .map_err(|error| store_error("sync", sled::Error::Io(error.into())))?;
        histogram!(names::STORE_COMMIT_SECONDS).record(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn has_room(&self) -> bool {
        let mut looked = self.room.lock();
        if looked.0.elapsed() >= LOOK {
            *looked = (Instant::now(), free_bytes(&self.handle) > limit::DISK_RESERVE);
        }
        looked.1
    }

    fn approximate_bytes(&self) -> u64 {
        guard("measure", || self.db.size_on_disk()).unwrap_or(0)
    }
}

/// Returns how many bytes the disk of an open directory has left; one that does
/// not tell is taken for endless.
pub fn free_bytes(directory: &File) -> u64 {
    let free = rustix::fs::fstatvfs(directory);
    free.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn is_large(write: &Write) -> bool {
    match write {
        Write::Put { value, .. } => value.len() > CONTENT,
        Write::Delete { .. } => false,
    }
}

/// Keeps the last write of each key: the pieces an earlier one would leave
/// behind are never made.
fn last_of_each(writes: Vec<Write>) -> Vec<Write> {
    let mut last = std::collections::BTreeMap::new();
    for write in writes {
        let place = match &write {
            Write::Put { space, key, .. } | Write::Delete { space, key } => (*space, key.clone()),
        };
        last.insert(place, write);
    }
    last.into_values().collect()
}

fn put(main: Vec<u8>, value: &[u8], batch: &mut sled::Batch) {
    if value.len() <= CONTENT {
        let cell = cells::seal(&main, Tag::Whole, value);
        batch.insert(main, cell);
        return;
    }
    for (number, piece) in value.chunks(CONTENT).enumerate() {
        let key = cells::piece_key(&main, number);
        let cell = cells::seal(&key, Tag::Piece, piece);
        batch.insert(key, cell);
    }
    let length = (value.len() as u32).to_le_bytes();
    let cell = cells::seal(&main, Tag::Split, &length);
    batch.insert(main, cell);
}

/// Reads the length of a value in pieces; none when it is beyond its bound.
fn split_length(content: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(content.try_into().ok()?) as usize;
    (length <= VALUE_BYTES).then_some(length)
}

/// Runs a piece of sled, which panics on some damage.
fn guard<T>(doing: &'static str, act: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(outcome) => outcome.map_err(|error| store_error(doing, error)),
        Err(panic) => Err(Error::Store { doing, what: panic_text(&*panic) }),
    }
}

fn store_error(doing: &'static str, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) if is_full(&source) => {
            Error::Full { doing, source: Arc::new(source) }
        }
        sled::Error::Io(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. } => Error::Store { doing, what: error.to_string() },
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("it panicked: {}", text.unwrap_or_else(|| "without a word".to_owned()))
}
