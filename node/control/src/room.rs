//! What all parts of control on this node share, and the way from here to
//! whoever leads the meta group. A request that surely was not applied is tried
//! again while a leader is being found; one whose fate is unknown is not (D-5).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};
use via_catalog::{Author, Command, Deed, Entry, NodeState, Outcome, Refusal};
use via_codec::Kind;
use via_consensus::{Group, Host};
use via_transport::{Links, Service};
use via_types::{Clock, Fate, LogIndex, NodeId};

use crate::liveness::Sightings;
use crate::papers::Papers;
use crate::state::State;
use crate::wire::{self, Alive, Ask, Told};
use crate::{Error, Options};

/// How long a leader is looked for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one node may take to answer; above what the answerer allows itself.
const ASK: Duration = Duration::from_secs(10);
/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a committed change may take to show here.
const SHOWN: Duration = Duration::from_secs(5);

/// What the leader has seen of the others.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) sightings: Sightings,
    pub(crate) last: HashMap<NodeId, Alive>,
}

/// Control on this node.
pub(crate) struct Room {
    pub(crate) options: Options,
    pub(crate) state: Arc<State>,
    pub(crate) group: Group,
    pub(crate) host: Host,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) links: Option<Arc<dyn Links>>,
    pub(crate) papers: Option<Papers>,
    /// What this node has seen since it leads; none while it does not.
    pub(crate) watch: Mutex<Option<Watch>>,
}

impl Room {
    pub(crate) fn me(&self) -> NodeId {
        self.options.node
    }

    /// Returns a command as something that this node does by itself.
    fn own(&self, command: &Command) -> Entry {
        let deed = Deed::new(Author::Node(self.me()), self.clock.now());
        Entry { deed: Some(deed), command: command.clone() }
    }

    /// Proposes something of this node's own on this node, which must lead; says
    /// where it was committed.
    pub(crate) async fn propose_here(
        &self,
        command: &Command,
    ) -> Result<(LogIndex, Result<Outcome, Refusal>), Error> {
        self.enter_here(&self.own(command)).await
    }

    /// Proposes on this node, which must lead; says where it was committed.
    pub(crate) async fn enter_here(
        &self,
        entry: &Entry,
    ) -> Result<(LogIndex, Result<Outcome, Refusal>), Error> {
        let payload = via_codec::encode(Kind::CatalogEntry, entry);
        let committed = self.group.propose(payload.into()).await?;
        let outcome = committed.outcome.take().ok_or(Error::Outcome)?;
        Ok((committed.at.index, outcome))
    }

    /// Proposes something of this node's own wherever the leader is; the change
    /// shows here on return.
    pub(crate) async fn propose(&self, command: &Command) -> Result<Outcome, Error> {
        self.enter(&self.own(command)).await
    }

    /// Proposes wherever the leader is; the change shows here on return.
    pub(crate) async fn enter(&self, entry: &Entry) -> Result<Outcome, Error> {
        if self.links.is_none() {
            let outcome = self.enter_here(entry).await?.1?;
            // What is answered again was kept bare, as what travels.
            let is_kept = entry.deed.as_ref().is_some_and(|deed| deed.idempotency.is_some());
            return Ok(if is_kept { self.as_shown(outcome) } else { outcome });
        }
        let entry = via_codec::encode(Kind::CatalogEntry, entry);
        let told = self.lead(Ask::Propose(entry)).await?;
        self.done(told).await
    }

    /// Takes the outcome of a change, once it shows here.
    pub(crate) async fn done(&self, told: Told) -> Result<Outcome, Error> {
        let Told::Done { at, outcome } = told else { return Err(Error::Outcome) };
        let outcome = outcome?;
        self.shows(at).await?;
        Ok(self.as_shown(outcome))
    }

    /// Waits until this node has applied the entry at `index`.
    pub(crate) async fn shows(&self, index: LogIndex) -> Result<(), Error> {
        let shown = timeout(SHOWN, self.state.reach(index)).await;
        shown.map_err(|_| Error::Elsewhere {
            words: "it was committed, but this node does not know of it yet".to_owned(),
            fate: Fate::Unknown,
        })
    }

    /// Overlays what travelled bare with what this node knows: a stream does not
    /// carry the defaults of all streams.
    fn as_shown(&self, outcome: Outcome) -> Outcome {
        let view = self.state.view();
        if let Outcome::Stream { stream, existed } = outcome {
            Outcome::Stream { stream: view.whole(stream), existed }
        } else if let Outcome::Configured(stream) = outcome {
            Outcome::Configured(view.whole(stream))
        } else {
            outcome
        }
    }

    /// Waits until this node shows everything that was answered before, on
    /// whatever node.
    pub(crate) async fn read_barrier(&self) -> Result<(), Error> {
        if self.links.is_none() {
            self.group.read_barrier().await?;
            return Ok(());
        }
        let Told::Index(index) = self.lead(Ask::ReadIndex).await? else {
            return Err(Error::Outcome);
        };
        self.shows(index).await
    }

    /// Asks whoever leads the meta group, this node included.
    pub(crate) async fn lead(&self, ask: Ask) -> Result<Told, Error> {
        let until = Instant::now() + PATIENCE;
        let mut hint = None;
        let mut turn = 0;
        let mut last = Error::NoLeader;
        while Instant::now() < until {
            let leadership = *self.group.leadership().borrow();
            let asked = if leadership.is_me {
                Ok(self.answer(self.me(), ask.clone()).await)
            } else {
                let known = hint.take().or(leadership.leader).filter(|leader| *leader != self.me());
                match known.or_else(|| self.anybody(&mut turn)) {
                    Some(node) => self.ask(node, &ask, ASK).await,
                    None => Err(Error::NoLeader),
                }
            };
            match asked {
                Ok(Told::NotLeader(leader)) => {
                    hint = leader.filter(|leader| *leader != self.me());
                }
                Ok(Told::Failed { words, fate }) => {
                    let error = Error::Elsewhere { words, fate };
                    if !matches!(fate, Fate::Retry(_)) {
                        return Err(error);
                    }
                    last = error;
                }
                Ok(told) => return Ok(told),
                Err(error) if matches!(error.fate(), Fate::Retry(_)) => last = error,
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
        Err(last)
    }

    /// Returns a node to ask when nobody is known to lead: each in turn.
    fn anybody(&self, turn: &mut usize) -> Option<NodeId> {
        let mut nodes = self.others();
        if nodes.is_empty() {
            let papers = self.papers.as_ref();
            let kept = papers.and_then(|papers| papers.safe().peers().ok()).unwrap_or_default();
            let known = kept.into_keys().chain(self.options.known.iter().copied());
            nodes = known.filter(|node| *node != self.me()).collect();
        }
        *turn += 1;
        (!nodes.is_empty()).then(|| nodes[*turn % nodes.len()])
    }

    /// Returns every other node that has not left and can be reached.
    pub(crate) fn others(&self) -> Vec<NodeId> {
        let view = self.state.view();
        let others = view.nodes().filter(|node| {
            node.id != self.me() && node.state != NodeState::Left && !node.addresses.is_empty()
        });
        others.map(|node| node.id).collect()
    }

    /// Asks one other node.
    pub(crate) async fn ask(
        &self,
        node: NodeId,
        ask: &Ask,
        deadline: Duration,
    ) -> Result<Told, Error> {
        let links = self.links.as_ref().ok_or(Error::Alone)?;
        let request = wire::encode(ask).into();
        wire::decode(&links.call(node, Service::Control, request, deadline).await?)
    }
}
