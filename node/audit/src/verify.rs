//! Judges an export without the service that made it: a key, the export, and
//! whatever the reader has kept from earlier. Names the first entry that is not
//! what was signed, and what was done to it.

use std::collections::BTreeMap;

use crate::export::{Export, Line};
use crate::hash::Hash;
use crate::note::{BadNote, Head, PublicKey};
use crate::proof::is_included;

/// What the reader has kept from earlier, each believed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Heads of the same log.
    pub heads: Vec<Head>,
    /// Hashes of leaves, from an earlier export that was found sound.
    pub leaves: BTreeMap<u64, Hash>,
}

impl Seen {
    /// Adds what an export says that was found sound.
    pub fn keep(&mut self, export: &Export, head: Head) {
        let leaves = export.lines.iter().filter_map(|line| Some((line.index, line.leaf()?)));
        self.leaves.extend(leaves);
        self.heads.push(head);
    }
}

/// What is wrong with an export, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The head is not in the form of one.
    #[error("the head is not a signed head")]
    NoHead,
    /// The head is signed with another key than the one that is trusted.
    #[error("the head is signed with a forged key")]
    ForgedKey,
    /// The head is that of another log.
    #[error("the head is that of another log than the heads seen before")]
    OtherLog,
    /// The record is not the one that was signed.
    #[error("entry {entry} was altered")]
    Altered {
        /// Which.
        entry: u64,
    },
    /// The record is missing, later ones are there.
    #[error("entry {entry} was dropped")]
    Dropped {
        /// Which.
        entry: u64,
    },
    /// Where the record should be is another one of the log.
    #[error("entry {entry} is out of order: entry {found} stands in its place")]
    Reordered {
        /// Which.
        entry: u64,
        /// What is in its place.
        found: u64,
    },
    /// The records end before the head does.
    #[error("entry {entry} and what follows was cut off")]
    Truncated {
        /// The first that is missing.
        entry: u64,
    },
    /// There are more records than the head counts.
    #[error("entry {entry} is not covered by the head")]
    Added {
        /// The first that is too many.
        entry: u64,
    },
    /// A longer log was seen before.
    #[error("the log was rolled back: entry {entry} was there before and is gone")]
    RolledBack {
        /// The first that is gone.
        entry: u64,
    },
    /// The log has another past than was seen before.
    #[error("the log was forked: entry {from} or a later one up to {entry} is another than before")]
    Forked {
        /// The first that may be another.
        from: u64,
        /// The last of which it is known that the past up to it is another.
        entry: u64,
    },
    /// What the export says of the tree before its first record is not true.
    #[error("what comes before entry {entry} is not what was signed")]
    OtherPast {
        /// The first record of the export.
        entry: u64,
    },
}

/// Checks an export against the key of the log and what was seen before, and
/// returns its head.
///
/// # Errors
/// The first [`Finding`].
pub fn verify(export: &Export, key: &PublicKey, seen: &Seen) -> Result<Head, Finding> {
    let head = Head::open(&export.head, key).map_err(|bad| match bad {
        BadNote::Form => Finding::NoHead,
        BadNote::Unsigned | BadNote::Forged => Finding::ForgedKey,
    })?;
    if seen.heads.iter().any(|seen| seen.origin != head.origin) {
        return Err(Finding::OtherLog);
    }
    entries(export, &head)?;
    past(export, &head, seen)?;
    Ok(head)
}

/// Checks that the records are those of the head.
fn entries(export: &Export, head: &Head) -> Result<(), Finding> {
    let from = export.before.size();
    let mut tree = export.before.clone();
    let in_order = (from..).zip(&export.lines).all(|(index, line)| line.index == index);
    if in_order && tree.size() + export.lines.len() as u64 == head.size {
        export.lines.iter().filter_map(Line::leaf).for_each(|leaf| tree.append(leaf, |_, _| {}));
        if tree.root() == head.root {
            return Ok(());
        }
    }
    Err(first_wrong(export, head))
}

/// Finds the first entry that is wrong; each line has its own proof.
fn first_wrong(export: &Export, head: &Head) -> Finding {
    let holds = |line: &Line, at: &Line| {
        let leaf = line.leaf();
        leaf.is_some_and(|leaf| is_included(leaf, at.index, head.size, &at.proof(), head.root))
    };
    let from = export.before.size();
    for (entry, line) in (from..).zip(&export.lines) {
        if entry >= head.size {
            return Finding::Added { entry };
        }
        if holds(line, line) {
            if line.index == entry {
                continue;
            }
            let is_elsewhere = export.lines.iter().any(|other| other.index == entry);
            // A later one in its place: it is further down, or nowhere.
            if is_elsewhere || line.index < entry {
                return Finding::Reordered { entry, found: line.index };
            }
            return Finding::Dropped { entry };
        }
        let other =
            export.lines.iter().find(|other| other.index != line.index && holds(line, other));
        if let Some(other) = other {
            return Finding::Reordered { entry, found: other.index };
        }
        return Finding::Altered { entry };
    }
    let entry = from + export.lines.len() as u64;
    if entry < head.size {
        return Finding::Truncated { entry };
    }
    Finding::OtherPast { entry: from }
}

/// Checks that the log continues what was seen.
fn past(export: &Export, head: &Head, seen: &Seen) -> Result<(), Finding> {
    let longest = seen.heads.iter().map(|seen| seen.size).max().unwrap_or(0);
    let leaves = export.lines.iter().filter_map(|line| Some((line.index, line.leaf()?)));
    for (entry, leaf) in leaves {
        if seen.leaves.get(&entry).is_some_and(|seen| *seen != leaf) {
            return Err(Finding::Forked { from: entry, entry });
        }
    }
    let mut heads: BTreeMap<u64, Hash> = BTreeMap::new();
    for seen in &seen.heads {
        // Two heads that were signed for one size are a fork by themselves.
        let other = heads.insert(seen.size, seen.root).filter(|other| *other != seen.root);
        if other.is_some() {
            return Err(Finding::Forked { from: 0, entry: seen.size.saturating_sub(1) });
        }
    }
    let mut tree = export.before.clone();
    let mut agreed = 0;
    let agree = |size: u64, root: Hash| heads.get(&size).is_none_or(|seen| *seen == root);
    let fork =
        |agreed: u64, size: u64| Finding::Forked { from: agreed, entry: size.saturating_sub(1) };
    if !agree(tree.size(), tree.root()) {
        return Err(fork(agreed, tree.size()));
    }
    for line in &export.lines {
        let Some(leaf) = line.leaf() else { continue };
        if heads.contains_key(&tree.size()) {
            agreed = tree.size();
        }
        tree.append(leaf, |_, _| {});
        if !agree(tree.size(), tree.root()) {
            return Err(fork(agreed, tree.size()));
        }
    }
    if longest > head.size {
        return Err(Finding::RolledBack { entry: head.size });
    }
    Ok(())
}
