//! What a tenant may ask of this node and was given: tokens for events and
//! requests, seats of live feeds, bytes of one request, and the count of what
//! was admitted. Owns the tenant's allowance; the quotas are the catalog's, and
//! what a request costs is its caller's to say. Invariants: T-2, D-6.

pub(crate) mod allowance;
pub(crate) mod bucket;
pub(crate) mod headers;
pub(crate) mod usage;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use via_catalog::{NodeState, View};
use via_types::{TenantId, Timestamp};

use self::allowance::Allowance;

/// The allowances of all tenants that were here. A tenant that asks is one of
/// the catalog's, which bounds how many there are (D-6).
#[derive(Default)]
pub(crate) struct Limiter(RwLock<HashMap<TenantId, Arc<Allowance>>>);

impl Limiter {
    /// Returns what a tenant may ask of this node, as the catalog says it now.
    pub(crate) fn of(&self, view: &View, tenant: TenantId, now: Timestamp) -> Arc<Allowance> {
        let known = self.0.read().get(&tenant).cloned();
        let allowance =
            known.unwrap_or_else(|| Arc::clone(self.0.write().entry(tenant).or_default()));
        allowance.follow(view.revision(), now, || (view.quotas(tenant), parts(view)));
        allowance
    }

    /// Returns every allowance.
    pub(crate) fn all(&self) -> Vec<(TenantId, Arc<Allowance>)> {
        let held = self.0.read();
        held.iter().map(|(tenant, allowance)| (*tenant, Arc::clone(allowance))).collect()
    }
}

/// Returns among how many nodes a quota is divided. One that is down may still
/// serve clients on its side of a partition, and spends its part (T-2).
fn parts(view: &View) -> u32 {
    let serves = |state| matches!(state, NodeState::Active | NodeState::Draining | NodeState::Down);
    let nodes = view.nodes().filter(|node| serves(node.state)).count();
    u32::try_from(nodes).unwrap_or(u32::MAX).max(1)
}
