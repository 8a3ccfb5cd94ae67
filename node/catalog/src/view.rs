//! The catalog as readers see it: immutable, cheap to make, shared by Arc.

use std::collections::BTreeMap;
use std::sync::Arc;

use via_placement::Placement;
use via_types::{NodeId, ProducerId, Revision, StreamConfig, StreamId, TenantId};

use crate::catalog::{Catalog, Producers, Streams};
use crate::object::{Cluster, Defaults, Node, Producer, Stream, Tenant};
use crate::overlay;
use crate::refusal::Refusal;
use crate::tables::Tables;

/// The catalog as of one revision. Producers are not in it: shards fence them
/// by what batches carry, and there may be many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    revision: Revision,
    cluster: Option<Cluster>,
    nodes: Arc<BTreeMap<NodeId, Arc<Node>>>,
    tenants: Arc<BTreeMap<TenantId, Arc<Tenant>>>,
    streams: Arc<Streams>,
    producers: Arc<Producers>,
    defaults: Option<Arc<Defaults>>,
    pub(crate) tables: Tables,
    placement: Arc<Placement>,
}

impl View {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        Self {
            revision: catalog.revision,
            cluster: catalog.cluster.clone(),
            nodes: Arc::clone(&catalog.nodes),
            tenants: Arc::clone(&catalog.tenants),
            streams: Arc::clone(&catalog.streams),
            producers: Arc::clone(&catalog.producers),
            defaults: catalog.defaults.clone(),
            tables: catalog.tables.clone(),
            placement: Arc::clone(&catalog.placement),
        }
    }

    /// Returns the revision it shows.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the cluster; none before it is formed.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Returns the number of shards; 0 before the cluster is formed.
    pub fn shards(&self) -> u16 {
        self.cluster.as_ref().map_or(0, |cluster| cluster.shards)
    }

    /// Returns which nodes should hold each shard.
    pub fn placement(&self) -> &Arc<Placement> {
        &self.placement
    }

    /// Returns every node ever registered, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// Returns a node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// Returns every tenant, by id.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    /// Returns a tenant.
    pub fn tenant(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(&id)
    }

    /// Returns the tenant of that name.
    pub fn tenant_named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.values().find(|tenant| tenant.name == name)
    }

    /// Returns a tenant's stream by name.
    pub fn stream(&self, tenant: TenantId, name: &str) -> Option<&Arc<Stream>> {
        self.streams.named(tenant, name)
    }

    /// Returns a producer and its newest incarnation.
    pub fn producer(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.by_id.get(&id)
    }

    /// Returns how streams are judged that say nothing else; none when that was
    /// never set.
    pub fn defaults(&self) -> Option<&Arc<Defaults>> {
        self.defaults.as_ref()
    }

    /// Returns how a stream is judged that says `own`, a JSON object.
    ///
    /// # Errors
    /// What makes it no configuration.
    pub fn in_force(&self, own: &str) -> Result<StreamConfig, Refusal> {
        let defaults = self.defaults.as_ref().map_or("{}", |defaults| &defaults.json);
        overlay::in_force(defaults, own).map(|(config, _)| config)
    }

    /// Returns the stream that `bare` is without what is in force: as of its own
    /// revision, whatever has become of it since, so that who is answered bases the
    /// next change on what they know (invariant C-1).
    pub fn whole(&self, bare: Arc<Stream>) -> Arc<Stream> {
        let there = self.stream_by_id(bare.id).filter(|there| there.revision == bare.revision);
        if let Some(there) = there {
            return Arc::clone(there);
        }
        let defaults = self.defaults.as_ref().map_or("{}", |defaults| &defaults.json);
        match overlay::in_force(defaults, &bare.own) {
            Ok((config, json)) => Arc::new(Stream { config, json, ..Stream::clone(&bare) }),
            Err(_) => bare,
        }
    }

    /// Returns a stream, whoever owns it.
    pub fn stream_by_id(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.streams.by_id.get(&id)
    }

    /// Returns every stream, by id.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.by_id.values()
    }

    /// Returns how many streams there are.
    pub fn stream_count(&self) -> usize {
        self.streams.by_id.len()
    }

    /// Returns a tenant's streams, by name.
    pub fn streams_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.of(tenant)
    }
}

#[cfg(test)]
mod tests {
    use via_types::Timestamp;

    use super::*;
    use crate::command::fixture::{TENANT, apply, catalog};
    use crate::command::{Command, CreateStream, Outcome, PutStreamConfig};

    #[test]
    fn a_stream_of_before_does_not_become_what_another_made_of_it() {
        let mut catalog = catalog();
        let (own, other) = (r#"{"explain":"none"}"#, r#"{"explain":"full"}"#);
        let create = CreateStream {
            tenant: TENANT,
            name: "a".to_owned(),
            config: own.to_owned(),
            at: Timestamp::from_nanos(9),
        };
        let created = apply(&mut catalog, 3, Command::CreateStream(create));
        let Ok(Outcome::Stream { stream, .. }) = created else { panic!("{created:?}") };
        // As it travels: without what is in force.
        let bare = serde_json::to_string(&*stream).unwrap();
        let bare: Arc<Stream> = Arc::new(serde_json::from_str(&bare).unwrap());
        assert_eq!(catalog.view().whole(Arc::clone(&bare)), stream);
        let change = PutStreamConfig {
            tenant: TENANT,
            stream: stream.id,
            based_on: stream.revision,
            config: other.to_owned(),
        };
        apply(&mut catalog, 4, Command::PutStreamConfig(change)).unwrap();
        let whole = catalog.view().whole(bare);
        assert_eq!((&whole.own[..], whole.revision), (own, stream.revision), "invariant C-1");
        assert_eq!(whole.config, stream.config);
    }
}
