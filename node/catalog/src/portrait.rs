//! A thing as an audit record shows it: without secrets, hashes of secrets,
//! and what concerns a person. What is shown is part of the stored format.

use serde_json::{Map, Value, json};
use via_types::{Permissions, Role, Timestamp};

use crate::entry::Author;
use crate::object::{
    Account, ApiKey, Grant, Hushed, NodeState, Object, Quotas, Session, Standing, Stream,
    Suppression, User, Verdict,
};

/// Longest configuration that is shown whole, bytes; the history has the rest.
const SHOWN_BYTES: usize = 4_096;

/// Returns what may be told of an object.
pub(crate) fn portrait(object: &Object) -> Value {
    match object {
        Object::Cluster(cluster) => {
            json!({"id": cluster.id.to_string(), "shards": cluster.shards})
        }
        Object::Node(node) => json!({
            "name": node.name, "addresses": node.addresses, "zone": node.zone,
            "state": node_state(node.state),
        }),
        Object::Tenant(tenant) => json!({"name": tenant.name}),
        Object::Stream(stream) => configured(stream),
        Object::Producer(producer) => {
            json!({"name": producer.name, "epoch": producer.epoch.get()})
        }
        Object::Defaults(defaults) => text(&defaults.json),
        Object::Token(token) => json!({
            "expires": nanos(token.expires),
            "admitted": token.admitted.map(|(node, _)| node.to_string()),
        }),
        Object::Account(account) => standing(account),
        Object::Plan(plan) => json!({"name": plan.name, "quotas": quotas(plan.quotas)}),
        Object::User(user) => somebody(user),
        Object::Role(role) => json!({"name": role.name, "allows": words(role.permissions)}),
        Object::ApiKey(key) => opened_by(key),
        Object::Session(session) => visit(session),
        Object::Grant(grant) => glass(grant),
        Object::Suppression(entry) => hushed(entry),
        // Not told of, or nothing but a secret.
        Object::Counters(_)
        | Object::Edition(_)
        | Object::Answer(_)
        | Object::Trail(_)
        | Object::Subject(_)
        | Object::Usage(_) => json!({}),
    }
}

fn nanos(at: Timestamp) -> i64 {
    at.as_nanos()
}

fn text(json: &str) -> Value {
    if json.len() > SHOWN_BYTES {
        return json!({"bytes": json.len()});
    }
    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json))
}

fn configured(stream: &Stream) -> Value {
    json!({"name": stream.name, "config": text(&stream.own)})
}

fn node_state(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Draining => "draining",
        NodeState::Left => "left",
        NodeState::Joining => "joining",
        NodeState::Down => "down",
    }
}

fn standing(account: &Account) -> Value {
    let standing = match account.standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Closing => "closing",
    };
    json!({
        "plan": account.plan.get(), "quotas": quotas(account.quotas), "region": account.region,
        "standing": standing, "needs_second_factor": account.needs_second_factor,
    })
}

fn quotas(quotas: Quotas) -> Value {
    let set = quotas.named().filter_map(|(name, quota)| Some((name.to_owned(), quota?.into())));
    Value::Object(set.collect::<Map<_, _>>())
}

fn words(permissions: Permissions) -> Vec<String> {
    permissions.pairs().map(|(resource, action)| format!("{resource}:{action}")).collect()
}

/// A role's name, or the id of one that a tenant made.
pub(crate) fn role(role: Role) -> String {
    match (role.name(), role) {
        (Some(name), _) => name.to_owned(),
        (None, Role::Custom(id)) => id.to_string(),
        (None, _) => String::new(),
    }
}

fn somebody(user: &User) -> Value {
    let credentials = &user.credentials;
    json!({
        "roles": user.roles.iter().copied().map(role).collect::<Vec<_>>(),
        "is_active": user.is_active,
        "identities": user.identities.len(),
        "has_password": credentials.password.is_some(),
        "has_second_factor": credentials.second.is_some(),
        "recovery_codes": credentials.recovery.len(),
        "failed": user.strange.failed,
        "devices": user.devices.len(),
    })
}

fn opened_by(key: &ApiKey) -> Value {
    let networks = key.networks.iter().map(|it| format!("{}/{}", it.address, it.prefix));
    let streams = key.streams.as_ref();
    json!({
        "name": key.name, "kind": key.kind, "env": key.env, "allows": words(key.permissions),
        "streams": streams.map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "networks": networks.collect::<Vec<_>>(), "expires": key.expires.map(nanos),
        "is_rotating": key.earlier.is_some(), "used_on_day": key.used,
    })
}

fn visit(session: &Session) -> Value {
    json!({
        "user": session.user.to_string(), "expires": nanos(session.expires),
        "has_second_factor": session.has_second_factor,
    })
}

fn glass(grant: &Grant) -> Value {
    json!({
        "operator": grant.operator.to_string(), "reason": grant.reason,
        "opened": nanos(grant.opened), "expires": nanos(grant.expires),
    })
}

fn hushed(entry: &Suppression) -> Value {
    let about = match &entry.about {
        Hushed::Entity(key) => json!({"entity": key}),
        Hushed::Rhythm(hash) => json!({"rhythm": format!("{hash:016x}")}),
    };
    let verdict = match entry.verdict {
        Verdict::Allow => "allow",
        Verdict::Block => "block",
    };
    let by: Author = entry.author;
    json!({
        "stream": entry.stream.map(|it| it.to_string()), "about": about, "verdict": verdict,
        "reason": entry.reason, "by": by.to_string(), "expires": entry.expires.map(nanos),
    })
}
