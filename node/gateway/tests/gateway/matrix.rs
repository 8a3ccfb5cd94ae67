//! Every route × every role × own and foreign tenant is answered as
//! [`via_types::may`] says. Generated from the routes that the node documents,
//! and from its gRPC methods; what each needs is said here a second time, by
//! hand, so that a slip in the gateway's table shows.

use serde_json::{Value, json};
use via_catalog::Digest;
use via_catalog::command::BeginSession;
use via_types::access::{Action, Resource};
use via_types::{Clock as _, Principal, Role, TenantId, Wish, may};

use crate::access::in_a_day;
use crate::rig::Rig;

/// Says what a route needs: none for nothing; else a permission, and whether it
/// is the platform's, or belongs where somebody is at home.
fn needed(method: &str, path: &str) -> Need {
    use Action::{Delete, Execute, Read, Write};
    use Resource::{
        Audit, Config, Detections, Entities, Events, Keys, Nodes, Quotas, Reports, Streams,
        Tenants, Users,
    };
    let is_read = method == "GET";
    let (resource, action) = match path {
        "/livez" | "/readyz" | "/api/v1/openapi.json" | "/api/v1/docs" => return Need::Nothing,
        "/" | "/assets/{name}" => return Need::Nothing,
        path if path.starts_with("/problems") => return Need::Nothing,
        "/api/v1/sessions" if method == "POST" => return Need::Nothing,
        path if path.starts_with("/api/v1/sessions") => return Need::Somebody,
        path if path.starts_with("/api/v1/whoami") => return Need::Somebody,
        "/metrics" => return Need::Platform(Nodes, Read),
        path if path.ends_with("/remove") => return Need::Platform(Nodes, Delete),
        path if path.starts_with("/api/v1/cluster") => {
            return Need::Platform(Nodes, if is_read { Read } else { Execute });
        }
        "/api/v1/audit/export" => return Need::Home(Audit, Execute),
        path if path.starts_with("/api/v1/audit/proofs") => return Need::Home(Audit, Execute),
        path if path.starts_with("/api/v1/audit") => return Need::Home(Audit, Read),
        "/api/v1/access/review" => return Need::Home(Users, Read),
        "/api/v1/tenant" => return Need::Home(Quotas, Read),
        "/api/v1/plans" => return Need::Platform(Tenants, Read),
        "/api/v1/plans/{plan}" => return Need::Platform(Tenants, Write),
        path if path.starts_with("/api/v1/grants") => {
            return Need::Home(Users, if is_read { Read } else { Delete });
        }
        path if path.contains("/grants") && !is_read => return Need::Platform(Tenants, Execute),
        path if path.starts_with("/api/v1/tenants") => {
            return Need::Platform(Tenants, if is_read { Read } else { Write });
        }
        path if ["keys", "users", "roles"].iter().any(|it| path[8..].starts_with(it)) => {
            let action = match method {
                "GET" => Read,
                "DELETE" => Delete,
                _ => Write,
            };
            return Need::Home(if path.contains("keys") { Keys } else { Users }, action);
        }
        path if path.ends_with("/config/validate") => (Config, Read),
        path if path.contains("/config") || path.ends_with("/overrides") => {
            (Config, if is_read { Read } else { Write })
        }
        path if path.ends_with("/events") || path.ends_with("/score") => (Events, Write),
        "/api/v1/producers" => (Events, Write),
        "/api/v1/live" => (Detections, Read),
        path if path.starts_with("/api/v1/suppressions") => {
            (Config, if is_read { Read } else { Write })
        }
        "/api/v1/stats" | "/api/v1/usage" => (Reports, Read),
        path if path.contains("/entities/") => (Entities, if is_read { Read } else { Execute }),
        path if path.contains("/detections") => (Detections, if is_read { Read } else { Write }),
        path if path.starts_with("/api/v1/streams") => {
            (Streams, if is_read { Read } else { Write })
        }
        other => panic!("{method} {other} is not in the matrix"),
    };
    Need::Tenant(resource, action)
}

#[derive(Clone, Copy, Debug)]
enum Need {
    Nothing,
    Somebody,
    Home(Resource, Action),
    Tenant(Resource, Action),
    Platform(Resource, Action),
}

/// Says whether somebody with a role, at home there, is to be answered.
fn expected(role: Role, home: Option<TenantId>, need: Need) -> bool {
    let principal = Principal { home, permissions: role.permissions(), ..Principal::default() };
    let wish = |(resource, action), tenant| Wish { resource, action, tenant, stream: None };
    match need {
        Need::Nothing | Need::Somebody => true,
        Need::Home(resource, action) => may(&principal, wish((resource, action), home)),
        Need::Tenant(resource, action) => {
            home.is_some() && may(&principal, wish((resource, action), home))
        }
        Need::Platform(resource, action) => may(&principal, wish((resource, action), None)),
    }
}

/// Every route that is documented: its method, its path, and one to ask for.
async fn routes(rig: &Rig) -> Vec<(String, String)> {
    let document = rig.get("/api/v1/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths").clone();
    let methods = |item: &Value| item.as_object().expect("methods").keys().cloned().collect();
    let each = paths.into_iter().flat_map(|(path, item)| {
        let methods: Vec<String> = methods(&item);
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    });
    each.collect()
}

/// Returns a path with names in it that lead to nothing.
fn filled(path: &str) -> String {
    let mut filled = path.to_owned();
    for (name, value) in [
        ("{stream}", "none"),
        ("{entity}", "none"),
        ("{id}", "d1-1-1"),
        ("{session}", "login999"),
        ("{key}", "k999"),
        ("{user}", "u999"),
        ("{node}", "n9"),
        ("{shard}", "s9"),
        ("{code}", "not_found"),
        ("{role}", "none"),
        ("{tenant}", "none"),
        ("{suppression}", "hush999"),
    ] {
        filled = filled.replace(name, value);
    }
    filled
}

impl Rig {
    /// Begins a session of somebody with that role; returns its token.
    pub(crate) async fn session(&self, tenant: Option<TenantId>, role: Role) -> String {
        let login =
            format!("{}-{}", role.name().expect("it is one"), tenant.map_or(0, TenantId::get));
        self.user(tenant, &login, role).await;
        let user = self.control.view().user_named(tenant, &login).expect("just made").id;
        let token = secret(&login);
        let begin = BeginSession {
            tenant,
            user,
            token: Digest::new(sha256(token.as_bytes())),
            idle_seconds: 86_400,
            expires: in_a_day(self.clock.now()),
            has_second_factor: false,
        };
        self.control.commit(self.deed(), begin).await.expect("it begins");
        token
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().expect("it is one")
}

/// Makes a token of the form that the gateway reads.
fn secret(seed: &str) -> String {
    let digits: String =
        seed.bytes().cycle().filter(u8::is_ascii_alphanumeric).take(30).map(char::from).collect();
    let head = format!("via_session_test_{digits}");
    let mut rest = crc32fast::hash(head.as_bytes());
    let all = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut check = Vec::new();
    for _ in 0..6 {
        check.insert(0, all[(rest % 62) as usize]);
        rest /= 62;
    }
    format!("{head}_{}", String::from_utf8(check).expect("it is one"))
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_policy_says() {
    let rig = Rig::guarded().await;
    let own = rig.control.view().tenant_named("default").unwrap().id;
    let other = rig.tenant("other").await;
    let routes = routes(&rig).await;
    let tenants = [own, other];
    let of_tenants =
        tenants.iter().flat_map(|it| Role::OF_TENANTS.iter().map(|role| (Some(*it), *role)));
    let of_platform = Role::OF_PLATFORM.iter().map(|role| (None, *role));
    let mut asked = 0;
    for (home, role) in of_tenants.chain(of_platform).collect::<Vec<_>>() {
        let token = rig.session(home, role).await;
        for (method, path) in &routes {
            let need = needed(method, path);
            let is_expected = expected(role, home, need);
            let answered = asking(&rig, &token, (method, path), &[]).await;
            assert_eq!(
                answered, is_expected,
                "{role:?} of {home:?}: {method} {path} needs {need:?}"
            );
            // Naming another tenant opens none.
            let foreign = [("X-Via-Tenant", if home == Some(own) { "other" } else { "default" })];
            let answered = asking(&rig, &token, (method, path), &foreign).await;
            assert_eq!(answered, is_expected, "{role:?} of {home:?} abroad: {method} {path}");
            asked += 2;
        }
    }
    assert!(asked > 11 * 2 * 40, "{asked}");
    for (method, path) in &routes {
        if !matches!(needed(method, path), Need::Nothing) {
            let answer = rig.send(method, &filled(path), &[], b"").await;
            answer.problem(401, "unauthenticated");
        }
    }
}

/// Says whether a request gets past the door, whatever becomes of it then.
async fn asking(
    rig: &Rig,
    token: &str,
    (method, path): (&str, &str),
    more: &[(&str, &str)],
) -> bool {
    // What would not end, or end the session itself, is asked for with a body
    // or a cursor that is refused behind the door.
    let path = match path {
        "/api/v1/live" => "/api/v1/live?cursor=none".to_owned(),
        path => filled(path),
    };
    let bearer = format!("Bearer {token}");
    let mut headers =
        vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    headers.extend_from_slice(more);
    let body: &[u8] = if method == "GET" { b"" } else { b"[]" };
    let answer = rig.send(method, &path, &headers, body).await;
    assert_ne!(answer.status, 401, "{method} {path}: {}", answer.json());
    answer.status != 403
}

/// Asks for what is not there; returns the answer without its name and length.
async fn absence(
    rig: &Rig,
    token: &str,
    (method, path): (&str, &str),
    name: &str,
) -> (Vec<String>, String) {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("If-Match", "\"1\""),
        ("X-Request-Id", "r-1"),
    ];
    let body: &[u8] = match path {
        _ if path.ends_with("/revert") => b"{\"to\":1}",
        _ if method != "PUT" => b"",
        "/api/v1/roles/{}" => b"{\"permissions\":[]}",
        "/api/v1/users/{}" => b"{\"roles\":[],\"is_active\":true}",
        _ => b"{}",
    };
    let answer = rig.send(method, &path.replace("{}", name), &headers, body).await;
    assert_eq!(answer.status, 404, "{method} {path}");
    let of_time = |line: &&str| line.starts_with("content-length") || line.starts_with("date");
    let head = answer.head.lines().filter(|line| !of_time(line));
    let body = String::from_utf8(answer.body.clone()).expect("it is one");
    (head.map(|line| line.replace(name, "?")).collect(), body.replace(name, "?"))
}

#[tokio::test]
async fn what_is_another_tenant_s_is_as_absent_as_what_is_nobody_s() {
    let rig = Rig::guarded().await;
    let own = rig.control.view().tenant_named("default").unwrap().id;
    let other = rig.tenant("other").await;
    let theirs = rig.session(Some(other), Role::Admin).await;
    let mine = rig.session(Some(own), Role::Admin).await;
    let stream = json!({"name": "theirs"});
    assert_eq!(rig.as_by(&theirs, ("POST", "/api/v1/streams"), &stream).await.status, 201);
    let key = json!({"name": "theirs", "permissions": ["events:write"]});
    let key = rig.as_by(&theirs, ("POST", "/api/v1/keys"), &key).await.json();
    let key = key["id"].as_str().unwrap().to_owned();
    let hush = json!({"entity": "e", "reason": "known"});
    let hush = rig.as_by(&theirs, ("POST", "/api/v1/suppressions"), &hush).await.json();
    let hush = hush["id"].as_str().unwrap().to_owned();
    let role = json!({"permissions": ["streams:read"]});
    let made = rig.as_by(&theirs, ("PUT", "/api/v1/roles/theirs"), &role).await;
    assert_eq!(made.status, 201);
    let session = rig.as_by(&theirs, ("GET", "/api/v1/sessions"), &Value::Null).await.json();
    let session = session["items"][0]["id"].as_str().unwrap().to_owned();
    let whoami = rig.as_by(&theirs, ("GET", "/api/v1/whoami"), &Value::Null).await.json();
    let user = whoami["id"].as_str().unwrap().to_owned();
    let operator = rig.session(None, Role::OperatorSre).await;
    let why = json!({"reason": "ticket 7", "seconds": 60});
    let opened = rig.as_by(&operator, ("POST", "/api/v1/tenants/other/grants"), &why).await.json();
    let grant = opened["id"].as_str().unwrap().to_owned();
    let event = json!({"entity": "e", "value": 1.0, "timestamp": "2023-11-14T22:13:20Z"});
    let written = rig.as_by(&theirs, ("POST", "/api/v1/streams/theirs/events"), &event).await;
    assert_eq!(written.status, 200, "{}", written.json());
    for (method, path, theirs, nobodys) in [
        ("GET", "/api/v1/streams/{}", "theirs", "absent"),
        ("PUT", "/api/v1/streams/{}/config", "theirs", "absent"),
        ("GET", "/api/v1/streams/{}/config/history", "theirs", "absent"),
        ("POST", "/api/v1/streams/{}/config/revert", "theirs", "absent"),
        ("POST", "/api/v1/streams/{}/config/validate", "theirs", "absent"),
        ("PUT", "/api/v1/roles/{}", "theirs", "absent"),
        ("DELETE", "/api/v1/roles/{}", "theirs", "absent"),
        ("DELETE", "/api/v1/suppressions/{}", &hush, "hush99999"),
        ("GET", "/api/v1/suppressions?stream={}", "theirs", "absent"),
        ("GET", "/api/v1/streams/{}/overrides", "theirs", "absent"),
        ("GET", "/api/v1/streams/{}/entities/e", "theirs", "absent"),
        ("GET", "/api/v1/streams/{}/entities/e/series", "theirs", "absent"),
        ("DELETE", "/api/v1/streams/{}/entities/e", "theirs", "absent"),
        ("GET", "/api/v1/detections?stream={}", "theirs", "absent"),
        ("GET", "/api/v1/live?stream={}", "theirs", "absent"),
        ("GET", "/api/v1/keys/{}", &key, "k99999"),
        ("DELETE", "/api/v1/keys/{}", &key, "k99999"),
        ("GET", "/api/v1/users/{}", &user, "u99999"),
        ("PUT", "/api/v1/users/{}", &user, "u99999"),
        ("DELETE", "/api/v1/users/{}", &user, "u99999"),
        ("POST", "/api/v1/users/{}/password", &user, "u99999"),
        ("DELETE", "/api/v1/sessions/{}", &session, "login99999"),
        ("DELETE", "/api/v1/grants/{}", &grant, "glass99999"),
    ] {
        let foreign = absence(&rig, &mine, (method, path), theirs).await;
        let absent = absence(&rig, &mine, (method, path), nobodys).await;
        assert_eq!(foreign, absent, "{method} {path}");
    }
    let all = rig.as_by(&mine, ("GET", "/api/v1/streams"), &Value::Null).await.json();
    assert_eq!(all["items"], json!([]));
    // The node's counts are of all tenants together.
    let stats = rig.as_by(&mine, ("GET", "/api/v1/stats"), &Value::Null).await.json();
    assert_eq!(stats, json!({"streams": 0}));
    // The same name is each tenant's own.
    let own = rig.as_by(&mine, ("POST", "/api/v1/streams"), &stream).await;
    assert_eq!(own.status, 201);
    let unseen = rig.as_by(&mine, ("GET", "/api/v1/streams/theirs/entities/e"), &Value::Null).await;
    unseen.problem(404, "unknown_entity");
}

#[tokio::test]
async fn another_tenant_s_producer_is_one_that_was_never_opened() {
    let rig = Rig::guarded().await;
    let own = rig.control.view().tenant_named("default").unwrap().id;
    let other = rig.tenant("other").await;
    let theirs = rig.session(Some(other), Role::Admin).await;
    let mine = rig.session(Some(own), Role::Admin).await;
    let opened = rig.as_by(&theirs, ("POST", "/api/v1/producers"), &json!({"name": "p"})).await;
    let producer = opened.json()["producer"].to_string();
    for token in [&mine, &theirs] {
        let made = rig.as_by(token, ("POST", "/api/v1/streams"), &json!({"name": "s"})).await;
        assert_eq!(made.status, 201);
    }
    let write = async |token: &str, producer: &str, sequence: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("X-Via-Producer", producer),
            ("X-Via-Epoch", "1"),
            ("X-Via-Sequence", sequence),
        ];
        let body = br#"{"entity":"e","value":1,"timestamp":"2023-11-14T22:13:20Z"}"#;
        rig.send("POST", "/api/v1/streams/s/events", &headers, body).await
    };
    write(&mine, &producer, "100000").await.problem(409, "never_opened");
    write(&mine, "77", "100000").await.problem(409, "never_opened");
    let first = write(&theirs, &producer, "1").await;
    assert_eq!((first.status, &first.json()["accepted"]), (200, &json!(1)), "nobody was before");
}
