//! What clients were told, and what may therefore be true. Pure: it knows no
//! node, only operations that began and how each ended. Every contradiction is a
//! violation, told with the invariant that is broken.

use std::collections::{BTreeMap, BTreeSet};

use via_types::{DetectionId, NodeId, Revision, ShardId, Term};

/// Which write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WriteId(u64);

/// What is known of the counts of one entity.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Events that clients were told are accepted.
    acknowledged: u64,
    /// Events of which nobody knows.
    doubtful: u64,
    /// Events of writes that have not ended.
    under_way: u64,
}

impl Count {
    fn most(self) -> u64 {
        self.acknowledged + self.doubtful + self.under_way
    }
}

/// A write under way.
#[derive(Clone, Debug)]
struct Write {
    entity: usize,
    events: u64,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// So many of its events count.
    Accepted(u64),
    /// Surely none of them does.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A read under way: what it must at least see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    entity: usize,
    least: u64,
}

/// What clients were told.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    counts: Vec<Count>,
    writes: BTreeMap<WriteId, Write>,
    next: u64,
    /// Who executed which shard in which term.
    executors: BTreeMap<(ShardId, Term), NodeId>,
    /// Detections that somebody was shown, by how far each had grown.
    shown: BTreeMap<(DetectionId, u64), u64>,
    /// Revisions on which accepted configurations were based.
    based_on: BTreeSet<Revision>,
    tally: Tally,
}

/// How much of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes that were accepted.
    pub accepted: u64,
    /// Writes that were surely not applied.
    pub refused: u64,
    /// Writes of which nobody knows.
    pub unknown: u64,
    /// Writes recognised as sent before.
    pub repeated: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Events acknowledged.
    pub events: u64,
}

impl Oracle {
    /// Makes one for so many entities.
    pub(crate) fn new(entities: usize) -> Self {
        Self { counts: vec![Count::default(); entities], ..Self::default() }
    }

    /// Returns how much happened.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// A write of so many events of one entity begins.
    pub(crate) fn begin_write(&mut self, entity: usize, events: u64) -> WriteId {
        self.next += 1;
        self.counts[entity].under_way += events;
        self.writes.insert(WriteId(self.next), Write { entity, events });
        WriteId(self.next)
    }

    /// A write ends.
    pub(crate) fn end_write(&mut self, id: WriteId, fate: Fate) -> Result<(), String> {
        let Some(Write { entity, events }) = self.writes.remove(&id) else {
            return Err(format!("invariant D-5: {id:?} was answered twice"));
        };
        let count = &mut self.counts[entity];
        count.under_way -= events;
        match fate {
            Fate::Accepted(accepted) => {
                count.acknowledged += accepted;
                self.tally.accepted += 1;
                self.tally.events += accepted;
                if accepted > events {
                    return Err(format!("invariant D-2: {accepted} of {events} events accepted"));
                }
            }
            Fate::Refused => self.tally.refused += 1,
            Fate::Unknown => {
                count.doubtful += events;
                self.tally.unknown += 1;
            }
        }
        Ok(())
    }

    /// A write that was acknowledged before is sent again and answered.
    pub(crate) fn repeated(&mut self, told: u64, now: Option<(bool, u64)>) -> Result<(), String> {
        self.tally.repeated += 1;
        match now {
            Some((true, accepted)) if accepted == told => Ok(()),
            None => Ok(()),
            Some((is_repeated, accepted)) => Err(format!(
                "invariant D-2: {told} events were acknowledged; sent again, {accepted} were, repeated: {is_repeated}"
            )),
        }
    }

    /// A read of an entity's count begins.
    pub(crate) fn begin_read(&self, entity: usize) -> Read {
        Read { entity, least: self.counts[entity].acknowledged }
    }

    /// A read ends with a count.
    pub(crate) fn end_read(&mut self, read: Read, found: u64) -> Result<(), String> {
        self.tally.reads += 1;
        let most = self.counts[read.entity].most();
        if found < read.least {
            let least = read.least;
            let entity = read.entity;
            return Err(format!(
                "invariant D-1: {least} events of e{entity} were acknowledged before it was asked, {found} are counted"
            ));
        }
        if found > most {
            let entity = read.entity;
            return Err(format!(
                "invariant D-2: at most {most} events of e{entity} can count, {found} do"
            ));
        }
        Ok(())
    }

    /// Somebody executes a shard in a term.
    pub(crate) fn executes(
        &mut self,
        node: NodeId,
        shard: ShardId,
        term: Term,
    ) -> Result<(), String> {
        let known = *self.executors.entry((shard, term)).or_insert(node);
        if known == node {
            return Ok(());
        }
        Err(format!("invariant D-3: {shard} is executed by {known} and {node} in {term}"))
    }

    /// Returns in how many terms shards were executed.
    pub(crate) fn terms(&self) -> u64 {
        self.executors.len() as u64
    }

    /// Somebody is shown a detection that had grown so far; `body` is its hash.
    pub(crate) fn shown(&mut self, id: DetectionId, grown: u64, body: u64) -> Result<(), String> {
        let known = *self.shown.entry((id, grown)).or_insert(body);
        if known == body {
            return Ok(());
        }
        Err(format!("invariant D-4: {id} is shown with two bodies"))
    }

    /// Returns what somebody was shown.
    pub(crate) fn all_shown(&self) -> impl Iterator<Item = DetectionId> {
        self.shown.keys().map(|(id, _)| *id)
    }

    /// A configuration that was based on a revision is accepted.
    pub(crate) fn configured(&mut self, based_on: Revision, now: Revision) -> Result<(), String> {
        if now < based_on {
            return Err(format!("invariant C-1: {now} follows {based_on}"));
        }
        if now == based_on {
            // It said what was said already.
            return Ok(());
        }
        if !self.based_on.insert(based_on) {
            return Err(format!("invariant C-1: two changes were based on {based_on}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use via_types::LogIndex;

    use super::*;

    #[test]
    fn a_lost_event_and_one_counted_twice_are_found_and_a_doubtful_one_may_be_either() {
        let mut oracle = Oracle::new(1);
        let write = oracle.begin_write(0, 3);
        let early = oracle.begin_read(0);
        oracle.end_write(write, Fate::Accepted(3)).expect("once");
        assert!(oracle.end_write(write, Fate::Refused).is_err(), "answered twice");
        let late = oracle.begin_read(0);
        oracle.end_read(early, 0).expect("it began before");
        oracle.end_read(late, 2).expect_err("one was lost");
        oracle.end_read(late, 4).expect_err("one counts twice");
        let doubtful = oracle.begin_write(0, 2);
        oracle.end_write(doubtful, Fate::Unknown).expect("once");
        for found in 3..=5 {
            let read = oracle.begin_read(0);
            oracle.end_read(read, found).expect("nobody knows");
        }
        let refused = oracle.begin_write(0, 7);
        oracle.end_write(refused, Fate::Refused).expect("once");
        let read = oracle.begin_read(0);
        oracle.end_read(read, 10).expect_err("what was refused never counts");
    }

    #[test]
    fn two_executors_two_bodies_and_two_changes_of_one_revision_are_found() {
        let mut oracle = Oracle::new(0);
        let (shard, term) = (ShardId::new(1), Term::new(2));
        oracle.executes(NodeId::new(1), shard, term).expect("the first");
        oracle.executes(NodeId::new(1), shard, term).expect("the same");
        oracle.executes(NodeId::new(2), shard, term).expect_err("another");
        let id = DetectionId { shard, index: LogIndex::new(1), offset: 0 };
        oracle.shown(id, 1, 1).expect("the first");
        oracle.shown(id, 1, 1).expect("told twice");
        oracle.shown(id, 2, 2).expect("it has grown");
        oracle.shown(id, 1, 2).expect_err("another body");
        oracle.configured(Revision::new(3), Revision::new(5)).expect("newer");
        oracle.configured(Revision::new(3), Revision::new(6)).expect_err("stale");
        oracle.configured(Revision::new(6), Revision::new(6)).expect("nothing new");
        oracle.configured(Revision::new(6), Revision::new(5)).expect_err("backwards");
    }

    #[test]
    fn a_repetition_must_tell_the_same() {
        let mut oracle = Oracle::new(0);
        oracle.repeated(5, Some((true, 5))).expect("the same");
        oracle.repeated(5, None).expect("nobody answered");
        oracle.repeated(5, Some((false, 5))).expect_err("counted again");
        oracle.repeated(5, Some((true, 4))).expect_err("told otherwise");
    }
}
