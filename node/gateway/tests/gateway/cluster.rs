//! The cluster's routes at a node that is alone: it shows its shards, and says
//! that it has no peers; orders are JSON, so that no page in a browser gives any.

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_shows_its_shards_and_takes_no_orders() {
    let rig = Rig::start().await;
    let shards = rig.get("/api/v1/cluster/shards").await.json();
    let items = shards["items"].as_array().expect("a list");
    assert_eq!(items.len(), 4);
    assert!(items.iter().all(|shard| shard["leader"] == "n1" && shard["voters"][0] == "n1"));
    for path in ["/api/v1/cluster", "/api/v1/cluster/nodes"] {
        let problem = rig.get(path).await.problem(409, "cluster_refused");
        assert!(problem["detail"].as_str().is_some_and(|words| words.contains("cluster init")));
    }
    let drain = rig.post_json("/api/v1/cluster/nodes/n1/drain", "{}").await;
    drain.problem(409, "cluster_refused");
    let bare = rig.send("POST", "/api/v1/cluster/nodes/n1/drain", &[], b"").await;
    bare.problem(415, "unsupported_media_type");
    rig.post_json("/api/v1/cluster/nodes/n9/drain", "{}").await.problem(404, "unknown_node");
    let moved = rig.post_json("/api/v1/cluster/shards/s0/transfer", r#"{"to":"n1"}"#).await;
    assert_eq!(moved.status, 200, "it leads already: {moved:?}");
    let far = rig.post_json("/api/v1/cluster/shards/s9/transfer", r#"{"to":"n1"}"#).await;
    far.problem(409, "cluster_refused");
    let odd = rig.post_json("/api/v1/cluster/shards/7/transfer", r#"{"to":"n1"}"#).await;
    odd.problem(400, "bad_parameter");
    let nothing = rig.post_json("/api/v1/cluster/rebalance", "{}").await.json();
    assert_eq!(nothing["items"].as_array().map(Vec::len), Some(0));
}
