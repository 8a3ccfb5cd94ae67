//! Leaving: given up and back, drained and removed, handed over.

use std::time::Duration;

use via_catalog::{NodeState, View};
use via_control::Error;
use via_types::NodeId;

use super::site::{LONG, Settings, Site, stop};

fn state(view: &View, node: u64) -> Option<NodeState> {
    view.node(NodeId::new(node)).map(|node| node.state)
}

async fn cluster(nodes: usize, settings: &Settings) -> Vec<Site> {
    let mut sites = vec![Site::found(settings.clone()).await];
    while sites.len() < nodes {
        let site = Site::join(&sites[0], settings.clone()).await;
        sites.push(site);
    }
    sites
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_is_gone_for_long_is_replaced_and_welcomed_back() {
    let settings = Settings { replace_after: Duration::from_secs(2), ..Settings::default() };
    let mut sites = cluster(4, &settings).await;
    sites[0].voters(&[1, 2, 3]).await;
    let three = sites[2].id();
    sites[2].kill().await;
    sites[0].sees(|view| state(view, 3) == Some(NodeState::Down)).await;
    let placement = sites[0].handle().view().placement().clone();
    assert!(placement.shards.iter().all(|nodes| !nodes.contains(&three)), "others take its shards");
    sites[0].voters(&[1, 2, 4]).await;
    sites[2].start().await.unwrap();
    sites[2].sees(|view| state(view, 3) == Some(NodeState::Active)).await;
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_leaves_and_is_told() {
    let mut sites = cluster(3, &Settings::default()).await;
    sites[0].voters(&[1, 2, 3]).await;
    let three = sites[2].id();
    let early = sites[1].handle().remove(three).await.unwrap_err();
    assert!(early.to_string().contains("drain it first"), "{early}");
    let alive = sites[1].handle().remove_dead(three).await.unwrap_err();
    assert!(alive.to_string().contains("drain it first"), "{alive}");
    // Any node takes the order, the one that is to go included.
    let drained = sites[2].handle().drain(three).await.unwrap();
    assert_eq!(drained.state, NodeState::Draining);
    let removing = async {
        loop {
            match sites[1].handle().remove(three).await {
                Ok(node) => return node,
                Err(error) => assert!(error.to_string().contains("still votes"), "{error}"),
            }
        }
    };
    let removed = tokio::time::timeout(LONG, removing).await.expect("it loses its seat");
    assert_eq!(removed.state, NodeState::Left);
    sites[0].voters(&[sites[0].handle().overview().await.unwrap().leader.get()]).await;
    let view = sites[0].handle().view();
    assert!(view.placement().shards.iter().all(|nodes| nodes.len() == 2), "two are left");
    let last = sites[1].handle();
    let one = last.drain(NodeId::new(1)).await.unwrap();
    assert_eq!(last.drain(NodeId::new(2)).await.unwrap_err().fate(), via_types::Fate::Rejected);
    assert_eq!(last.undrain(one.id).await.unwrap().state, NodeState::Active);
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_removed_by_force_only() {
    let mut sites = cluster(4, &Settings::default()).await;
    sites[0].voters(&[1, 2, 3]).await;
    let two = sites[1].id();
    sites[1].kill().await;
    let gone = sites[3].handle().remove(two).await.unwrap_err();
    assert!(gone.to_string().contains("--force"), "{gone}");
    assert_eq!(sites[3].handle().remove_dead(two).await.unwrap().state, NodeState::Left);
    sites[0].voters(&[1, 3, 4]).await;
    // It comes back with what it knew, and is turned away.
    sites[1].start().await.unwrap();
    let error = sites[1].handle().read_barrier().await.unwrap_err();
    assert!(format!("{error:?}").contains("n2 has left the cluster"), "{error:?}");
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_first() {
    let mut sites = cluster(3, &Settings::default()).await;
    sites[0].voters(&[1, 2, 3]).await;
    let leader = sites[0].handle().overview().await.unwrap().leader;
    let place = sites.iter().position(|site| site.id() == leader).expect("one of them");
    sites[place].stop().await;
    let other = &sites[(place + 1) % 3];
    // Nobody had to notice that it was gone.
    let next = other.handle().overview().await.unwrap();
    assert_ne!(next.leader, leader);
    other.create("afterwards").await;
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_learns_of_its_removal_ends() {
    let mut sites = cluster(2, &Settings::default()).await;
    let two = sites[1].id();
    sites[0].handle().drain(two).await.unwrap();
    sites[0].handle().remove(two).await.unwrap();
    let running = sites[1].running.take().expect("it runs");
    let ended = tokio::time::timeout(LONG, running.service).await.expect("it learns of it");
    let error = ended.unwrap().unwrap_err();
    assert!(matches!(error, Error::Removed(node) if node == two), "{error}");
    assert!(sites[1].safe().authority().unwrap().is_none());
    stop(&mut sites).await;
}
