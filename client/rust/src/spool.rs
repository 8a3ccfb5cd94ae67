//! Sealed batches as files, so that they survive the process. Owns their form, which
//! every language writes alike; knows no node.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::numbering::Number;

/// How a file begins; the checksum follows, and covers all that follows it.
const MAGIC: &str = "via-spool 1 ";

/// A batch on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) stream: String,
    pub(crate) events: u64,
    pub(crate) number: Option<Number>,
    size: u64,
}

/// What a batch says of itself.
pub(crate) struct Label<'a> {
    pub(crate) stream: &'a str,
    pub(crate) events: u64,
    pub(crate) number: Option<Number>,
}

/// Writes a batch beside its place and puts it there.
pub(crate) fn write(path: &Path, label: &Label, body: &[u8]) -> io::Result<Segment> {
    let Label { stream, events, number } = *label;
    let none = Number { producer: 0, epoch: 0, sequence: 0 };
    let Number { producer, epoch, sequence } = number.unwrap_or(none);
    let length = body.len();
    let rest = format!("{length} {producer} {epoch} {sequence} {events} {stream}\n");
    let mut crc = crc32fast::Hasher::new();
    crc.update(rest.as_bytes());
    crc.update(body);
    let mut data = format!("{MAGIC}{:08x} {rest}", crc.finalize()).into_bytes();
    data.extend_from_slice(body);
    let beside = path.with_extension("new");
    fs::write(&beside, &data)?;
    fs::rename(&beside, path)?;
    let size = data.len() as u64;
    Ok(Segment { path: path.to_owned(), stream: stream.to_owned(), events, number, size })
}

/// Reads a batch; nothing when it is not what was written.
pub(crate) fn read(path: &Path) -> io::Result<Option<(Segment, Bytes)>> {
    Ok(parse(path, fs::read(path)?))
}

fn parse(path: &Path, data: Vec<u8>) -> Option<(Segment, Bytes)> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let head = str::from_utf8(&data[..end]).ok()?;
    let after = head.strip_prefix(MAGIC)?;
    let mut words = after.splitn(7, ' ');
    let mut word = || words.next();
    let crc = u32::from_str_radix(word()?, 16).ok()?;
    let covered = MAGIC.len() + 9;
    let length: usize = word()?.parse().ok()?;
    if crc != crc32fast::hash(data.get(covered..)?) || length != data.len() - end - 1 {
        return None;
    }
    let (producer, epoch) = (word()?.parse().ok()?, word()?.parse().ok()?);
    let sequence = word()?.parse().ok()?;
    let number = Number { producer, epoch, sequence };
    let events = word()?.parse().ok()?;
    let segment = Segment {
        path: path.to_owned(),
        stream: word()?.to_owned(),
        events,
        number: Some(number).filter(|number| number.sequence > 0),
        size: data.len() as u64,
    };
    Some((segment, Bytes::from(data).slice(end + 1..)))
}

/// Renames a file that is not what was written; it is never sent.
pub(crate) fn set_aside(path: &Path) -> io::Result<()> {
    fs::rename(path, path.with_extension("damaged"))
}

/// What an earlier process left.
#[derive(Default)]
pub(crate) struct Found {
    /// In order.
    pub(crate) segments: Vec<Segment>,
    /// Set aside.
    pub(crate) damaged: Vec<PathBuf>,
}

/// The batches of one name, oldest first.
pub(crate) struct Spool {
    folder: PathBuf,
    cap: u64,
    state: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    segments: VecDeque<Segment>,
    size: u64,
    next: u64,
}

impl Spool {
    pub(crate) fn new(folder: &Path, cap: u64) -> Self {
        let state = Mutex::new(Waiting { next: 1, ..Waiting::default() });
        Self { folder: folder.to_owned(), cap, state, changed: Notify::new() }
    }

    /// Reads what an earlier process left.
    pub(crate) fn find(&self) -> io::Result<Found> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if let Some(nth) = name {
                let mut state = self.state.lock();
                state.next = state.next.max(nth + 1);
                if path.extension().is_some_and(|kind| kind == "batch") {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        let mut found = Found::default();
        for path in paths {
            match read(&path)? {
                Some((segment, _)) => {
                    self.state.lock().size += segment.size;
                    found.segments.push(segment);
                }
                None => {
                    set_aside(&path)?;
                    found.damaged.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Says whether a batch of so many bytes fits.
    pub(crate) fn has_room(&self, size: u64) -> bool {
        self.state.lock().size + size <= self.cap
    }

    /// Waits until something was removed.
    pub(crate) async fn wait_room(&self, size: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.has_room(size) {
                return;
            }
            changed.await;
        }
    }

    /// Deletes the oldest batch that is not in flight; returns its events.
    pub(crate) fn drop_oldest(&self) -> Option<u64> {
        let segment = self.state.lock().segments.pop_front()?;
        self.remove(&segment);
        Some(segment.events)
    }

    /// Keeps a batch.
    pub(crate) fn add(&self, label: &Label, body: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let path = self.folder.join(format!("{:020}.batch", state.next));
        state.next += 1;
        let segment = write(&path, label, body)?;
        state.size += segment.size;
        state.segments.push_back(segment);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Queues what was found before everything else.
    pub(crate) fn put_back(&self, segments: Vec<Segment>) {
        let mut state = self.state.lock();
        for segment in segments.into_iter().rev() {
            state.segments.push_front(segment);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits for the oldest batch.
    pub(crate) async fn take(&self) -> Segment {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(segment) = self.state.lock().segments.pop_front() {
                return segment;
            }
            changed.await;
        }
    }

    /// Forgets a batch that is settled.
    pub(crate) fn remove(&self, segment: &Segment) {
        // One that cannot be deleted is sent again after a restart, under its number.
        drop(fs::remove_file(&segment.path));
        self.leave(segment);
    }

    /// Forgets a batch whose file is no longer one.
    pub(crate) fn leave(&self, segment: &Segment) {
        let mut state = self.state.lock();
        state.size = state.size.saturating_sub(segment.size);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Gives a batch its number, on disk first.
    pub(crate) fn give(&self, segment: &Segment, number: Number) -> io::Result<Segment> {
        let Some((_, body)) = read(&segment.path)? else {
            return Err(io::Error::other("it changed on disk"));
        };
        let number = Some(number);
        let label = Label { stream: &segment.stream, events: segment.events, number };
        let written = write(&segment.path, &label, &body)?;
        let mut state = self.state.lock();
        state.size = (state.size + written.size).saturating_sub(segment.size);
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBER: Number = Number { producer: 7, epoch: 2, sequence: 9 };

    fn label(stream: &str, number: Option<Number>) -> Label<'_> {
        Label { stream, events: 2, number }
    }

    #[test]
    fn a_file_looks_as_the_contract_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.batch");
        write(&path, &label("web", Some(NUMBER)), b"{}\n{}").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let rest = "5 7 2 9 2 web\n{}\n{}";
        assert_eq!(text, format!("via-spool 1 {:08x} {rest}", crc32fast::hash(rest.as_bytes())));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(stream in "[^\\n]{1,30}", body: Vec<u8>, sequence in 0..9_u64) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("1.batch");
            let number = (sequence > 0).then_some(Number { sequence, ..NUMBER });
            let written = write(&path, &label(&stream, number), &body).unwrap();
            let (segment, text) = read(&path).unwrap().unwrap();
            prop_assert_eq!(segment, written);
            prop_assert_eq!(&text[..], &body[..]);
        }

        #[test]
        fn a_flipped_bit_or_a_missing_end_is_refused(body in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0..8_u32) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("1.batch");
            write(&path, &label("web", Some(NUMBER)), &body).unwrap();
            let whole = fs::read(&path).unwrap();
            let place = at.index(whole.len());
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            // The case of the checksum's digits is not part of it.
            if !flipped.eq_ignore_ascii_case(&whole) || place > 21 {
                prop_assert!(parse(&path, flipped).is_none(), "place {place}, bit {bit}");
            }
            prop_assert!(parse(&path, whole[..place].to_vec()).is_none(), "{place} bytes");
        }
    }

    #[test]
    fn what_was_left_is_found_in_order_and_what_is_damaged_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), 1 << 20);
        for nth in 0..3 {
            spool.add(&label("web", None), format!("{nth}").as_bytes()).unwrap();
        }
        let second = folder.path().join(format!("{:020}.batch", 2));
        let mut data = fs::read(&second).unwrap();
        *data.last_mut().unwrap() ^= 1;
        fs::write(&second, data).unwrap();
        let again = Spool::new(folder.path(), 1 << 20);
        let found = again.find().unwrap();
        assert_eq!(found.damaged, std::slice::from_ref(&second));
        let bodies: Vec<_> =
            found.segments.iter().map(|it| read(&it.path).unwrap().unwrap().1).collect();
        assert_eq!(bodies, ["0", "2"]);
        assert!(second.with_extension("damaged").exists());
        again.add(&label("web", None), b"new").unwrap();
        assert!(folder.path().join(format!("{:020}.batch", 4)).exists());
    }

    #[test]
    fn a_number_that_is_given_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), 1 << 20);
        spool.add(&label("web", None), b"{}").unwrap();
        let segment = spool.find().unwrap().segments.remove(0);
        let given = spool.give(&segment, NUMBER).unwrap();
        assert_eq!(read(&segment.path).unwrap().unwrap().0, given);
        assert_eq!(given.number, Some(NUMBER));
    }

    #[test]
    fn the_cap_counts_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), 200);
        spool.add(&label("web", None), &[b'x'; 100]).unwrap();
        assert!(!spool.has_room(100));
        assert_eq!(spool.drop_oldest(), Some(2));
        assert!(spool.has_room(200));
    }
}
