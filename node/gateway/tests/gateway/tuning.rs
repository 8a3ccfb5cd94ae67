//! Labels and entities' own configurations through `via.v1.Tuning`: the same as
//! over HTTP, where each is looked at, too.

use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use via_proto::v1::tuning_client::TuningClient;
use via_proto::v1::{
    DeleteEntityConfigRequest, DeleteFeedbackRequest, GetEntityConfigRequest,
    ListEntityConfigsRequest, PutEntityConfigRequest, PutFeedbackRequest,
};

use crate::feedback::wild;
use crate::rig::Rig;

async fn client(rig: &Rig) -> TuningClient<Channel> {
    TuningClient::connect(format!("http://{}", rig.address)).await.expect("serves HTTP/2")
}

#[track_caller]
fn refused(status: &Status, grpc: Code, code: &str) {
    let details = status.get_error_details();
    let info = details.error_info().expect("set");
    assert_eq!((status.code(), info.reason.as_str()), (grpc, code), "{status}");
    assert_eq!(info.metadata["fate"], "rejected");
}

fn label(detection: &str, label: &str) -> PutFeedbackRequest {
    let (detection, label) = (detection.to_owned(), label.to_owned());
    PutFeedbackRequest { detection, label, note: "a test".to_owned(), author: "ops".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_says_what_it_changed_and_is_taken_back_as_over_http() {
    let rig = Rig::start().await;
    let found = wild(&rig).await;
    let id = found["id"].as_str().expect("a name");
    let mut client = client(&rig).await;
    let said = client.put_feedback(label(id, "false_alarm")).await.expect("said").into_inner();
    let detection = said.detection.expect("set");
    let feedback = detection.feedback.expect("it is shown");
    assert_eq!((detection.id.as_str(), feedback.label.as_str()), (id, "false_alarm"));
    assert_eq!((feedback.note.as_str(), feedback.author.as_str()), ("a test", "ops"));
    assert_eq!((said.labels, said.gains.len()), (1, via_types::Detector::ALL.len()));
    assert!(said.score_after < said.score_before);
    assert_eq!(said.expected_until, None);
    let shown = rig.get(&format!("/api/v1/detections/{id}")).await.json();
    assert_eq!(shown["feedback"]["label"], "false_alarm");
    let expected = client.put_feedback(label(id, "expected")).await.expect("said").into_inner();
    assert!(expected.expected_until.is_some() && expected.labels == 1);
    let back = DeleteFeedbackRequest { detection: id.to_owned() };
    let back = client.delete_feedback(back).await.expect("taken back").into_inner();
    assert_eq!((back.labels, back.detection.expect("set").feedback), (0, None));
    assert!(rig.get(&format!("/api/v1/detections/{id}")).await.json().get("feedback").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_checked_as_over_http() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let long = PutFeedbackRequest { note: "x".repeat(2_049), ..label("d1-1-1", "confirmed") };
    for (odd, grpc, code) in [
        (label("d1-1-1", "confirmed"), Code::NotFound, "unknown_detection"),
        (label("x", "confirmed"), Code::InvalidArgument, "bad_parameter"),
        (label("d1-1-1", "wrong"), Code::InvalidArgument, "bad_request"),
        (label("d1-1-1", ""), Code::InvalidArgument, "bad_request"),
        (long, Code::InvalidArgument, "bad_request"),
    ] {
        refused(&client.put_feedback(odd).await.expect_err("odd"), grpc, code);
    }
    let nothing = DeleteFeedbackRequest { detection: "d1-1-1".to_owned() };
    let status = client.delete_feedback(nothing).await.expect_err("nothing there");
    refused(&status, Code::NotFound, "unknown_detection");
}

fn put(config: &Value, revision: u64) -> PutEntityConfigRequest {
    let (stream, entity) = ("s".to_owned(), "a/b".to_owned());
    PutEntityConfigRequest { stream, entity, config: config.to_string(), revision }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_s_own_configuration_is_set_shown_listed_and_taken_away() {
    let rig = Rig::start().await;
    let made = rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await.json();
    let first = made["revision"].as_u64().expect("a number");
    let mut client = client(&rig).await;
    let get = || GetEntityConfigRequest { stream: "s".to_owned(), entity: "a/b".to_owned() };
    let missing = client.get_entity_config(get()).await.expect_err("nothing yet");
    refused(&missing, Code::NotFound, "unknown_entity");
    let config = json!({"threshold": {"method": {"mad": 6}}, "priority": "high"});
    let unread = client.put_entity_config(put(&config, 0)).await.expect_err("no revision");
    refused(&unread, Code::FailedPrecondition, "revision_required");
    let now = client.put_entity_config(put(&config, first)).await.expect("set").into_inner();
    assert_eq!(now.config.parse::<Value>().expect("JSON"), config);
    assert!(now.revision > first);
    let stale = client.put_entity_config(put(&config, first)).await.expect_err("stale");
    refused(&stale, Code::Aborted, "stale_revision");
    for odd in [json!({"priority": "vast"}), json!([]), json!({"timing": {}})] {
        let status = client.put_entity_config(put(&odd, now.revision)).await.expect_err("odd");
        refused(&status, Code::InvalidArgument, "bad_config");
    }
    let over_http = rig.get("/api/v1/streams/s/entities/a%2Fb/config").await;
    assert_eq!(over_http.json()["config"], config);
    let got = client.get_entity_config(get()).await.expect("shown").into_inner();
    assert_eq!((got.config, got.revision), (now.config, now.revision));
    let list = ListEntityConfigsRequest { stream: "s".to_owned() };
    let list = client.list_entity_configs(list).await.expect("listed").into_inner();
    assert_eq!((list.revision, list.items.len()), (now.revision, 1));
    let delete = |revision| DeleteEntityConfigRequest {
        stream: "s".to_owned(),
        entity: "a/b".to_owned(),
        revision,
    };
    let gone = client.delete_entity_config(delete(now.revision)).await.expect("gone").into_inner();
    rig.get("/api/v1/streams/s/entities/a%2Fb/config").await.problem(404, "unknown_entity");
    let again = client.delete_entity_config(delete(gone.revision)).await.expect_err("nothing");
    refused(&again, Code::NotFound, "unknown_entity");
    let nowhere = ListEntityConfigsRequest { stream: "t".to_owned() };
    let nowhere = client.list_entity_configs(nowhere).await.expect_err("no such stream");
    refused(&nowhere, Code::NotFound, "unknown_stream");
}
