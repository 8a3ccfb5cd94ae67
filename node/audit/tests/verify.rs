//! Everything that can be done to a log and its export is found, and where.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use via_audit::{
    Export, Finding, Frontier, Hash, Head, Line, MissingNode, Nodes, Place, PublicKey, SecretKey,
    Seen, inclusion, leaf, verify,
};

const ORIGIN: &str = "via.example/c1/t7";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed("via.example", &[seed; 32]).unwrap()
}

fn trusted() -> PublicKey {
    key(1).public().clone()
}

#[derive(Clone, Default)]
struct Log {
    tree: Frontier,
    nodes: BTreeMap<Place, Hash>,
    records: Vec<String>,
}

impl Nodes for Log {
    type Error = MissingNode;

    fn node(&self, place: Place) -> Result<Option<Hash>, MissingNode> {
        Ok(self.nodes.get(&place).copied())
    }
}

impl Log {
    fn of(records: impl IntoIterator<Item = String>) -> Self {
        let mut log = Self::default();
        records.into_iter().for_each(|record| log.append(record));
        log
    }

    fn numbered(count: u64) -> Self {
        Self::of((0..count).map(|number| format!("record {number}")))
    }

    fn append(&mut self, record: String) {
        self.tree.append(leaf(record.as_bytes()), |place, hash| {
            self.nodes.insert(place, hash);
        });
        self.records.push(record);
    }

    fn head(&self) -> Head {
        Head { origin: ORIGIN.to_owned(), size: self.tree.size(), root: self.tree.root() }
    }

    /// From there on; records before `pruned` are hashes only.
    fn export(&self, from: u64, pruned: u64) -> Export {
        let peaks = Frontier::places(from).map(|place| self.nodes[&place]).collect();
        let size = self.tree.size();
        let line = |index: u64| {
            let proof = inclusion(self, index, size).unwrap().unwrap();
            let record = self.records[index as usize].clone();
            if index < pruned {
                return Line::pruned(index, leaf(record.as_bytes()), proof);
            }
            Line::whole(index, record, proof)
        };
        Export {
            before: Frontier::new(from, peaks).unwrap(),
            lines: (from..size).map(line).collect(),
            head: key(1).sign(&self.head()),
        }
    }
}

fn found(export: &Export) -> Option<Finding> {
    verify(export, &trusted(), &Seen::default()).err()
}

fn seen(log: &Log) -> Seen {
    Seen { heads: vec![log.head()], leaves: BTreeMap::new() }
}

#[test]
fn a_sound_export_is_sound_also_when_read_back() {
    for (from, pruned) in [(0, 0), (0, 9), (13, 13), (16, 20), (37, 37)] {
        let log = Log::numbered(37);
        let export = log.export(from, pruned);
        assert_eq!(verify(&export, &trusted(), &seen(&log)), Ok(log.head()), "{from} {pruned}");
        assert_eq!(Export::read(&export.text()), Ok(export));
    }
}

#[test]
fn a_flipped_bit_is_found_in_its_entry() {
    let log = Log::numbered(21);
    for entry in 0..21 {
        let mut export = log.export(0, 0);
        let record = export.lines[entry].record.as_mut().unwrap();
        let flipped = (record.as_bytes()[0] ^ 1) as char;
        record.replace_range(0..1, &flipped.to_string());
        assert_eq!(found(&export), Some(Finding::Altered { entry: entry as u64 }));
    }
}

#[test]
fn a_dropped_entry_is_found() {
    let log = Log::numbered(21);
    for entry in 0..20 {
        let mut export = log.export(0, 0);
        export.lines.remove(entry);
        assert_eq!(found(&export), Some(Finding::Dropped { entry: entry as u64 }));
    }
}

#[test]
fn swapped_entries_are_found_also_when_they_are_numbered_anew() {
    let log = Log::numbered(21);
    let mut export = log.export(0, 0);
    export.lines.swap(4, 9);
    assert_eq!(found(&export), Some(Finding::Reordered { entry: 4, found: 9 }));
    let mut export = log.export(0, 0);
    let (fourth, ninth) = (export.lines[4].record.take(), export.lines[9].record.take());
    (export.lines[4].record, export.lines[9].record) = (ninth, fourth);
    assert_eq!(found(&export), Some(Finding::Reordered { entry: 4, found: 9 }));
}

#[test]
fn a_log_that_was_cut_off_is_found() {
    let log = Log::numbered(21);
    for entry in 0..21 {
        let mut export = log.export(0, 0);
        export.lines.truncate(entry);
        assert_eq!(found(&export), Some(Finding::Truncated { entry: entry as u64 }));
    }
}

#[test]
fn an_entry_too_many_is_found() {
    let mut export = Log::numbered(21).export(0, 0);
    let mut more = export.lines[20].clone();
    more.index = 21;
    export.lines.push(more);
    assert_eq!(found(&export), Some(Finding::Added { entry: 21 }));
}

#[test]
fn a_forged_key_is_found() {
    let log = Log::numbered(5);
    let mut export = log.export(0, 0);
    export.head = key(2).sign(&log.head());
    assert_eq!(found(&export), Some(Finding::ForgedKey));
    export.head = "nonsense".to_owned();
    assert_eq!(found(&export), Some(Finding::NoHead));
}

#[test]
fn a_log_that_was_rolled_back_is_found() {
    let (before, after) = (Log::numbered(21), Log::numbered(13));
    let finding = verify(&after.export(0, 0), &trusted(), &seen(&before));
    assert_eq!(finding, Err(Finding::RolledBack { entry: 13 }));
}

#[test]
fn a_forked_log_is_found_and_where_as_far_as_was_seen() {
    let before = Log::numbered(21);
    let records = before.records.iter().enumerate().map(|(number, record)| {
        if number == 11 { "another past".to_owned() } else { record.clone() }
    });
    let mut after = Log::of(records);
    after.append("and more".to_owned());
    // With one head it is known only that something up to it is another.
    let finding = verify(&after.export(0, 0), &trusted(), &seen(&before));
    assert_eq!(finding, Err(Finding::Forked { from: 0, entry: 20 }));
    // With heads in between, between which.
    let heads = [5, 10, 15, 21].map(|size| Log::numbered(size).head()).to_vec();
    let finding = verify(&after.export(0, 0), &trusted(), &Seen { heads, leaves: BTreeMap::new() });
    assert_eq!(finding, Err(Finding::Forked { from: 10, entry: 14 }));
    // With an earlier export, which.
    let mut kept = Seen::default();
    kept.keep(&before.export(0, 0), before.head());
    let finding = verify(&after.export(0, 0), &trusted(), &kept);
    assert_eq!(finding, Err(Finding::Forked { from: 11, entry: 11 }));
}

#[test]
fn another_log_and_another_past_are_found() {
    let log = Log::numbered(21);
    let mut other = seen(&log);
    other.heads[0].origin = "via.example/c1/t8".to_owned();
    assert_eq!(verify(&log.export(0, 0), &trusted(), &other), Err(Finding::OtherLog));
    let mut export = log.export(8, 8);
    export.before = Frontier::new(8, vec![leaf(b"invented")]).unwrap();
    assert_eq!(found(&export), Some(Finding::OtherPast { entry: 8 }));
}

#[test]
fn what_does_not_read_is_named_by_its_line() {
    let text = Log::numbered(3).export(0, 0).text();
    let broken = text.replacen("{\"index\":1,", "{\"index\":,", 1);
    assert_eq!(Export::read(&broken).unwrap_err().line, 3);
    assert_eq!(Export::read("").unwrap_err().line, 1);
    let bare = text.replacen("\"record\":\"record 0\",", "", 1);
    assert_eq!(Export::read(&bare).unwrap_err().line, 2);
}

proptest! {
    /// Whatever single byte of an export's text is changed, it is not sound any
    /// more, or says the same as before.
    #[test]
    fn no_changed_byte_goes_unseen(count in 1_u64..20, at in any::<prop::sample::Index>(), bit in 0_u8..7) {
        let log = Log::numbered(count);
        let export = log.export(0, 0);
        let mut bytes = export.text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let Ok(read) = Export::read(&text) else { return Ok(()) };
        if verify(&read, &trusted(), &Seen::default()).is_ok() {
            // Proofs are looked at only to find what is wrong.
            let records = |export: &Export| {
                export.lines.iter().map(|line| (line.index, line.record.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(records(&read), records(&export));
        }
    }
}
