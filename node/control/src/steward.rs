//! What the leader of the meta group looks after: that the cluster is arranged,
//! who is there, who is given up, and who votes. Level-triggered: each round
//! looks anew and does at most one thing to the group.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use via_catalog::command::ObserveNode;
use via_catalog::{Node, NodeState};
use via_consensus::Status;
use via_types::NodeId;

use crate::Error;
use crate::liveness::Sightings;
use crate::office::SIGN_OF_LIFE;
use crate::room::{Room, Watch};
use crate::voters::{self, Member, Role, Step};
use crate::wire::{Ask, Told};

/// How often the leader looks.
const ROUND: Duration = Duration::from_millis(250);
/// How long one step may take before it is looked at anew.
const STEP: Duration = Duration::from_secs(5);
/// Entries that a replica may lag and still be called level.
const LAG: u64 = 256;

impl Room {
    /// Looks after the cluster whenever this node leads it; never ends.
    pub(crate) async fn look_after(&self) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut term = None;
        loop {
            rounds.tick().await;
            let lead = *self.group.leadership().borrow();
            if !lead.is_me {
                *self.watch.lock() = None;
                term = None;
                continue;
            }
            if term != Some(lead.term) {
                let sightings = Sightings::begin(Instant::now());
                *self.watch.lock() = Some(Watch { sightings, last: HashMap::new() });
                match self.arrange().await {
                    Ok(()) => term = Some(lead.term),
                    Err(error) => {
                        tracing::debug!(error = error.words(), "the cluster is not arranged yet");
                        continue;
                    }
                }
            }
            self.look_around().await;
            if let Err(error) = self.report_sightings().await {
                tracing::warn!(error = error.words(), "what was seen could not be recorded");
            }
            self.mind_voters().await;
        }
    }

    /// Asks every other node for a sign of life.
    async fn look_around(&self) {
        let others = self.others();
        let asked = others.iter().map(|node| self.ask(*node, &Ask::Ping, SIGN_OF_LIFE));
        let told = join_all(asked).await;
        let now = Instant::now();
        let mut watch = self.watch.lock();
        let Some(watch) = watch.as_mut() else { return };
        for (node, told) in others.iter().zip(told) {
            if let Ok(Told::Alive(alive)) = told {
                watch.sightings.saw(*node, now);
                watch.last.insert(*node, alive);
            }
        }
    }

    /// Writes down who is given up and who is back.
    async fn report_sightings(&self) -> Result<(), Error> {
        let view = self.state.view();
        let others = view.nodes().map(|node| &**node).filter(|node| node.id != self.me());
        let observed = match self.watch.lock().as_ref() {
            Some(watch) => {
                watch.sightings.observe(others, Instant::now(), self.options.replace_after)
            }
            None => return Ok(()),
        };
        for (id, is_up) in observed {
            tracing::warn!(node = %id, is_up, "a node is {}", if is_up { "back" } else { "given up" });
            self.propose_here(&ObserveNode { id, is_up }.into()).await?.1?;
        }
        // A leader that others had given up is there.
        let mine = view.node(self.me()).is_some_and(|node| node.state == NodeState::Down);
        if mine {
            let (id, is_up) = (self.me(), true);
            self.propose_here(&ObserveNode { id, is_up }.into()).await?.1?;
        }
        Ok(())
    }

    /// Takes the next step to the voters that should be.
    async fn mind_voters(&self) {
        let (members, sets) = (self.members(), self.group.status().voters);
        let step = if sets.len() > 1 {
            voters::unfinished(&sets, &members, self.me())
        } else {
            voters::next(&members, self.me())
        };
        let Some(step) = step else { return };
        tracing::info!(?step, "the meta group changes");
        let failed = match timeout(STEP, self.perform(&step)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.words(),
            Err(_) => "it takes long".to_owned(),
        };
        tracing::warn!(?step, failed, "a change of the meta group is looked at anew");
    }

    async fn perform(&self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Invite(node) => drop(self.group.add_learner(*node).await?),
            Step::Seat(voters) => drop(self.group.seat_voters(voters).await?),
            Step::Dismiss(nodes) => drop(self.group.remove_learners(nodes).await?),
            Step::HandOver(node) => self.group.transfer(*node).await?,
            Step::Entrust(node) => {
                let papers = self.papers.as_ref().ok_or(Error::Alone)?;
                let authority = papers.authority().ok_or(Error::NotEntrusted)?;
                let ask = Ask::Entrust(authority.export());
                let told = self.ask(*node, &ask, STEP).await?;
                if !matches!(told, Told::Yes) {
                    return Err(told.into_error());
                }
            }
        }
        Ok(())
    }

    /// Returns the nodes as they are to the meta group.
    fn members(&self) -> Vec<Member> {
        let view = self.state.view();
        let status = self.group.status();
        let now = Instant::now();
        let watch = self.watch.lock();
        let member = |node: &Node| {
            let is_me = node.id == self.me();
            let seen = watch.as_ref().is_some_and(|watch| watch.sightings.is_seen(node.id, now));
            let last = watch.as_ref().and_then(|watch| watch.last.get(&node.id));
            Member {
                node: node.id,
                zone: node.zone.clone(),
                state: node.state,
                role: role(&status, node.id),
                is_seen: is_me || seen,
                is_level: is_me || is_level(&status, node.id),
                is_entrusted: is_me || last.is_some_and(|alive| alive.is_entrusted),
            }
        };
        view.nodes().map(|node| member(node)).collect()
    }

    /// Hands leadership over before this node goes, so that nobody waits.
    pub(crate) async fn hand_over(&self) {
        let status = self.group.status();
        if !status.leadership.is_me {
            return;
        }
        let now = Instant::now();
        let is_fit = |node: &NodeId| {
            let watch = self.watch.lock();
            let seen = watch.as_ref().is_some_and(|watch| watch.sightings.is_seen(*node, now));
            *node != self.me() && seen && is_level(&status, *node)
        };
        let Some(heir) = status.voters.iter().flatten().find(|node| is_fit(node)) else { return };
        if !matches!(timeout(STEP, self.group.transfer(*heir)).await, Ok(Ok(()))) {
            tracing::warn!(%heir, "leadership was not handed over; another will be elected");
        }
    }
}

fn role(status: &Status, node: NodeId) -> Role {
    if status.voters.iter().any(|voters| voters.contains(&node)) {
        return Role::Voter;
    }
    if status.learners.contains(&node) { Role::Learner } else { Role::Stranger }
}

fn is_level(status: &Status, node: NodeId) -> bool {
    let last = status.last.map_or(0, |last| last.get());
    let reached = status.replicated.get(&node).copied().flatten();
    reached.is_some_and(|reached| reached.get() + LAG >= last)
}
