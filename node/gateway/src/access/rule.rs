//! The one table of what each route and each gRPC method needs. What is not in
//! it is answered by nobody. Knows words of [`via_types::access`] only.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method;
use via_types::access::Action::{self, Delete, Execute, Read, Write};
use via_types::access::Resource::{
    self, Audit, Config, Detections, Entities, Events, Keys, Nodes, Quotas, Reports, Streams,
    Tenants, Users,
};

/// What is needed to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing: it tells nothing of anybody, or is the way in.
    Open,
    /// To be somebody: it is about oneself.
    Anyone,
    /// A permission where one belongs: in one's tenant, or on the platform.
    Home(Resource, Action),
    /// A permission in the tenant that the request is about.
    Tenant(Resource, Action),
    /// A permission on the platform.
    Platform(Resource, Action),
}

use Rule::{Anyone, Home, Open, Platform, Tenant};

/// Every route of HTTP, and its rule.
const ROUTES: &[(&str, &str, Rule)] = &[
    ("GET", "/", Open),
    ("GET", "/assets/{name}", Open),
    ("GET", "/livez", Open),
    ("GET", "/readyz", Open),
    ("GET", "/api/v1/openapi.json", Open),
    ("GET", "/api/v1/docs", Open),
    ("GET", "/problems", Open),
    ("GET", "/problems/{code}", Open),
    ("GET", "/metrics", Platform(Nodes, Read)),
    ("POST", "/api/v1/sessions", Open),
    ("GET", "/api/v1/sessions", Anyone),
    ("DELETE", "/api/v1/sessions/{session}", Anyone),
    ("GET", "/api/v1/whoami", Anyone),
    ("PUT", "/api/v1/whoami/password", Anyone),
    ("GET", "/api/v1/keys", Home(Keys, Read)),
    ("POST", "/api/v1/keys", Home(Keys, Write)),
    ("GET", "/api/v1/keys/{key}", Home(Keys, Read)),
    ("DELETE", "/api/v1/keys/{key}", Home(Keys, Delete)),
    ("POST", "/api/v1/keys/{key}/rotate", Home(Keys, Write)),
    ("GET", "/api/v1/users", Home(Users, Read)),
    ("POST", "/api/v1/users", Home(Users, Write)),
    ("GET", "/api/v1/users/{user}", Home(Users, Read)),
    ("PUT", "/api/v1/users/{user}", Home(Users, Write)),
    ("DELETE", "/api/v1/users/{user}", Home(Users, Delete)),
    ("POST", "/api/v1/users/{user}/password", Home(Users, Write)),
    ("GET", "/api/v1/roles", Home(Users, Read)),
    ("PUT", "/api/v1/roles/{role}", Home(Users, Write)),
    ("DELETE", "/api/v1/roles/{role}", Home(Users, Delete)),
    ("GET", "/api/v1/access/review", Home(Users, Read)),
    ("GET", "/api/v1/tenant", Home(Quotas, Read)),
    ("GET", "/api/v1/tenants", Platform(Tenants, Read)),
    ("POST", "/api/v1/tenants", Platform(Tenants, Write)),
    ("GET", "/api/v1/tenants/{tenant}", Platform(Tenants, Read)),
    ("PUT", "/api/v1/tenants/{tenant}", Platform(Tenants, Write)),
    ("GET", "/api/v1/tenants/{tenant}/grants", Platform(Tenants, Read)),
    ("POST", "/api/v1/tenants/{tenant}/grants", Platform(Tenants, Execute)),
    ("DELETE", "/api/v1/tenants/{tenant}/grants/{grant}", Platform(Tenants, Execute)),
    ("GET", "/api/v1/grants", Home(Users, Read)),
    ("DELETE", "/api/v1/grants/{grant}", Home(Users, Delete)),
    ("GET", "/api/v1/plans", Platform(Tenants, Read)),
    ("PUT", "/api/v1/plans/{plan}", Platform(Tenants, Write)),
    ("GET", "/api/v1/audit", Home(Audit, Read)),
    ("GET", "/api/v1/audit/head", Home(Audit, Read)),
    ("GET", "/api/v1/audit/checkpoint", Home(Audit, Read)),
    ("GET", "/api/v1/audit/proofs/inclusion", Home(Audit, Execute)),
    ("GET", "/api/v1/audit/proofs/consistency", Home(Audit, Execute)),
    ("GET", "/api/v1/audit/export", Home(Audit, Execute)),
    ("GET", "/api/v1/streams", Tenant(Streams, Read)),
    ("POST", "/api/v1/streams", Tenant(Streams, Write)),
    ("GET", "/api/v1/streams/{stream}", Tenant(Streams, Read)),
    ("PUT", "/api/v1/streams/{stream}/config", Tenant(Config, Write)),
    ("GET", "/api/v1/streams/{stream}/config/history", Tenant(Config, Read)),
    ("POST", "/api/v1/streams/{stream}/config/revert", Tenant(Config, Write)),
    ("POST", "/api/v1/streams/{stream}/config/validate", Tenant(Config, Read)),
    ("POST", "/api/v1/streams/{stream}/events", Tenant(Events, Write)),
    ("POST", "/api/v1/streams/{stream}/score", Tenant(Events, Write)),
    ("GET", "/api/v1/streams/{stream}/overrides", Tenant(Config, Read)),
    ("GET", "/api/v1/streams/{stream}/entities/{entity}", Tenant(Entities, Read)),
    ("DELETE", "/api/v1/streams/{stream}/entities/{entity}", Tenant(Entities, Execute)),
    ("GET", "/api/v1/streams/{stream}/entities/{entity}/series", Tenant(Entities, Read)),
    ("GET", "/api/v1/streams/{stream}/entities/{entity}/config", Tenant(Config, Read)),
    ("PUT", "/api/v1/streams/{stream}/entities/{entity}/config", Tenant(Config, Write)),
    ("DELETE", "/api/v1/streams/{stream}/entities/{entity}/config", Tenant(Config, Write)),
    ("GET", "/api/v1/detections", Tenant(Detections, Read)),
    ("GET", "/api/v1/detections/{id}", Tenant(Detections, Read)),
    ("PUT", "/api/v1/detections/{id}/feedback", Tenant(Detections, Write)),
    ("DELETE", "/api/v1/detections/{id}/feedback", Tenant(Detections, Write)),
    ("GET", "/api/v1/suppressions", Tenant(Config, Read)),
    ("POST", "/api/v1/suppressions", Tenant(Config, Write)),
    ("DELETE", "/api/v1/suppressions/{suppression}", Tenant(Config, Write)),
    ("GET", "/api/v1/live", Tenant(Detections, Read)),
    ("POST", "/api/v1/producers", Tenant(Events, Write)),
    ("GET", "/api/v1/stats", Tenant(Reports, Read)),
    ("GET", "/api/v1/usage", Tenant(Reports, Read)),
    ("GET", "/api/v1/cluster", Platform(Nodes, Read)),
    ("GET", "/api/v1/cluster/nodes", Platform(Nodes, Read)),
    ("GET", "/api/v1/cluster/shards", Platform(Nodes, Read)),
    ("POST", "/api/v1/cluster/nodes/{node}/drain", Platform(Nodes, Execute)),
    ("POST", "/api/v1/cluster/nodes/{node}/undrain", Platform(Nodes, Execute)),
    ("POST", "/api/v1/cluster/nodes/{node}/remove", Platform(Nodes, Delete)),
    ("POST", "/api/v1/cluster/shards/{shard}/transfer", Platform(Nodes, Execute)),
    ("POST", "/api/v1/cluster/rebalance", Platform(Nodes, Execute)),
];

/// Every method of gRPC, and its rule.
const METHODS: &[(&str, Rule)] = &[
    ("/via.v1.Ingest/OpenProducer", Tenant(Events, Write)),
    ("/via.v1.Ingest/Write", Tenant(Events, Write)),
    ("/via.v1.Ingest/WriteStream", Tenant(Events, Write)),
    ("/via.v1.Ingest/Score", Tenant(Events, Write)),
    ("/via.v1.Ingest/Subscribe", Tenant(Detections, Read)),
    ("/via.v1.Tuning/PutFeedback", Tenant(Detections, Write)),
    ("/via.v1.Tuning/DeleteFeedback", Tenant(Detections, Write)),
    ("/via.v1.Tuning/PutEntityConfig", Tenant(Config, Write)),
    ("/via.v1.Tuning/GetEntityConfig", Tenant(Config, Read)),
    ("/via.v1.Tuning/DeleteEntityConfig", Tenant(Config, Write)),
    ("/via.v1.Tuning/ListEntityConfigs", Tenant(Config, Read)),
];

static RULES: LazyLock<HashMap<&'static str, Vec<(Method, Rule)>>> = LazyLock::new(|| {
    let mut rules: HashMap<_, Vec<_>> = HashMap::new();
    for (method, path, rule) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).expect("it is a method");
        rules.entry(*path).or_default().push((method, *rule));
    }
    for (path, rule) in METHODS {
        rules.entry(*path).or_default().push((Method::POST, *rule));
    }
    rules
});

/// Returns the rule of a route; none for what nobody answers. A head is read
/// as what it is the head of.
pub(crate) fn of(method: &Method, path: &str) -> Option<Rule> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let rules = RULES.get(path)?;
    rules.iter().find(|(known, _)| known == method).map(|(_, rule)| *rule)
}

/// Returns the methods of a path, as the `Allow` header lists them.
pub(crate) fn allowed(path: &str) -> String {
    let rules = RULES.get(path).map_or(&[][..], Vec::as_slice);
    let words = rules.iter().map(|(method, _)| match method {
        &Method::GET => "GET,HEAD",
        method => method.as_str(),
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes;

    #[test]
    fn every_documented_route_has_a_rule_and_every_rule_a_route() {
        let document = serde_json::to_value(routes::document()).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
        let ruled: BTreeSet<_> = ROUTES
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(ruled, documented);
        assert_eq!(ruled.len(), ROUTES.len(), "no route has two");
    }

    #[test]
    fn every_grpc_method_has_a_rule_and_every_rule_a_method() {
        let known: BTreeSet<_> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/via/v1");
        let mut proto = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let mut service = String::new();
            for line in text.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("service ") {
                    rest.split(' ').next().unwrap().clone_into(&mut service);
                } else if let Some(rest) = line.strip_prefix("rpc ") {
                    proto.insert(format!("/via.v1.{service}/{}", rest.split('(').next().unwrap()));
                }
            }
        }
        assert_eq!(known, proto);
    }

    #[test]
    fn only_what_tells_nothing_of_anybody_is_open() {
        let open: Vec<_> = ROUTES.iter().filter(|(.., rule)| *rule == Open).collect();
        assert_eq!(open.len(), 9, "{open:?}");
        assert!(METHODS.iter().all(|(_, rule)| matches!(rule, Tenant(..))));
    }

    #[test]
    fn what_is_not_in_the_table_has_no_rule() {
        assert_eq!(of(&Method::HEAD, "/livez"), Some(Open));
        assert_eq!(of(&Method::PATCH, "/api/v1/streams"), None);
        assert_eq!(of(&Method::GET, "/api/v1/secrets"), None);
        assert_eq!(allowed("/api/v1/streams"), "GET,HEAD,POST");
    }
}
