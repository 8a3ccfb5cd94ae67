//! The way of a batch through the spool: kept, given its number, sent, deleted; and
//! what earlier processes left, which goes first.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::counters::Loss;
use crate::error::Error;
use crate::link::Link;
use crate::numbering::{Number, Numbering};
use crate::outcome::Load;
use crate::sender::{Sender, count};
use crate::settings::Overflow;
use crate::slot;
use crate::spool::{self, Found, Label, Segment, Spool};

/// A bound on what a file holds beside its lines.
const HEAD: u64 = 256;
/// Between attempts to write a file.
const DISK: Duration = Duration::from_secs(1);

impl Sender {
    /// Counts what was found, and tells what was damaged.
    pub(crate) fn take_over(&self, found: Found) -> Vec<Segment> {
        self.buffer.found(found.segments.iter().map(|segment| segment.events).sum());
        for path in &found.damaged {
            self.tell_damaged(path);
        }
        found.segments
    }

    fn tell_damaged(&self, path: &Path) {
        let words = format!("{} does not match its checksum and was set aside", path.display());
        self.tell(&Error::local(words));
    }

    /// Moves what the buffer gives into the spool, until the buffer has ended.
    pub(crate) async fn fill_spool(self: Arc<Self>) {
        let Some(spool) = &self.spool else { return };
        while let Some(batch) = self.buffer.take().await {
            let (id, events) = (batch.id(), batch.events() as u64);
            let body = batch.lines().unwrap_or_default().trim_end_matches('\n');
            if !self.make_room(spool, body.len() as u64 + HEAD).await {
                self.buffer.settle(id, |state, events| state.lose(Loss::Spool, events));
                continue;
            }
            let is_open = self.has_recovered.load(Ordering::Acquire);
            let number = self.numbering.as_ref().filter(|_| is_open).and_then(Numbering::give_kept);
            let label = Label { stream: &batch.stream, events, number };
            self.buffer.move_away(id);
            if let Err(error) = spool.add(&label, body.as_bytes()) {
                self.tell(&Error::local(format!("the spool cannot be written: {error}")));
                self.lose_kept(events);
            }
        }
    }

    async fn make_room(&self, spool: &Spool, size: u64) -> bool {
        while !spool.has_room(size) {
            match self.settings.overflow {
                Overflow::DropNewest => return false,
                Overflow::DropOldest => match spool.drop_oldest() {
                    Some(events) => self.lose_kept(events),
                    None => return false,
                },
                Overflow::Block(_) => spool.wait_room(size).await,
            }
        }
        true
    }

    fn lose_kept(&self, events: u64) {
        self.buffer.settle_elsewhere(events, |state, events| state.lose(Loss::Spool, events));
    }

    /// Sends what the spool holds, for ever.
    pub(crate) async fn send_spooled(self: Arc<Self>) {
        let (Some(spool), Some(numbering)) = (&self.spool, &self.numbering) else { return };
        self.recover().await;
        loop {
            let segment = spool.take().await;
            self.send_segment(segment, spool, numbering).await;
        }
    }

    /// Sends what earlier processes left, before the name is opened.
    pub(crate) async fn recover(&self) {
        let (Some(spool), Some(numbering)) = (&self.spool, &self.numbering) else { return };
        let turn = self.recovery.lock().await;
        if self.has_recovered.load(Ordering::Acquire) {
            return;
        }
        let left = std::mem::take(&mut *self.left.lock());
        let (numbered, fresh): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|segment| segment.number.is_some());
        for segment in numbered {
            self.send_segment(segment, spool, numbering).await;
        }
        if let Err(error) = self.adopt().await {
            self.tell(&Error::local(format!("what others left cannot be read: {error}")));
        }
        spool.put_back(fresh);
        self.has_recovered.store(true, Ordering::Release);
        drop(turn);
    }

    /// Sends what processes left that ended, under their names.
    async fn adopt(&self) -> io::Result<()> {
        let under = slot::root(self.settings.spool_dir.as_deref());
        let own = self.slot.lock().as_ref().map(|slot| slot.folder.clone());
        let mut folders = Vec::new();
        for entry in fs::read_dir(&under)? {
            let folder = entry?.path();
            if own.as_ref() != Some(&folder) && holds_batches(&folder) {
                folders.push(folder);
            }
        }
        folders.sort();
        for folder in folders {
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(slot) = slot::try_hold(name, &under)? else { continue };
            let spool = Spool::new(&folder, self.settings.spool_bytes);
            let found = self.take_over(spool.find()?);
            let numbering = Numbering::new(&slot.name);
            let (numbered, fresh): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|segment| segment.number.is_some());
            for segment in numbered.into_iter().chain(fresh) {
                self.send_segment(segment, &spool, &numbering).await;
            }
            drop(slot);
        }
        Ok(())
    }

    /// Sends one batch and deletes it. One without a number gets the next of
    /// `numbering`, on disk before it is sent.
    async fn send_segment(&self, segment: Segment, spool: &Spool, numbering: &Numbering) {
        let mut segment = segment;
        let number = match segment.number {
            Some(number) => number,
            None => {
                let number = self.fresh_number(numbering).await;
                segment = self.keep(spool, &segment, number).await;
                number
            }
        };
        let body = match spool::read(&segment.path) {
            Ok(Some((_, body))) => body,
            Ok(None) | Err(_) => {
                numbering.settle(number);
                drop(spool::set_aside(&segment.path));
                self.tell_damaged(&segment.path);
                self.lose_kept(segment.events);
                spool.leave(&segment);
                return;
            }
        };
        let load = Load::Lines { stream: segment.stream.clone(), body };
        let keep = Some((spool, &segment));
        let sent = self.outcome(load, Some(number), &mut Link::default(), keep).await;
        numbering.settle(number);
        let (load, outcome) = sent;
        self.buffer
            .settle_elsewhere(segment.events, |state, events| count(state, events, &outcome));
        spool.remove(&segment);
        self.tell_refusals(&load, &outcome);
    }

    /// Writes a batch's number to disk, as often as that takes: it is not sent before.
    pub(crate) async fn keep(&self, spool: &Spool, segment: &Segment, number: Number) -> Segment {
        loop {
            match spool.give(segment, number) {
                Ok(kept) => return kept,
                // What is gone or damaged is found out by whoever reads it.
                Err(_) if !matches!(spool::read(&segment.path), Ok(Some(_))) => {
                    return segment.clone();
                }
                Err(error) => {
                    self.tell(&Error::local(format!("the spool cannot be written: {error}")));
                    tokio::time::sleep(DISK).await;
                }
            }
        }
    }
}

fn holds_batches(folder: &Path) -> bool {
    let is_batch = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|kind| kind == "batch"))
    };
    folder.join("lock").exists()
        && fs::read_dir(folder).is_ok_and(|mut entries| entries.any(is_batch))
}
