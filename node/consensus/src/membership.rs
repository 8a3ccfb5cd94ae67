//! The memberships a group has applied, as far back as its next snapshot
//! needs them. Stored before an entry that sets one counts as applied, so that
//! the log may forget it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_storage::Slot;

use crate::Error;
use crate::entry::{PlaceForm, StoredForm};
use crate::log::GroupLog;
use crate::raft::{LogId, StoredMembership};

/// Most memberships between two checkpoints that are remembered one by one.
const KNOWN: usize = 64;

/// What is stored.
#[derive(Default, Serialize, Deserialize)]
struct Form {
    known: Vec<StoredForm>,
    installing: Option<PlaceForm>,
}

/// A group's memberships, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Memberships {
    known: VecDeque<StoredMembership>,
    /// Up to where a snapshot was being installed: the log may end before it.
    installing: Option<LogId>,
}

impl Memberships {
    /// Reads what was saved.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub(crate) fn load(log: &GroupLog) -> Result<Self, Error> {
        let Some(bytes) = log.load(Slot::Membership) else { return Ok(Self::default()) };
        let form: Form = via_codec::decode(Kind::Membership, &bytes)
            .map_err(|error| Error::Unreadable { what: "memberships", source: error.into() })?;
        let known: Result<_, Error> = form.known.into_iter().map(TryInto::try_into).collect();
        Ok(Self { known: known?, installing: form.installing.map(Into::into) })
    }

    /// Writes all of it down and waits until that is durable.
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn save(&self, log: &GroupLog) -> Result<(), Error> {
        let form = Form {
            known: self.known.iter().map(Into::into).collect(),
            installing: self.installing.map(Into::into),
        };
        let mut bytes = Vec::new();
        via_codec::try_encode_into(Kind::Membership, &form, &mut bytes)
            .map_err(|error| Error::Log(error.into()))?;
        log.store(Slot::Membership, bytes.into()).await
    }

    /// Returns the newest.
    pub(crate) fn newest(&self) -> StoredMembership {
        self.known.back().cloned().unwrap_or_default()
    }

    /// Returns the one in force at `at`.
    ///
    /// # Errors
    /// It is no longer known: too many changes since.
    pub(crate) fn as_of(&self, at: LogId) -> Result<StoredMembership, Error> {
        let then = self.known.iter().rev().find(|known| *known.log_id() <= Some(at));
        match then {
            Some(known) => Ok(known.clone()),
            None if self.known.is_empty() => Ok(StoredMembership::default()),
            None => Err(Error::Unreadable {
                what: "memberships",
                source: "replicas changed too often since the last checkpoint".into(),
            }),
        }
    }

    /// Adds a newer one; forgets those not in force at `durable` or later.
    pub(crate) fn adopt(&mut self, newer: StoredMembership, durable: Option<LogId>) {
        self.known.retain(|known| known.log_id() < newer.log_id());
        self.known.push_back(newer);
        while self.known.len() > 1
            && (self.known.len() > KNOWN
                || (durable.is_some() && *self.known[1].log_id() <= durable))
        {
            self.known.pop_front();
        }
    }

    /// Notes that a snapshot as of `at` will replace everything. Should that not
    /// come about, the machine stands where it stood, and what was in force there
    /// must still be known.
    pub(crate) fn begin_install(&mut self, membership: StoredMembership, at: LogId) {
        self.adopt(membership, None);
        self.installing = Some(at);
    }

    /// Says whether the log may end before `applied`, because a snapshot was
    /// just installed there.
    pub(crate) fn installed(&self, applied: LogId) -> bool {
        self.installing == Some(applied)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::raft::{LeaderId, Membership};

    fn id(index: u64) -> LogId {
        LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index }
    }

    fn stored(index: u64) -> StoredMembership {
        let voters = BTreeSet::from([1, index + 1]);
        StoredMembership::new(Some(id(index)), Membership::new_with_defaults(vec![voters], []))
    }

    #[test]
    fn finds_the_membership_in_force_at_a_place() {
        let mut memberships = Memberships::default();
        assert_eq!(memberships.as_of(id(3)).unwrap(), StoredMembership::default());
        for index in [0, 5, 9] {
            memberships.adopt(stored(index), None);
        }
        assert_eq!(memberships.as_of(id(4)).unwrap(), stored(0));
        assert_eq!(memberships.as_of(id(9)).unwrap(), stored(9));
        memberships.adopt(stored(12), Some(id(7)));
        assert_eq!(memberships.as_of(id(7)).unwrap(), stored(5), "still in force at 7");
        assert!(memberships.as_of(id(4)).is_err(), "forgotten");
    }

    #[test]
    fn an_installation_that_did_not_come_about_leaves_what_was_in_force_before() {
        let mut memberships = Memberships::default();
        for index in [0, 5] {
            memberships.adopt(stored(index), None);
        }
        memberships.begin_install(stored(20), id(30));
        assert_eq!(memberships.as_of(id(7)).unwrap(), stored(5), "the machine still stands there");
        assert_eq!(memberships.as_of(id(30)).unwrap(), stored(20));
        assert!(memberships.installed(id(30)) && !memberships.installed(id(7)));
        memberships.adopt(stored(40), Some(id(30)));
        assert!(memberships.as_of(id(7)).is_err(), "forgotten once it is durable");
    }
}
