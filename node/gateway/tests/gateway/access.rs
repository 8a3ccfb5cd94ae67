//! Who is let in, and who is not: the way from a password to a session, API
//! keys, and what takes them away.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use via_catalog::command::{CreateTenant, CreateUser, PutAccount};
use via_catalog::{Author, Credentials, Deed, Outcome, Plan, Quotas, Standing, TrailId};
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::{OpenProducerRequest, WriteRequest};
use via_types::{Clock as _, Role, TenantId, Timestamp};

use crate::feedback::wild;
use crate::rig::{Answer, Rig};

const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Rig {
    pub(crate) fn deed(&self) -> Deed {
        Deed::new(Author::Node(self.control.node()), self.clock.now())
    }

    /// Makes a tenant.
    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let create = CreateTenant { name: name.to_owned(), at: self.clock.now() };
        match self.control.commit(self.deed(), create).await {
            Ok(Outcome::Tenant { tenant, .. }) => tenant.id,
            other => panic!("{other:?}"),
        }
    }

    /// Makes a user without a password.
    pub(crate) async fn user(&self, tenant: Option<TenantId>, login: &str, role: Role) {
        let create = CreateUser {
            tenant,
            login: login.to_owned(),
            roles: vec![role],
            identities: Vec::new(),
            credentials: Credentials::default(),
        };
        self.control.commit(self.deed(), create).await.expect("a user");
    }

    pub(crate) async fn as_by(
        &self,
        token: &str,
        (method, path): (&str, &str),
        body: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("Authorization", &bearer), JSON], text.as_bytes()).await
    }

    /// Makes the first users; returns the passwords of both.
    async fn first(&self) -> (String, String) {
        let first = via_gateway::first_users(&self.control, self.clock.now()).await;
        let first = first.expect("they are made").expect("there was nobody");
        (first.administrator, first.operator)
    }

    async fn login(&self, more: &Value) -> Answer {
        let mut body = json!({"user": "admin"});
        body.as_object_mut()
            .expect("it is one")
            .extend(more.as_object().expect("it is one").clone());
        self.post_json("/api/v1/sessions", &body.to_string()).await
    }

    /// Logs the administrator in; returns the token.
    pub(crate) async fn admin(&self) -> String {
        let (password, _) = self.first().await;
        let begun = self.login(&json!({"password": password})).await;
        assert_eq!(begun.status, 201, "{}", begun.json());
        begun.json()["token"].as_str().expect("a token").to_owned()
    }

    /// Waits until what is recorded in a log says all these words.
    async fn recorded(&self, trail: TrailId, words: &[&str]) {
        let told = async {
            loop {
                let page = self.control.audit_page(trail, 0, 4_096).await.expect("a page");
                let all = |text: &String| words.iter().all(|word| text.contains(word));
                if page.iter().filter_map(|(_, text)| text.as_ref()).any(all) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(30), told).await;
        assert!(told.is_ok(), "{words:?} is not recorded");
    }
}

#[tokio::test]
async fn nobody_is_answered_but_at_the_open_routes() {
    let rig = Rig::guarded().await;
    for open in ["/", "/livez", "/readyz", "/api/v1/openapi.json", "/api/v1/docs", "/problems"] {
        assert_eq!(rig.get(open).await.status, 200, "{open}");
    }
    for shut in ["/metrics", "/api/v1/streams", "/api/v1/whoami", "/api/v1/cluster"] {
        let answer = rig.get(shut).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"via\""), "{shut}");
    }
    rig.get("/api/v1/nothing").await.problem(404, "not_found");
    rig.send("PATCH", "/api/v1/streams", &[], b"").await.problem(405, "method_not_allowed");
    for odd in ["Basic YTpi", "Bearer", "Bearer x", "via_key_live_x", "Bearer via_key_live_a_b"] {
        let answer = rig.send("GET", "/api/v1/streams", &[("Authorization", odd)], b"").await;
        answer.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_password_becomes_a_session_and_what_it_does_is_recorded_as_its_own() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let again = via_gateway::first_users(&rig.control, rig.clock.now()).await;
    assert!(again.expect("it is asked").is_none(), "they are made once");
    let me = rig.as_by(&token, ("GET", "/api/v1/whoami"), &Value::Null).await.json();
    assert_eq!((me["kind"].as_str(), me["tenant"].as_str()), (Some("user"), Some("default")));
    let body = json!({"name": "logs"});
    let made = rig.as_by(&token, ("POST", "/api/v1/streams"), &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let by = format!("\"by\":\"user {}\"", me["id"].as_str().unwrap());
    let request = made.header("x-request-id").unwrap().to_owned();
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    rig.recorded(TrailId::of(Some(tenant)), &["create_stream", &by, &request]).await;
    let own = rig.as_by(&token, ("GET", "/api/v1/sessions"), &Value::Null).await.json();
    let id = own["items"][0]["id"].as_str().expect("the session").to_owned();
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(rig.as_by(&token, ("DELETE", &path), &Value::Null).await.status, 204);
    let gone = rig.as_by(&token, ("GET", "/api/v1/whoami"), &Value::Null).await;
    gone.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_failed_attempt_says_nothing_and_many_make_the_next_wait() {
    let rig = Rig::guarded().await;
    let (password, _) = rig.first().await;
    let told = |answer: Answer| {
        let mut document = answer.problem(401, "unauthenticated");
        document["request_id"] = Value::Null;
        document
    };
    let wrong = told(rig.login(&json!({"password": "wrong"})).await);
    for nobody in [
        json!({"user": "nobody", "password": "wrong"}),
        json!({"tenant": "none", "password": password}),
        json!({"operator": true, "password": password}),
    ] {
        assert_eq!(told(rig.login(&nobody).await), wrong, "{nobody}");
    }
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    for _ in 0..4 {
        told(rig.login(&json!({"password": "wrong"})).await);
    }
    let failed = || {
        let view = rig.control.view();
        view.user_named(Some(tenant), "admin").expect("it is there").strange.failed
    };
    let noted = async {
        while failed() < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noted).await.expect("they are noted");
    assert_eq!(told(rig.login(&json!({"password": password})).await), wrong, "it must wait");
    rig.clock.advance(Duration::from_secs(3));
    assert_eq!(rig.login(&json!({"password": password})).await.status, 201);
    rig.recorded(TrailId::of(Some(tenant)), &["log_in", "denied", "too early"]).await;
}

#[tokio::test]
async fn a_session_is_over_when_it_is_idle() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let who = ("GET", "/api/v1/whoami");
    let wait = |seconds| rig.clock.advance(Duration::from_secs(seconds));
    wait(1_700);
    assert_eq!(rig.as_by(&token, who, &Value::Null).await.status, 200);
    let used = || {
        let view = rig.control.view();
        let tenant = view.tenant_named("default").unwrap().id;
        let user = view.user_named(Some(tenant), "admin").unwrap().id;
        view.sessions_of(user).next().map(|session| session.used)
    };
    let now = rig.clock.now();
    let noted = async {
        while used() != Some(now) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noted).await.expect("the use is noted");
    wait(1_700);
    assert_eq!(rig.as_by(&token, who, &Value::Null).await.status, 200, "it was used meanwhile");
    wait(1_900);
    rig.as_by(&token, who, &Value::Null).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_cookie_is_for_pages_of_this_node_and_no_script_reads_it() {
    let rig = Rig::guarded().await;
    let (password, _) = rig.first().await;
    let begun = rig.login(&json!({"password": password, "cookie": true})).await;
    assert_eq!((begun.status, begun.json().get("token")), (201, None));
    let cookies: Vec<_> =
        begun.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    let own = cookies.iter().find(|it| it.starts_with("__Host-via=")).expect("a cookie");
    for word in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
        assert!(own.contains(word), "{word}");
    }
    assert!(!own.contains("Domain"));
    let cookie = own.split(';').next().unwrap();
    let ask = async |method: &str, site: Option<&str>| {
        let mut headers = vec![("Cookie", cookie), JSON];
        headers.extend(site.map(|site| ("Sec-Fetch-Site", site)));
        let body: &[u8] = if method == "POST" { b"{\"name\":\"logs\"}" } else { b"" };
        rig.send(method, "/api/v1/streams", &headers, body).await
    };
    assert_eq!(ask("GET", None).await.status, 200);
    ask("POST", None).await.problem(403, "forbidden");
    ask("POST", Some("cross-site")).await.problem(403, "forbidden");
    assert_eq!(ask("POST", Some("same-origin")).await.status, 201);
}

#[tokio::test]
async fn a_secret_in_an_address_is_refused() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    for query in [format!("x={token}"), "access_token=x".to_owned(), "api_key=x".to_owned()] {
        let path = format!("/api/v1/streams?{query}");
        rig.as_by(&token, ("GET", &path), &Value::Null).await.problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn a_key_does_what_it_allows_until_it_is_replaced_or_taken_away() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    for name in ["a", "b"] {
        rig.as_by(&token, ("POST", "/api/v1/streams"), &json!({"name": name})).await;
    }
    let permissions = json!(["events:write", "detections:read", "streams:read"]);
    let body = json!({"name": "agent", "permissions": permissions, "streams": ["a"]});
    let made = rig.as_by(&token, ("POST", "/api/v1/keys"), &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let (view, tag) = (made.json(), made.header("etag").unwrap().to_owned());
    let key = view["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("via_key_live_") && view["prefix"] == "via_key_live_");
    let event = json!({"entity": "e", "value": 1.0, "timestamp": "2023-11-14T22:13:20Z"});
    let write = async |key: &str, stream: &str| {
        let path = format!("/api/v1/streams/{stream}/events");
        rig.as_by(key, ("POST", &path), &event).await
    };
    assert_eq!(write(&key, "a").await.status, 200);
    let (foreign, absent) = (write(&key, "b").await, write(&key, "b2").await);
    foreign.problem(404, "unknown_stream");
    absent.problem(404, "unknown_stream");
    let get = async |key: &str, path: &str| rig.as_by(key, ("GET", path), &Value::Null).await;
    get(&key, "/api/v1/detections").await.problem(403, "forbidden");
    assert_eq!(get(&key, "/api/v1/detections?stream=a").await.status, 200);
    get(&key, "/api/v1/detections?stream=b").await.problem(404, "unknown_stream");
    let seen = get(&key, "/api/v1/streams").await.json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    get(&key, "/api/v1/keys").await.problem(403, "forbidden");

    let path = format!("/api/v1/keys/{}", view["id"].as_str().unwrap());
    let shown = get(&token, &path).await.json();
    assert!(shown.get("key").is_none(), "it is shown once");
    let rotate = format!("{path}/rotate");
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), JSON, ("If-Match", &tag)];
    rig.as_by(&token, ("POST", &rotate), &json!({})).await.problem(428, "revision_required");
    let rotated = rig.send("POST", &rotate, &headers, b"{\"overlap_seconds\":60}").await;
    assert_eq!(rotated.status, 200, "{}", rotated.json());
    let next = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_eq!((write(&key, "a").await.status, write(&next, "a").await.status), (200, 200));
    rig.clock.advance(Duration::from_secs(61));
    write(&key, "a").await.problem(401, "unauthenticated");
    let rotated = rig.send("POST", &rotate, &headers, b"{}").await;
    rotated.problem(412, "stale_revision");
    assert_eq!(rig.as_by(&token, ("DELETE", &path), &Value::Null).await.status, 204);
    write(&next, "a").await.problem(401, "unauthenticated");
    rig.as_by(&token, ("DELETE", &path), &Value::Null).await.problem(404, "unknown_key");
}

#[tokio::test]
async fn a_key_allows_no_more_than_who_made_it_may_do_and_comes_from_where_it_may() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let make = async |by: &str, more: Value| {
        let mut body = json!({"name": "k", "permissions": ["keys:write", "keys:read"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.as_by(by, ("POST", "/api/v1/keys"), &body).await
    };
    for above in ["tenants:read", "quotas:write", "nodes:execute"] {
        make(&token, json!({"permissions": [above]})).await.problem(403, "forbidden");
    }
    let key = make(&token, json!({})).await.json()["key"].as_str().unwrap().to_owned();
    make(&key, json!({"permissions": ["events:write"]})).await.problem(403, "forbidden");
    assert_eq!(make(&key, json!({"permissions": ["keys:read"]})).await.status, 201);
    for odd in [json!({"networks": ["10.0.0.0"]}), json!({"permissions": ["events"]})] {
        make(&token, odd).await.problem(400, "bad_request");
    }
    let far = make(&token, json!({"networks": ["10.0.0.0/8"]})).await.json();
    let near = make(&token, json!({"networks": ["127.0.0.0/8"]})).await.json();
    let ask = async |view: &Value, forwarded: &str| {
        let bearer = format!("Bearer {}", view["key"].as_str().unwrap());
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", forwarded)];
        rig.send("GET", "/api/v1/keys", &headers, b"").await.status
    };
    assert_eq!(ask(&near, "10.0.0.1").await, 200);
    assert_eq!(ask(&far, "10.0.0.1").await, 401, "what a header says is not believed");
}

#[tokio::test]
async fn refusals_are_recorded_with_who_asked_for_what() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    for _ in 0..3 {
        let refused = rig.as_by(&token, ("GET", "/api/v1/cluster"), &Value::Null).await;
        assert_eq!(refused.problem(403, "forbidden")["needs"], "nodes:read");
    }
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    let words = ["\"by\":\"user ", "/api/v1/cluster", "denied", "it is not permitted"];
    rig.recorded(TrailId::of(Some(tenant)), &words).await;
}

#[tokio::test]
async fn a_suspended_tenant_looks_and_changes_nothing() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    let put = PutAccount {
        tenant,
        plan: Plan::PRO,
        quotas: Quotas::default(),
        region: None,
        standing: Standing::Suspended,
        needs_second_factor: false,
    };
    let deed = rig.deed().based_on(via_types::Revision::new(0));
    rig.control.commit(deed, put).await.expect("it is suspended");
    assert_eq!(rig.as_by(&token, ("GET", "/api/v1/streams"), &Value::Null).await.status, 200);
    let body = json!({"name": "logs"});
    rig.as_by(&token, ("POST", "/api/v1/streams"), &body).await.problem(403, "tenant_suspended");
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_is_no_common_one() {
    let rig = Rig::guarded().await;
    let (password, _) = rig.first().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let begun = rig.login(&json!({"password": password})).await;
        tokens.push(begun.json()["token"].as_str().unwrap().to_owned());
    }
    let put = ("PUT", "/api/v1/whoami/password");
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    let common = rig.as_by(&tokens[0], put, &change(&password, "password1234")).await;
    common.problem(422, "bad_password");
    let wrong = rig.as_by(&tokens[0], put, &change("x", "a much longer one")).await;
    wrong.problem(403, "forbidden");
    let changed = rig.as_by(&tokens[0], put, &change(&password, "a much longer one")).await;
    assert_eq!(changed.status, 204);
    let who = ("GET", "/api/v1/whoami");
    assert_eq!(rig.as_by(&tokens[0], who, &Value::Null).await.status, 200);
    rig.as_by(&tokens[1], who, &Value::Null).await.problem(401, "unauthenticated");
    assert_eq!(rig.login(&json!({"password": "a much longer one"})).await.status, 201);
    rig.login(&json!({"password": password})).await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_and_a_stream_of_writes_end_when_their_key_is_taken_away() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let body =
        json!({"name": "k", "permissions": ["detections:read", "events:write", "streams:write"]});
    let made = rig.as_by(&token, ("POST", "/api/v1/keys"), &body).await.json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let mut feed = rig.connect().await;
    let head = format!("GET /api/v1/live HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n");
    feed.write_all(head.as_bytes()).await.expect("it listens");
    let mut first = [0; 12];
    feed.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.0 200");

    let mut client = client(&rig, Some(key)).await;
    let (more, requests) = tokio::sync::mpsc::channel(4);
    more.send(WriteRequest { stream: "s".to_owned(), tag: 1, ..WriteRequest::default() })
        .await
        .unwrap();
    let answers = client.write_stream(tokio_stream::wrappers::ReceiverStream::new(requests)).await;
    let mut answers = answers.expect("it begins").into_inner();
    assert!(answers.message().await.expect("it goes on").is_some());

    let path = format!("/api/v1/keys/{id}");
    assert_eq!(rig.as_by(&token, ("DELETE", &path), &Value::Null).await.status, 204);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), feed.read_to_end(&mut rest));
    ended.await.expect("it ends").expect("in order");
    more.send(WriteRequest { stream: "s".to_owned(), tag: 2, ..WriteRequest::default() })
        .await
        .unwrap();
    let refused = answers.message().await.expect_err("it is good for nothing");
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// A client that shows a key, when it has one.
pub(crate) type Bearing =
    InterceptedService<Channel, Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>>;

/// Connects one.
pub(crate) async fn client(rig: &Rig, key: Option<&str>) -> IngestClient<Bearing> {
    let channel =
        Channel::from_shared(format!("http://{}", rig.address)).expect("it is one").connect().await;
    let bearer = key.map(|key| format!("Bearer {key}").parse().expect("it is one"));
    let bear = move |mut request: Request<()>| {
        if let Some(bearer) = bearer.clone() {
            request.metadata_mut().insert("authorization", bearer);
        }
        Ok(request)
    };
    IngestClient::with_interceptor(channel.expect("it serves"), Box::new(bear))
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_asks_who_it_is_and_lets_in_who_may() {
    let rig = Rig::guarded().await;
    let token = rig.admin().await;
    let open = || OpenProducerRequest { name: "p".to_owned() };
    let unknown = client(&rig, None).await.open_producer(open()).await.expect_err("nobody");
    assert_eq!(unknown.code(), Code::Unauthenticated);
    let body = json!({"name": "k", "permissions": ["detections:read"]});
    let made = rig.as_by(&token, ("POST", "/api/v1/keys"), &body).await.json();
    let key = made["key"].as_str().unwrap();
    let refused = client(&rig, Some(key)).await.open_producer(open()).await.expect_err("no write");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("events:write"), "{}", refused.message());
    let mut admin = client(&rig, Some(&token)).await;
    assert_eq!(admin.open_producer(open()).await.expect("may").into_inner().epoch, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_says_of_a_detection_is_said_in_their_own_name() {
    let mut rig = Rig::guarded().await;
    rig.token = Some(rig.admin().await);
    let found = wild(&rig).await;
    let path = format!("/api/v1/detections/{}/feedback", found["id"].as_str().expect("a name"));
    let body = br#"{"label":"confirmed","author":"somebody else"}"#;
    let said = rig.send("PUT", &path, &[JSON], body).await;
    assert_eq!(said.status, 200, "{}", said.json());
    assert_eq!(said.json()["detection"]["feedback"]["author"], "admin");
}

/// The end of time, for sessions that tests make.
pub(crate) fn in_a_day(now: Timestamp) -> Timestamp {
    now.saturating_add(Duration::from_secs(86_400))
}
