//! Who should vote in the meta group, and the next step from who does: pure,
//! level-triggered, one step at a time. Voters are one, three or five, spread
//! over zones; a dead one stays until another can take its seat; a step never
//! seats who has not caught up, nor a set that could not decide now.

use std::collections::{BTreeMap, BTreeSet};

use via_catalog::NodeState;
use via_types::NodeId;

/// Most voters: two may fail at once, and more would only slow decisions.
pub(crate) const VOTERS: usize = 5;

/// What a node is in the meta group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Stranger,
    Learner,
    Voter,
}

/// A node as the leader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) zone: Option<String>,
    pub(crate) state: NodeState,
    pub(crate) role: Role,
    /// It answered a moment ago.
    pub(crate) is_seen: bool,
    /// Its log has nearly all that the leader's has.
    pub(crate) is_level: bool,
    /// It can certify others, as every voter must; true where nobody needs to.
    pub(crate) is_entrusted: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Let the node listen.
    Invite(NodeId),
    /// Give the node what a voter needs to have.
    Entrust(NodeId),
    /// Let exactly these vote.
    Seat(BTreeSet<NodeId>),
    /// Let this voter lead.
    HandOver(NodeId),
    /// Let these not even listen.
    Dismiss(BTreeSet<NodeId>),
}

impl Member {
    fn is_voter(&self) -> bool {
        self.role == Role::Voter
    }

    fn belongs(&self) -> bool {
        matches!(self.state, NodeState::Active | NodeState::Draining | NodeState::Down)
    }

    /// Says whether it may have a seat: who has one keeps it while it is down.
    fn may_vote(&self) -> bool {
        let is_fit = self.role == Role::Learner && self.is_seen && self.is_level;
        match self.state {
            NodeState::Active => self.is_voter() || is_fit,
            NodeState::Down => self.is_voter(),
            NodeState::Draining | NodeState::Left | NodeState::Joining => false,
        }
    }
}

/// Returns how many of `nodes` should vote: an even number would survive no
/// more failures than one less, and be stopped by more.
fn seats(nodes: usize) -> usize {
    match nodes.min(VOTERS) {
        even if even > 0 && even % 2 == 0 => even - 1,
        odd => odd,
    }
}

/// Returns who should vote: those that are there before those that are not, in
/// as many zones as there are, those that do already, and the leader.
fn wished(members: &[Member], leader: NodeId) -> BTreeSet<NodeId> {
    let mut pool: Vec<&Member> = members.iter().filter(|member| member.may_vote()).collect();
    let mut wished = BTreeSet::new();
    // A node without a zone is a zone of its own.
    let zone = |member: &Member| match &member.zone {
        Some(zone) => (Some(zone.clone()), NodeId::new(0)),
        None => (None, member.node),
    };
    let mut crowd: BTreeMap<_, usize> = BTreeMap::new();
    for _ in 0..seats(pool.len()) {
        let rank = |member: &&Member| {
            let crowded = crowd.get(&zone(member)).copied().unwrap_or(0);
            let is_down = member.state == NodeState::Down;
            (is_down, crowded, !member.is_voter(), member.node != leader, member.node)
        };
        let Some(best) = (0..pool.len()).min_by_key(|place| rank(&pool[*place])) else { break };
        let best = pool.remove(best);
        *crowd.entry(zone(best)).or_default() += 1;
        wished.insert(best.node);
    }
    wished
}

/// Returns how to end a change of voters that a leader before left halfway: by then
/// two sets must agree to everything, and to be in either looks like having a seat.
/// A leader that will have none hands over first: without one, nobody would tell it
/// that another was elected.
pub(crate) fn unfinished(
    sets: &[BTreeSet<NodeId>],
    members: &[Member],
    leader: NodeId,
) -> Option<Step> {
    let goal = sets.last().filter(|_| sets.len() > 1)?;
    if goal.contains(&leader) {
        return Some(Step::Seat(goal.clone()));
    }
    let heir = members.iter().find(|it| goal.contains(&it.node) && it.is_seen && it.is_level)?;
    Some(Step::HandOver(heir.node))
}

/// Returns the next step; none when all is as it should be, or nothing can be
/// done now. `leader` is the node that asks.
pub(crate) fn next(members: &[Member], leader: NodeId) -> Option<Step> {
    let nodes = |of: &dyn Fn(&Member) -> bool| -> BTreeSet<NodeId> {
        members.iter().filter(|member| of(member)).map(|member| member.node).collect()
    };
    let idle = nodes(&|member| member.role == Role::Learner && !member.belongs());
    if !idle.is_empty() {
        return Some(Step::Dismiss(idle));
    }
    let strangers =
        nodes(&|member| member.role == Role::Stranger && member.belongs() && member.is_seen);
    if let Some(node) = strangers.first() {
        return Some(Step::Invite(*node));
    }
    let voters = nodes(&Member::is_voter);
    let mut wished = wished(members, leader);
    if wished.is_empty() || wished == voters {
        return None;
    }
    let find = |node: &NodeId| members.iter().find(|member| member.node == *node);
    let is = |node: &NodeId, of: &dyn Fn(&Member) -> bool| find(node).is_some_and(of);
    if !wished.contains(&leader) {
        let fit = |member: &Member| member.is_voter() && member.is_seen && member.is_level;
        match wished.iter().find(|node| is(node, &fit)) {
            Some(heir) => return Some(Step::HandOver(*heir)),
            // First somebody must have a seat who could lead.
            None => wished.insert(leader),
        };
    }
    if let Some(node) = wished.iter().find(|node| !is(node, &|member| member.is_entrusted)) {
        let is_seen = is(node, &|member| member.is_seen);
        return is_seen.then_some(Step::Entrust(*node));
    }
    let seen = wished.iter().filter(|node| is(node, &|member| member.is_seen)).count();
    (wished != voters && seen > wished.len() / 2).then_some(Step::Seat(wished))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number)
    }

    fn member(number: u64, role: Role) -> Member {
        Member {
            node: node(number),
            zone: None,
            state: NodeState::Active,
            role,
            is_seen: true,
            is_level: true,
            is_entrusted: true,
        }
    }

    fn set(numbers: &[u64]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(node).collect()
    }

    /// Does what a step says, as the group would.
    fn perform(members: &mut [Member], leader: &mut NodeId, step: &Step) {
        match step {
            Step::Invite(node) => role(members, *node, Role::Learner),
            Step::Entrust(node) => {
                members
                    .iter_mut()
                    .filter(|it| it.node == *node)
                    .for_each(|it| it.is_entrusted = true);
            }
            Step::HandOver(node) => *leader = *node,
            Step::Dismiss(nodes) => nodes.iter().for_each(|it| role(members, *it, Role::Stranger)),
            Step::Seat(voters) => {
                for member in members.iter_mut() {
                    if voters.contains(&member.node) {
                        member.role = Role::Voter;
                    } else if member.role == Role::Voter {
                        member.role = Role::Learner;
                    }
                }
            }
        }
    }

    fn role(members: &mut [Member], node: NodeId, role: Role) {
        members.iter_mut().filter(|it| it.node == node).for_each(|it| it.role = role);
    }

    fn voters(members: &[Member]) -> BTreeSet<NodeId> {
        members.iter().filter(|it| it.is_voter()).map(|it| it.node).collect()
    }

    /// Steps until nothing is left to do; checks each step.
    fn settle(members: &mut [Member], leader: &mut NodeId) {
        for _ in 0..64 {
            let Some(step) = next(members, *leader) else { return };
            check(members, *leader, &step);
            perform(members, leader, &step);
        }
        panic!("it does not come to rest: {members:?}");
    }

    fn check(members: &[Member], leader: NodeId, step: &Step) {
        let find = |node: &NodeId| members.iter().find(|it| it.node == *node).expect("known");
        match step {
            Step::Seat(seated) => {
                let before = voters(members);
                assert!(!seated.is_empty() && seated.len() <= VOTERS, "{seated:?}");
                assert!(seated.contains(&leader), "the leader goes only by handing over");
                for new in seated.difference(&before) {
                    let new = find(new);
                    assert!(new.is_seen && new.is_level && new.is_entrusted, "{new:?}");
                    assert_eq!(new.state, NodeState::Active);
                }
                let seen = seated.iter().filter(|it| find(it).is_seen).count();
                assert!(seen * 2 > seated.len(), "it can decide");
            }
            Step::HandOver(heir) => {
                let heir = find(heir);
                assert!(heir.is_voter() && heir.is_seen && heir.is_level);
            }
            Step::Dismiss(nodes) => assert!(nodes.iter().all(|it| !find(it).is_voter())),
            Step::Invite(_) | Step::Entrust(_) => {}
        }
    }

    #[test]
    fn one_two_three_five_four() {
        let mut leader = node(1);
        let mut members = vec![member(1, Role::Voter)];
        let expected: [&[u64]; 5] = [&[1], &[1], &[1, 2, 3], &[1, 2, 3], &[1, 2, 3, 4, 5]];
        for (number, expected) in (1..).zip(expected) {
            if number > 1 {
                members.push(member(number, Role::Stranger));
            }
            settle(&mut members, &mut leader);
            assert_eq!(voters(&members), set(expected), "{number} nodes");
        }
        members[0].state = NodeState::Draining;
        settle(&mut members, &mut leader);
        assert_eq!(voters(&members), set(&[2, 3, 4]), "of four, three vote");
        assert_ne!(leader, node(1), "leadership went before the seat");
    }

    #[test]
    fn what_a_leader_left_halfway_is_ended_though_all_have_their_seats() {
        let members: Vec<_> = (1..=5).map(|number| member(number, Role::Voter)).collect();
        assert_eq!(next(&members, node(1)), None, "all that should vote are in one set or other");
        let sets = [set(&[1, 2, 3]), set(&[1, 2, 3, 4, 5])];
        let seat = Some(Step::Seat(sets[1].clone()));
        assert_eq!(unfinished(&sets, &members, node(1)), seat);
        assert_eq!(unfinished(&sets[1..], &members, node(1)), None);
        let away = [sets[1].clone(), set(&[2, 3, 4])];
        let over = Some(Step::HandOver(node(2)));
        assert_eq!(unfinished(&away, &members, node(1)), over, "it will not vote");
    }

    #[test]
    fn a_dead_voter_keeps_its_seat_until_another_can_take_it() {
        let mut leader = node(1);
        let mut members: Vec<_> = (1..=3).map(|number| member(number, Role::Voter)).collect();
        (members[2].state, members[2].is_seen) = (NodeState::Down, false);
        settle(&mut members, &mut leader);
        assert_eq!(voters(&members), set(&[1, 2, 3]), "nobody could replace it");
        members.push(member(4, Role::Stranger));
        members[3].is_entrusted = false;
        settle(&mut members, &mut leader);
        assert_eq!(voters(&members), set(&[1, 2, 4]));
    }

    #[test]
    fn voters_are_in_as_many_zones_as_there_are() {
        let mut leader = node(1);
        let mut members: Vec<_> = (1..=5).map(|number| member(number, Role::Learner)).collect();
        let zones = ["a", "a", "a", "b", "c"];
        members.iter_mut().zip(zones).for_each(|(it, zone)| it.zone = Some(zone.to_owned()));
        members[0].role = Role::Voter;
        members[1].is_level = false;
        settle(&mut members, &mut leader);
        assert_eq!(voters(&members), set(&[1, 4, 5]));
    }

    fn state() -> impl Strategy<Value = NodeState> {
        use NodeState::{Active, Down, Draining, Joining, Left};
        prop::sample::select(vec![Active, Active, Active, Active, Down, Draining, Joining, Left])
    }

    proptest! {
        /// Whatever happened to the nodes, it comes to rest, and at rest all is
        /// as it should be.
        #[test]
        fn it_comes_to_rest_where_it_should(
            nodes in prop::collection::vec(
                (state(), 0_u8..3, prop::bool::weighted(0.3), prop::bool::weighted(0.8)), 1..9),
            later in prop::collection::vec((0_usize..9, state(), any::<bool>()), 0..8),
        ) {
            let mut leader = node(1);
            let mut members = vec![];
            for (number, (state, zone, is_voter, is_seen)) in (1..).zip(nodes) {
                let first = number == 1;
                members.push(Member {
                    state: if first { NodeState::Active } else { state },
                    zone: (zone > 0).then(|| format!("z{zone}")),
                    role: if first || is_voter && number < 6 { Role::Voter } else { Role::Stranger },
                    is_seen: first || is_seen,
                    is_entrusted: first,
                    ..member(number, Role::Stranger)
                });
            }
            settle(&mut members, &mut leader);
            for (place, state, is_seen) in later {
                let place = place % members.len();
                let is_leader = members[place].node == leader;
                let left = members[place].state == NodeState::Left;
                members[place].is_seen = is_leader || is_seen;
                if !left && (!is_leader || state == NodeState::Draining) {
                    members[place].state = state;
                }
                settle(&mut members, &mut leader);
            }
            // Everybody is there again: now it must be exactly right.
            members.iter_mut().for_each(|it| it.is_seen = true);
            settle(&mut members, &mut leader);
            let seated = voters(&members);
            let active = members.iter().filter(|it| it.state == NodeState::Active).count();
            if active > 0 {
                let down = members.iter()
                    .filter(|it| it.state == NodeState::Down && it.is_voter()).count();
                prop_assert_eq!(seated.len(), seats(active + down));
                let of = |node: &NodeId| members.iter().find(|it| it.node == *node).expect("known");
                prop_assert!(seated.iter().all(|it| matches!(
                    of(it).state, NodeState::Active | NodeState::Down)));
                prop_assert!(seated.contains(&leader));
            }
            let idle = members.iter().filter(|it| !it.belongs());
            prop_assert!(idle.clone().all(|it| it.role != Role::Learner));
        }
    }
}
