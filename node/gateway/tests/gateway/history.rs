//! What a stream said of its configuration: told, taken back, tried.

use serde_json::{Value, json};

use crate::rig::Rig;

const CONFIG: &str = "/api/v1/streams/s/config";

#[tokio::test]
async fn a_configuration_s_history_says_who_when_why_and_what() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let first = json!({"name": "s", "config": {"explain": "full"}});
    let made = rig.as_by(&admin, ("POST", "/api/v1/streams"), &first).await;
    let tag = made.header("etag").unwrap().to_owned();
    let second = json!({"explain": "none", "timing": {"lateness_secs": 5.0}});
    let headers = [("If-Match", tag.as_str()), ("X-Via-Reason", "ticket 7")];
    let put = rig.change(&admin, ("PUT", CONFIG), &headers, &second).await;
    assert_eq!(put.status, 200, "{}", put.json());
    let history = "/api/v1/streams/s/config/history";
    let told = rig.as_by(&admin, ("GET", history), &Value::Null).await.json();
    let items = told["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let [newest, oldest] = [&items[0], &items[1]];
    assert_eq!((&newest["name"], &newest["reason"]), (&json!("admin"), &json!("ticket 7")));
    assert!(newest["by"].as_str().unwrap().starts_with("user u"));
    assert_eq!((&newest["is_current"], &oldest["is_current"]), (&json!(true), &json!(false)));
    assert_eq!((&newest["own"], &oldest["own"]), (&second, &first["config"]));
    let changes = json!([
        {"path": "/explain", "before": "full", "after": "none"},
        {"path": "/timing", "after": {"lateness_secs": 5.0}},
    ]);
    assert_eq!((&newest["changes"], &oldest["changes"]), (&changes, &json!([])));

    let revert = ("POST", "/api/v1/streams/s/config/revert");
    let to = json!({"to": oldest["revision"]});
    let back = async |tag: Option<&str>, to: &Value| {
        let tag = tag.map(|tag| ("If-Match", tag));
        rig.change(&admin, revert, tag.as_slice(), to).await
    };
    back(None, &to).await.problem(428, "revision_required");
    back(Some(&tag), &to).await.problem(412, "stale_revision");
    let now = put.header("etag").unwrap();
    back(Some(now), &json!({"to": 1})).await.problem(404, "unknown_revision");
    let reverted = back(Some(now), &to).await;
    assert_eq!((reverted.status, &reverted.json()["own"]), (200, &first["config"]));
    assert_ne!(reverted.header("etag"), Some(now), "a new revision");
    let told = rig.as_by(&admin, ("GET", history), &Value::Null).await.json();
    assert_eq!(told["items"].as_array().unwrap().len(), 3);
    assert_eq!(told["items"][0]["revision"], reverted.json()["revision"]);
}

#[tokio::test]
async fn a_configuration_is_tried_without_changing_anything() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let first = json!({"name": "s", "config": {"explain": "full"}});
    let made = rig.as_by(&admin, ("POST", "/api/v1/streams"), &first).await;
    let validate = ("POST", "/api/v1/streams/s/config/validate");
    let tried = rig.as_by(&admin, validate, &json!({"explain": "none"})).await;
    assert_eq!(tried.status, 200, "{}", tried.json());
    assert_eq!(tried.json()["config"]["explain"], "none");
    let change = json!([{"path": "/explain", "before": "full", "after": "none"}]);
    assert_eq!(tried.json()["changes"], change);
    rig.as_by(&admin, validate, &json!({"explian": "none"})).await.problem(422, "bad_config");
    let now = rig.as_by(&admin, ("GET", "/api/v1/streams/s"), &Value::Null).await;
    assert_eq!(now.json(), made.json());
}
