//! Which nodes hold each shard. A shard walks the ring and takes the first
//! nodes that are not at their cap and not in a zone it has used up; where a
//! walk ends short, one other shard makes room.

use std::collections::{BTreeMap, BTreeSet};

use via_types::{NodeId, ShardId};

use crate::lead;
use crate::ring::Ring;
use crate::share::{Bin, pour};

/// Replicas of a shard when there are nodes enough.
pub const REPLICAS: u8 = 3;
/// How far a node may exceed its share, percent: the lower, the more even; the
/// higher, the fewer replicas move when a node joins (measured; ADR 6).
const SLACK_PERCENT: f64 = 120.0;

/// A node that may hold shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its failure domain; a node without one is a domain of its own.
    pub zone: Option<String>,
    /// How much it should hold, relative to [`crate::WEIGHT`]; 0 holds nothing.
    pub weight: u16,
}

/// Which nodes hold each shard; the first one should lead it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// By shard number: its replicas, the preferred leader first.
    pub shards: Vec<Vec<NodeId>>,
}

impl Placement {
    /// Returns the nodes of `shard`, the preferred leader first; none when
    /// there is no such shard or no node.
    pub fn replicas(&self, shard: ShardId) -> &[NodeId] {
        self.shards.get(usize::from(shard.get())).map_or(&[], Vec::as_slice)
    }

    /// Returns the node that should lead `shard`.
    pub fn leader(&self, shard: ShardId) -> Option<NodeId> {
        self.replicas(shard).first().copied()
    }

    /// Counts the replicas that are where `before` had none.
    pub fn moved_since(&self, before: &Self) -> usize {
        let pairs = self.shards.iter().zip(&before.shards);
        pairs.map(|(now, then)| now.iter().filter(|node| !then.contains(node)).count()).sum()
    }
}

/// Places `shards` shards with up to `replicas` replicas each on `members`.
/// Replicas are on distinct nodes, and in as many zones as there are; the same
/// members give the same placement, in whatever order they are named.
pub fn place(members: &[Member], shards: u16, replicas: u8) -> Placement {
    let sites = Sites::new(members, shards, replicas);
    let mut draft = Draft::new(&sites, shards);
    for shard in 0..draft.walks.len() {
        draft.fill(shard);
    }
    for shard in 0..draft.walks.len() {
        while draft.held[shard].len() < sites.replicas {
            draft.squeeze(shard);
        }
    }
    let Draft { walks, mut held, .. } = draft;
    for (walk, held) in walks.iter().zip(&mut held) {
        held.sort_by_key(|site| walk.iter().position(|met| met == site));
    }
    lead::balance(&mut held, &sites.leads);
    let name = |held: Vec<usize>| held.into_iter().map(|site| sites.nodes[site]).collect();
    Placement { shards: held.into_iter().map(name).collect() }
}

/// The members by number, with what each may hold.
struct Sites {
    nodes: Vec<NodeId>,
    weights: Vec<u16>,
    zones: Vec<usize>,
    caps: Vec<usize>,
    /// How many shards each should lead at most.
    leads: Vec<usize>,
    replicas: usize,
    per_zone: usize,
}

impl Sites {
    fn new(members: &[Member], shards: u16, replicas: u8) -> Self {
        let members: BTreeMap<NodeId, &Member> =
            members.iter().filter(|it| it.weight > 0).map(|it| (it.node, it)).collect();
        let domain = |member: &Member| match &member.zone {
            Some(zone) => (Some(zone.clone()), NodeId::new(0)),
            None => (None, member.node),
        };
        let domains: BTreeSet<_> = members.values().map(|member| domain(member)).collect();
        let numbers: BTreeMap<_, _> = domains.into_iter().zip(0..).collect();
        let zones: Vec<usize> = members.values().map(|member| numbers[&domain(member)]).collect();
        let replicas = usize::from(replicas).min(members.len());
        let per_zone = replicas.div_ceil(numbers.len().max(1));
        let weights = members.values().map(|member| member.weight).collect();
        let nodes = members.into_keys().collect();
        let (caps, leads) = (Vec::new(), Vec::new());
        let mut sites = Self { nodes, weights, zones, caps, leads, replicas, per_zone };
        let shards = usize::from(shards);
        let shares = sites.shares(shards, numbers.len());
        let cap = |share: &f64| ((share * SLACK_PERCENT / 100.0).ceil() as usize).min(shards);
        let lead = |share: &f64| (share / replicas as f64).ceil() as usize;
        sites.caps = shares.iter().map(cap).collect();
        sites.leads = shares.iter().map(lead).collect();
        sites
    }

    /// How many replicas each should hold.
    fn shares(&self, shards: usize, zones: usize) -> Vec<f64> {
        let inside = |zone: usize| {
            let sites = (0..self.nodes.len()).filter(move |site| self.zones[*site] == zone);
            sites.map(|site| Bin { weight: f64::from(self.weights[site]), capacity: shards as f64 })
        };
        let whole = |zone| Bin {
            weight: inside(zone).map(|bin| bin.weight).sum(),
            capacity: (shards * self.per_zone.min(inside(zone).count())) as f64,
        };
        let demand = (shards * self.replicas) as f64;
        let amounts = pour(demand, &(0..zones).map(whole).collect::<Vec<_>>());
        let mut shares = vec![0.0; self.nodes.len()];
        for (zone, amount) in amounts.into_iter().enumerate() {
            let inner = pour(amount, &inside(zone).collect::<Vec<_>>());
            let sites = (0..self.nodes.len()).filter(|site| self.zones[*site] == zone);
            for (site, share) in sites.zip(inner) {
                shares[site] = share;
            }
        }
        shares
    }
}

/// A placement in the making; nodes and shards by number.
struct Draft<'a> {
    sites: &'a Sites,
    walks: Vec<Vec<usize>>,
    held: Vec<Vec<usize>>,
    load: Vec<usize>,
}

impl<'a> Draft<'a> {
    fn new(sites: &'a Sites, shards: u16) -> Self {
        let ring = Ring::new(sites.nodes.iter().copied().zip(sites.weights.iter().copied()));
        let number = |node| {
            sites.nodes.binary_search(&node).expect("the ring holds these nodes and no other")
        };
        let walk = |shard| ring.walk(ShardId::new(shard)).into_iter().map(number).collect();
        let walks: Vec<Vec<usize>> = (0..shards).map(walk).collect();
        let held = vec![Vec::new(); walks.len()];
        Self { sites, walks, held, load: vec![0; sites.nodes.len()] }
    }

    fn has_room(&self, site: usize) -> bool {
        self.load[site] < self.sites.caps[site]
    }

    /// Says whether `shard` could be on `site` besides where else it is; the
    /// site `without` does not count.
    fn suits(&self, shard: usize, site: usize, without: Option<usize>) -> bool {
        let others = self.held[shard].iter().filter(|other| Some(**other) != without);
        let zone = self.sites.zones[site];
        let beside = others.clone().filter(|other| self.sites.zones[**other] == zone).count();
        beside < self.sites.per_zone && !others.clone().any(|other| *other == site)
    }

    fn take(&mut self, shard: usize, site: usize) {
        self.held[shard].push(site);
        self.load[site] += 1;
    }

    fn fill(&mut self, shard: usize) {
        for step in 0..self.walks[shard].len() {
            let site = self.walks[shard][step];
            if self.held[shard].len() < self.sites.replicas
                && self.has_room(site)
                && self.suits(shard, site, None)
            {
                self.take(shard, site);
            }
        }
    }

    /// Gives `shard` one more replica although no node with room suits it:
    /// another shard moves away from a full node that does. Where none can,
    /// the least overfull node takes it; distinct nodes are kept in any case.
    fn squeeze(&mut self, shard: usize) {
        if let Some((site, other, instead)) = self.swap(shard) {
            self.held[other].retain(|held| *held != site);
            self.load[site] -= 1;
            self.take(other, instead);
            self.take(shard, site);
            return;
        }
        let walk = &self.walks[shard];
        let free = walk.iter().copied().filter(|site| !self.held[shard].contains(site));
        let rank = |site: &usize| {
            let over = self.load[*site] * 1_000 / self.sites.caps[*site].max(1);
            (!self.suits(shard, *site, None), over)
        };
        let site = free.min_by_key(rank).expect("there are no more replicas than nodes");
        self.take(shard, site);
    }

    fn swap(&self, shard: usize) -> Option<(usize, usize, usize)> {
        let sites = self.walks[shard].iter().copied();
        for site in sites.filter(|site| self.suits(shard, *site, None)) {
            let others = (0..self.held.len()).filter(|other| *other != shard);
            for other in others.filter(|other| self.held[*other].contains(&site)) {
                let instead = self.walks[other].iter().copied().find(|instead| {
                    self.has_room(*instead)
                        && self.suits(other, *instead, Some(site))
                        && *instead != site
                });
                if let Some(instead) = instead {
                    return Some((site, other, instead));
                }
            }
        }
        None
    }
}
