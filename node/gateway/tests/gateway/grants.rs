//! How operators come to see into a tenant, and what plans give.

use serde_json::{Value, json};
use via_types::Role;

use crate::repeat::KEY;
use crate::rig::{Answer, Rig};

const GRANTS: &str = "/api/v1/tenants/acme/grants";

impl Rig {
    async fn list(&self, token: &str, path: &str) -> Vec<Value> {
        let answer = self.as_by(token, ("GET", path), &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        answer.json()["items"].as_array().expect("a list").clone()
    }

    async fn detections_of_acme(&self, token: &str) -> Answer {
        let into = [("X-Via-Tenant", "acme")];
        self.change(token, ("GET", "/api/v1/detections"), &into, &Value::Null).await
    }
}

#[tokio::test]
async fn an_operator_sees_into_a_tenant_for_a_reason_and_a_while_and_the_tenant_sees_that() {
    let rig = Rig::guarded().await;
    let acme = rig.tenant("acme").await;
    let admin = rig.session(Some(acme), Role::Admin).await;
    let viewer = rig.session(Some(acme), Role::Viewer).await;
    let operator = rig.session(None, Role::OperatorSre).await;
    let auditor = rig.session(None, Role::OperatorAuditor).await;
    rig.detections_of_acme(&operator).await.problem(403, "forbidden");

    let why = json!({"reason": "ticket 7", "seconds": 600});
    for odd in [
        json!({"seconds": 600}),
        json!({"reason": " ", "seconds": 600}),
        json!({"reason": "ticket 7", "seconds": 0}),
        json!({"reason": "ticket 7", "seconds": 28_801}),
        json!({"reason": "ticket 7", "seconds": 600, "operator": "u1"}),
    ] {
        rig.as_by(&operator, ("POST", GRANTS), &odd).await.problem(400, "bad_request");
    }
    rig.as_by(&auditor, ("POST", GRANTS), &why).await.problem(403, "forbidden");
    rig.as_by(&admin, ("POST", GRANTS), &why).await.problem(403, "forbidden");
    let nowhere = ("POST", "/api/v1/tenants/nobody/grants");
    rig.as_by(&operator, nowhere, &why).await.problem(404, "unknown_tenant");

    let named = [("Idempotency-Key", KEY)];
    let opened = rig.change(&operator, ("POST", GRANTS), &named, &why).await;
    assert_eq!(opened.status, 201, "{}", opened.json());
    let again = rig.change(&operator, ("POST", GRANTS), &named, &why).await;
    assert_eq!(again.json(), opened.json(), "one grant, however often it is asked for");
    assert_eq!(rig.detections_of_acme(&operator).await.status, 200);
    rig.detections_of_acme(&auditor).await.problem(403, "forbidden");

    let seen = rig.list(&admin, "/api/v1/grants").await;
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0]["reason"], &seen[0]["is_open"]), (&json!("ticket 7"), &json!(true)));
    assert!(seen[0].get("login").is_none(), "an operator's login is not the tenant's to know");
    let theirs = rig.list(&auditor, GRANTS).await;
    assert!(theirs[0]["login"].is_string());
    rig.as_by(&viewer, ("GET", "/api/v1/grants"), &Value::Null).await.problem(403, "forbidden");
    let trail = rig.list(&admin, "/api/v1/audit?limit=100").await;
    let tells = |it: &Value| it.to_string().contains("ticket 7");
    assert!(trail.iter().any(tells), "the tenant's own log has the reason: {trail:?}");

    let shut = format!("/api/v1/grants/{}", seen[0]["id"].as_str().unwrap());
    assert_eq!(rig.as_by(&admin, ("DELETE", &shut), &Value::Null).await.status, 204);
    rig.detections_of_acme(&operator).await.problem(403, "forbidden");
    rig.as_by(&admin, ("DELETE", &shut), &Value::Null).await.problem(404, "unknown_grant");
    assert_eq!(rig.list(&admin, "/api/v1/grants").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_plan_is_made_and_changed_for_every_tenant_on_it() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    let sre = rig.session(None, Role::OperatorSre).await;
    let (free, team) = (("PUT", "/api/v1/plans/free"), ("PUT", "/api/v1/plans/team"));
    let gives = |streams: u64| json!({"quotas": {"streams": streams}});
    rig.as_by(&operator, free, &gives(1)).await.problem(428, "revision_required");
    let stale = [("If-Match", "\"7\"")];
    rig.change(&operator, free, &stale, &gives(1)).await.problem(412, "stale_revision");
    rig.change(&operator, team, &stale, &gives(1)).await.problem(404, "unknown_plan");
    rig.as_by(&sre, team, &gives(1)).await.problem(403, "forbidden");

    let made = rig.as_by(&operator, team, &gives(1)).await;
    assert_eq!((made.status, &made.json()["quotas"]), (200, &json!({"streams": 1})));
    let asked = json!({"name": "acme", "administrator": "ada", "plan": "team"});
    let acme = rig.as_by(&operator, ("POST", "/api/v1/tenants"), &asked).await;
    assert_eq!(acme.json()["quotas"], json!({"streams": 1}), "{}", acme.json());
    let acme = rig.control.view().tenant_named("acme").unwrap().id;
    let admin = rig.session(Some(acme), Role::Admin).await;
    let streams = ("POST", "/api/v1/streams");
    assert_eq!(rig.as_by(&admin, streams, &json!({"name": "a"})).await.status, 201);
    rig.as_by(&admin, streams, &json!({"name": "b"})).await.problem(409, "limit_reached");

    let tag = made.header("etag").expect("it has one").to_owned();
    let changed = rig.change(&operator, team, &[("If-Match", &tag)], &gives(2)).await;
    assert_eq!(changed.status, 200, "{}", changed.json());
    rig.change(&operator, team, &[("If-Match", &tag)], &gives(3))
        .await
        .problem(412, "stale_revision");
    assert_eq!(rig.as_by(&admin, streams, &json!({"name": "b"})).await.status, 201);
}
