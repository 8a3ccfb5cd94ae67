//! The audit logs as they are read: records, signed heads, proofs, exports.
//! Reads what this node has applied; whoever needs all that was answered before
//! asks for a read barrier first. Refuses to know who may read.

use std::sync::Arc;
use std::time::Duration;

use via_audit::{
    Export, Frontier, Hash, Head, Line, Nodes, Place, PublicKey, SecretKey, consistency, inclusion,
};
use via_catalog::command::PruneTrail;
use via_catalog::{Refusal, Subject, Trail, TrailId};

use crate::Error;
use crate::handle::Handle;
use crate::room::Room;
use crate::rows;
use crate::service::blocking;
use crate::state::State;

/// Most records of one page or one export.
const PAGE: u64 = 4_096;

/// How often it is looked whether records are old enough to go.
const LOOK: Duration = Duration::from_secs(3_600);

/// That a log has a record, or continues itself, as it can be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The head that it is about, as a signed note.
    pub head: String,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// The tree of one log on this node.
struct Tree {
    state: Arc<State>,
    trail: TrailId,
}

impl Nodes for Tree {
    type Error = rows::Error;

    fn node(&self, place: Place) -> Result<Option<Hash>, rows::Error> {
        self.state.node(self.trail, place)
    }
}

impl Handle {
    /// Returns records of a log from `from` on, the oldest first: at most
    /// `limit`, and of those that are pruned nothing but the place.
    ///
    /// # Errors
    /// [`Error::Kept`].
    pub async fn audit_page(
        &self,
        trail: TrailId,
        from: u64,
        limit: u64,
    ) -> Result<Vec<(u64, Option<String>)>, Error> {
        let size = self.trail(trail).tree.size();
        let state = Arc::clone(&self.room().state);
        let to = size.min(from.saturating_add(limit.min(PAGE)));
        let read = move || (from..to).map(|at| Ok((at, state.record(trail, at)?))).collect();
        blocking(read).await
    }

    /// Returns the key that checks signed heads.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Unfit`] while the cluster is not formed.
    pub fn audit_key(&self) -> Result<PublicKey, Error> {
        Ok(self.signer()?.public().clone())
    }

    /// Returns what a log is now: its size and root, as a signed note.
    ///
    /// # Errors
    /// As [`Self::audit_key`].
    pub fn audit_head(&self, trail: TrailId) -> Result<String, Error> {
        self.signed(&self.trail(trail))
    }

    /// Proves that a log has the record `index`, as of its head now; none when it
    /// has not.
    ///
    /// # Errors
    /// [`Error::Kept`], and as [`Self::audit_key`].
    pub async fn audit_inclusion(
        &self,
        trail: TrailId,
        index: u64,
    ) -> Result<Option<Proof>, Error> {
        let there = self.trail(trail);
        let (tree, size) = (self.tree(trail), there.tree.size());
        let hashes = blocking(move || inclusion(&tree, index, size)).await?;
        let head = self.signed(&there)?;
        Ok(hashes.map(|hashes| Proof { head, hashes }))
    }

    /// Proves that a log continues what it was when it had `old` records; none
    /// when it never had as many.
    ///
    /// # Errors
    /// [`Error::Kept`], and as [`Self::audit_key`].
    pub async fn audit_consistency(
        &self,
        trail: TrailId,
        old: u64,
    ) -> Result<Option<Proof>, Error> {
        let there = self.trail(trail);
        let (tree, size) = (self.tree(trail), there.tree.size());
        let hashes = blocking(move || consistency(&tree, old, size)).await?;
        let head = self.signed(&there)?;
        Ok(hashes.map(|hashes| Proof { head, hashes }))
    }

    /// Returns the records of a log from `from` on with everything that an
    /// outsider needs to check them. At most a page: a longer log is exported as
    /// of an earlier head, from each page's end on, when `size` says so.
    ///
    /// # Errors
    /// [`Error::Refused`] when the log is longer than a page from there, or has
    /// never been as long as `size`; [`Error::Kept`].
    pub async fn audit_export(
        &self,
        trail: TrailId,
        from: u64,
        size: Option<u64>,
    ) -> Result<Export, Error> {
        let there = self.trail(trail);
        let size = size.unwrap_or(there.tree.size());
        if size > there.tree.size() || from > size || size - from > PAGE {
            return Err(Refusal::full("records of one export", PAGE).into());
        }
        let (tree, state) = (self.tree(trail), Arc::clone(&self.room().state));
        let read = move || {
            let before = frontier(&tree, from)?;
            let root = frontier(&tree, size)?.root();
            let lines: Result<Vec<_>, rows::Error> =
                (from..size).map(|index| line(&state, &tree, index, size)).collect();
            Ok((before, root, lines?))
        };
        let (before, root, lines) = blocking(read).await?;
        let head = Head { origin: self.origin(trail)?, size, root };
        Ok(Export { before, lines, head: self.signer()?.sign(&head) })
    }

    fn trail(&self, id: TrailId) -> Arc<Trail> {
        self.view().trail(id).cloned().unwrap_or_else(|| Arc::new(Trail::new(id)))
    }

    fn tree(&self, trail: TrailId) -> Tree {
        Tree { state: Arc::clone(&self.room().state), trail }
    }

    fn signed(&self, trail: &Trail) -> Result<String, Error> {
        let (size, root) = (trail.tree.size(), trail.tree.root());
        let head = Head { origin: self.origin(trail.id)?, size, root };
        Ok(self.signer()?.sign(&head))
    }

    fn origin(&self, trail: TrailId) -> Result<String, Error> {
        Ok(format!("{}/{trail}", self.signers_name()?))
    }

    fn signers_name(&self) -> Result<String, Error> {
        let cluster = self.view().cluster().map(|cluster| cluster.id);
        let cluster = cluster.ok_or(Refusal::NotFormed)?;
        Ok(format!("{cluster}.via/audit"))
    }

    fn signer(&self) -> Result<SecretKey, Error> {
        let name = self.signers_name()?;
        let view = self.view();
        let seed = view.subject(Subject::SIGNER).map(|subject| subject.key);
        let missing = || Error::Unfit("the key that signs audit logs is not there yet".to_owned());
        let seed = seed.ok_or_else(missing)?;
        SecretKey::from_seed(&name, &seed).map_err(|bad| Error::Unfit(bad.to_string()))
    }
}

impl Room {
    /// Lets records go that are older than they must be kept, while this node
    /// leads; never ends.
    pub(crate) async fn keep_archive(&self) {
        loop {
            if self.group.leadership().borrow().is_me
                && let Err(error) = self.prune().await
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "old audit records could not be let go; trying again");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn prune(&self) -> Result<(), Error> {
        let (view, now) = (self.state.view(), self.clock.now());
        let old = view.trails().filter(|trail| trail.prunable(now) > trail.kept_from);
        for trail in old.map(|trail| trail.id) {
            self.propose_here(&PruneTrail { trail }.into()).await?.1?;
        }
        Ok(())
    }
}

/// Returns the frontier that a log had when it had `size` records.
fn frontier(tree: &Tree, size: u64) -> Result<Frontier, rows::Error> {
    let peaks = Frontier::places(size).map(|place| {
        let node = tree.node(place)?;
        node.ok_or_else(|| via_audit::MissingNode(place).into())
    });
    let peaks = peaks.collect::<Result<Vec<_>, rows::Error>>()?;
    Frontier::new(size, peaks).map_err(|_| rows::Error::Trail(tree.trail))
}

fn line(state: &State, tree: &Tree, index: u64, size: u64) -> Result<Line, rows::Error> {
    let proof = inclusion(tree, index, size)?.unwrap_or_default();
    if let Some(text) = state.record(tree.trail, index)? {
        return Ok(Line::whole(index, text, proof));
    }
    let place = Place { level: 0, index };
    let hash = tree.node(place)?.ok_or(via_audit::MissingNode(place))?;
    Ok(Line::pruned(index, hash, proof))
}
