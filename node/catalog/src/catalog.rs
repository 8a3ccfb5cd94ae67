//! The catalog's state and the one way to change it. Pure: same commands at
//! the same revisions, same state. Called by `control`'s machine and by tests.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use via_placement::{Member, Placement, REPLICAS, place};
use via_types::{NodeId, ProducerId, Revision, StreamConfig, StreamId, TenantId};

use crate::command::Outcome;
use crate::entry::Entry;
use crate::object::{
    Cluster, Counters, Defaults, Digest, Key, Node, NodeState, Object, Producer, Recorded, Stream,
    Tenant, Token,
};
use crate::overlay;
use crate::refusal::Refusal;
use crate::tables::Tables;
use crate::view::View;

/// Streams by id and by name; shared with every [`View`] made since they last
/// changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Streams {
    pub(crate) by_id: BTreeMap<StreamId, Arc<Stream>>,
    by_name: BTreeMap<TenantId, BTreeSet<Named>>,
}

/// A stream that is found by its name. All of [`Streams`] is copied when a
/// stream changes while somebody reads it, so its keys must not be texts.
#[derive(Clone, Debug)]
struct Named(Arc<Stream>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Named {}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name.cmp(&other.0.name)
    }
}

impl Streams {
    pub(crate) fn named(&self, tenant: TenantId, name: &str) -> Option<&Arc<Stream>> {
        self.by_name.get(&tenant)?.get(name).map(|named| &named.0)
    }

    pub(crate) fn of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Stream>> {
        self.by_name.get(&tenant).into_iter().flatten().map(|named| &named.0)
    }

    fn insert(&mut self, stream: Arc<Stream>) {
        let names = self.by_name.entry(stream.tenant).or_default();
        names.replace(Named(Arc::clone(&stream)));
        self.by_id.insert(stream.id, stream);
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Producers {
    pub(crate) by_id: BTreeMap<ProducerId, Producer>,
    pub(crate) by_name: BTreeMap<TenantId, BTreeMap<String, ProducerId>>,
}

impl Producers {
    pub(crate) fn named(&self, tenant: TenantId, name: &str) -> Option<&Producer> {
        self.by_id.get(self.by_name.get(&tenant)?.get(name)?)
    }

    fn insert(&mut self, producer: Producer) {
        let names = self.by_name.entry(producer.tenant).or_default();
        names.insert(producer.name.clone(), producer.id);
        self.by_id.insert(producer.id, producer);
    }
}

/// What the cluster and its tenants should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    pub(crate) revision: Revision,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) counters: Counters,
    pub(crate) nodes: Arc<BTreeMap<NodeId, Arc<Node>>>,
    pub(crate) tenants: Arc<BTreeMap<TenantId, Arc<Tenant>>>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) producers: Arc<Producers>,
    /// None says what this version's own defaults are.
    pub(crate) defaults: Option<Arc<Defaults>>,
    pub(crate) tokens: BTreeMap<Digest, Token>,
    pub(crate) tables: Tables,
    /// Follows from the cluster and its nodes.
    pub(crate) placement: Arc<Placement>,
    /// What was there before, of each thing that the command at hand changed.
    pub(crate) changed: BTreeMap<Key, Option<Object>>,
    /// What the command at hand recorded.
    pub(crate) recorded: Vec<Recorded>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer to whoever sent it.
    pub outcome: Result<Outcome, Refusal>,
    /// The objects that are new, different or gone, for whoever keeps them.
    pub changed: BTreeSet<Key>,
    /// What is to be kept of the audit logs, with the objects (invariant A-1).
    pub recorded: Vec<Recorded>,
}

/// Stored objects do not make a catalog (invariant D-7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored catalog is damaged: {0}")]
pub struct Damage(String);

impl Catalog {
    /// Applies the entry committed at revision `at`, which is above every
    /// earlier one. A refused command changes nothing; one that changes
    /// something is recorded with its deed (invariant A-1).
    pub fn apply(&mut self, at: Revision, entry: impl Into<Entry>) -> Applied {
        assert!(at > self.revision, "invariant C-1: revision {at} after {}", self.revision);
        let outcome = self.decide(at, entry.into());
        let changed: BTreeSet<Key> = std::mem::take(&mut self.changed).into_keys().collect();
        let recorded = std::mem::take(&mut self.recorded);
        assert!(outcome.is_ok() || changed.is_empty(), "a refused command changed {changed:?}");
        if !changed.is_empty() {
            self.revision = at;
        }
        if changed.iter().any(|key| matches!(key, Key::Cluster | Key::Node(_))) {
            self.place();
        }
        Applied { outcome, changed, recorded }
    }

    fn decide(&mut self, at: Revision, entry: Entry) -> Result<Outcome, Refusal> {
        let Entry { deed, command } = entry;
        let Some(deed) = deed else {
            return command.apply(self, at, None);
        };
        deed.check()?;
        if let Some(answered) = self.answered(&deed)? {
            return Ok(answered);
        }
        self.has_room_to_remember(&deed)?;
        let word = command.word();
        let outcome = command.apply(self, at, Some(&deed))?;
        self.record(at, &deed, word);
        self.remember(at, &deed, &outcome);
        Ok(outcome)
    }

    /// Returns the revision of the newest change.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns what readers may see, as of now; later changes do not show.
    pub fn view(&self) -> View {
        View::of(self)
    }

    /// Returns the object of that name.
    pub fn object(&self, key: Key) -> Option<Object> {
        match key {
            Key::Cluster => self.cluster.clone().map(Object::Cluster),
            Key::Counters => self.cluster.as_ref().map(|_| Object::Counters(self.counters)),
            Key::Node(id) => self.nodes.get(&id).cloned().map(Object::Node),
            Key::Tenant(id) => self.tenants.get(&id).cloned().map(Object::Tenant),
            Key::Stream(id) => self.streams.by_id.get(&id).cloned().map(Object::Stream),
            Key::Producer(id) => self.producers.by_id.get(&id).cloned().map(Object::Producer),
            Key::Defaults => self.defaults.clone().map(Object::Defaults),
            Key::Token(digest) => self.tokens.get(&digest).copied().map(Object::Token),
            Key::Account(_)
            | Key::Plan(_)
            | Key::User(_)
            | Key::Role(_)
            | Key::ApiKey(_)
            | Key::Session(_)
            | Key::Grant(_)
            | Key::Edition(_)
            | Key::Suppression(_)
            | Key::Answer(_)
            | Key::Trail(_)
            | Key::Subject(_)
            | Key::Usage(_) => self.tables.object(key),
        }
    }

    /// Returns how many objects there are.
    pub fn len(&self) -> usize {
        let singles = if self.is_empty() { 0 } else { 2 } + usize::from(self.defaults.is_some());
        let streams = self.streams.by_id.len() + self.producers.by_id.len();
        let rest = self.tokens.len() + self.tables.len();
        singles + self.nodes.len() + self.tenants.len() + streams + rest
    }

    /// Says whether no cluster was ever formed.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_none()
    }

    /// Returns every object, in the order of keys.
    pub fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let cluster = self.cluster.clone().map(Object::Cluster);
        let counters = self.cluster.as_ref().map(|_| Object::Counters(self.counters));
        let nodes = self.nodes.values().cloned().map(Object::Node);
        let tenants = self.tenants.values().cloned().map(Object::Tenant);
        let streams = self.streams.by_id.values().cloned().map(Object::Stream);
        let producers = self.producers.by_id.values().cloned().map(Object::Producer);
        cluster
            .into_iter()
            .chain(counters)
            .chain(nodes)
            .chain(tenants)
            .chain(streams)
            .chain(producers)
            .chain(self.defaults.clone().map(Object::Defaults))
            .chain(self.tokens.values().copied().map(Object::Token))
            .chain(self.tables.objects())
    }

    /// Makes the catalog that consists of `objects` at `revision`.
    ///
    /// # Errors
    /// [`Damage`] when an object is missing, comes twice, refers to nothing or
    /// has an id that was never given out.
    pub fn restore(
        revision: Revision,
        objects: impl IntoIterator<Item = Object>,
    ) -> Result<Self, Damage> {
        let mut catalog = Self { revision, ..Self::default() };
        let mut seen = BTreeSet::new();
        for object in objects {
            let key = object.key();
            if !seen.insert(key) {
                return Err(Damage(format!("{key:?} is there twice")));
            }
            catalog.put(object);
        }
        catalog.overlay()?;
        catalog.changed.clear();
        let formed = seen.contains(&Key::Counters) && seen.contains(&Key::Cluster);
        if !seen.is_empty() && !formed {
            return Err(Damage("the cluster or its id counters are missing".to_owned()));
        }
        catalog.check()?;
        catalog.place();
        Ok(catalog)
    }

    /// Overlays the defaults with what each stream says, once all are there.
    fn overlay(&mut self) -> Result<(), Damage> {
        let streams: Vec<_> = self.streams.by_id.values().cloned().collect();
        for stream in streams {
            let (config, json) = self
                .in_force(&stream.own)
                .map_err(|why| Damage(format!("stream {}: {why}", stream.id)))?;
            if json != stream.json {
                let stream = Arc::new(Stream { config, json, ..Stream::clone(&stream) });
                self.put(Object::Stream(stream));
            }
        }
        Ok(())
    }

    fn place(&mut self) {
        let present = self.nodes.values().filter(|node| node.state != NodeState::Left);
        let member = |node: &Arc<Node>| Member {
            node: node.id,
            zone: node.zone.clone(),
            weight: if node.state == NodeState::Active { via_placement::WEIGHT } else { 0 },
        };
        let members: Vec<_> = present.map(member).collect();
        let shards = self.cluster.as_ref().map_or(0, |cluster| cluster.shards);
        self.placement = Arc::new(place(&members, shards, REPLICAS));
    }

    fn check(&self) -> Result<(), Damage> {
        let known = |tenant: TenantId| self.tenants.contains_key(&tenant);
        for tenant in self.tenants.values() {
            if tenant.id.get() > self.counters.tenant {
                return Err(Damage(format!("tenant {} was never given out", tenant.id)));
            }
        }
        for stream in self.streams.by_id.values() {
            let twin = self.streams.named(stream.tenant, &stream.name);
            if !known(stream.tenant)
                || stream.id.get() > self.counters.stream
                || twin.map(|twin| twin.id) != Some(stream.id)
            {
                return Err(Damage(format!("stream {} does not fit the rest", stream.id)));
            }
        }
        for producer in self.producers.by_id.values() {
            let twin = self.producers.named(producer.tenant, &producer.name);
            if !known(producer.tenant)
                || producer.id.get() > self.counters.producer
                || twin.map(|twin| twin.id) != Some(producer.id)
            {
                return Err(Damage(format!("producer {} does not fit the rest", producer.id)));
            }
        }
        for object in self.tables.objects() {
            let is_stray = if let Object::Edition(edition) = &object {
                !self.streams.by_id.contains_key(&edition.stream)
            } else {
                object.tenant().is_some_and(|tenant| !known(tenant))
            };
            if is_stray {
                return Err(Damage(format!("{} belongs to nobody", object.key())));
            }
        }
        Ok(())
    }

    /// Sets an object and remembers that it changed.
    pub(crate) fn put(&mut self, object: Object) {
        let key = object.key();
        if !self.changed.contains_key(&key) {
            let before = self.object(key);
            self.changed.insert(key, before);
        }
        match object {
            Object::Cluster(cluster) => self.cluster = Some(cluster),
            Object::Counters(counters) => self.counters = counters,
            Object::Node(node) => {
                Arc::make_mut(&mut self.nodes).insert(node.id, node);
            }
            Object::Tenant(tenant) => {
                Arc::make_mut(&mut self.tenants).insert(tenant.id, tenant);
            }
            Object::Stream(stream) => Arc::make_mut(&mut self.streams).insert(stream),
            Object::Producer(producer) => Arc::make_mut(&mut self.producers).insert(producer),
            Object::Defaults(defaults) => self.defaults = Some(defaults),
            Object::Token(token) => {
                self.tokens.insert(token.digest, token);
            }
            Object::Account(_)
            | Object::Plan(_)
            | Object::User(_)
            | Object::Role(_)
            | Object::ApiKey(_)
            | Object::Session(_)
            | Object::Grant(_)
            | Object::Edition(_)
            | Object::Suppression(_)
            | Object::Answer(_)
            | Object::Trail(_)
            | Object::Subject(_)
            | Object::Usage(_) => self.tables.put(object),
        }
    }

    /// Takes a thing of the tables away and remembers that it is gone.
    pub(crate) fn remove(&mut self, key: Key) {
        let before = self.object(key);
        if before.is_some() {
            self.changed.entry(key).or_insert(before);
            self.tables.remove(key);
        }
    }

    /// Takes a join token away and remembers that it is gone.
    pub(crate) fn forget_token(&mut self, digest: Digest) {
        let before = self.tokens.remove(&digest).map(Object::Token);
        self.changed.entry(Key::Token(digest)).or_insert(before);
    }

    /// Says whether a node other than `id`, and still there, has that name.
    pub(crate) fn is_node_name_taken(&self, name: &str, id: NodeId) -> bool {
        let taken = |other: &Arc<Node>| {
            other.id != id && other.name == name && other.state != NodeState::Left
        };
        self.nodes.values().any(taken)
    }

    /// Returns the configuration of a stream that says `own`, and its text.
    pub(crate) fn in_force(&self, own: &str) -> Result<(StreamConfig, String), Refusal> {
        overlay::in_force(self.defaults.as_ref().map_or("{}", |defaults| &defaults.json), own)
    }

    pub(crate) fn formed(&self) -> Result<&Cluster, Refusal> {
        self.cluster.as_ref().ok_or(Refusal::NotFormed)
    }

    pub(crate) fn known(&self, tenant: TenantId) -> Result<(), Refusal> {
        self.formed()?;
        if self.tenants.contains_key(&tenant) { Ok(()) } else { Err(Refusal::NoTenant(tenant)) }
    }
}
