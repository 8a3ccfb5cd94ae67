//! Joining: who gets in, and what the group is then.

use std::time::Duration;

use via_catalog::NodeState;
use via_control::Error;
use via_types::{Fate, NodeId};

use super::site::{LONG, Settings, Site, stop};

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_outlive_their_leader_and_it_comes_back() {
    let one = Site::found(Settings::default()).await;
    let two = Site::join(&one, Settings::default()).await;
    // Any member lets in, not only the one that leads.
    let three = Site::join(&two, Settings::default()).await;
    let mut sites = [one, two, three];
    assert_eq!(sites.each_ref().map(|site| site.id().get()), [1, 2, 3]);
    sites[2].voters(&[1, 2, 3]).await;
    for site in &sites {
        assert!(site.safe().authority().unwrap().is_some(), "whoever votes can certify");
        site.create(&format!("through-{}", site.id())).await;
    }
    let leader = sites[1].handle().overview().await.unwrap().leader;
    let place = sites.iter().position(|site| site.id() == leader).expect("it is one of them");
    sites[place].kill().await;
    let others: Vec<_> = (0..3).filter(|other| *other != place).collect();
    sites[others[0]].create("without-the-leader").await;
    sites[others[1]].handle().read_barrier().await.unwrap();
    let view = sites[others[1]].handle().view();
    assert!(
        view.stream(sites[others[1]].tenant(), "without-the-leader").is_some(),
        "read anywhere"
    );

    sites[place].start().await.unwrap();
    sites[place].sees(|view| view.stream_count() == 4).await;
    assert_eq!(sites[place].id(), leader, "later starts need no token");
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_start_again_at_once_after_all_were_killed() {
    let one = Site::found(Settings::default()).await;
    let two = Site::join(&one, Settings::default()).await;
    let three = Site::join(&one, Settings::default()).await;
    let mut sites = [one, two, three];
    sites[0].voters(&[1, 2, 3]).await;
    sites[1].create("kept").await;
    stop(&mut sites).await;
    let [one, two, three] = &mut sites;
    let (first, second, third) = tokio::join!(one.start(), two.start(), three.start());
    first.and(second).and(third).unwrap();
    for site in &sites {
        site.sees(|view| view.stream_count() == 1).await;
    }
    sites[2].create("more").await;
    stop(&mut sites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_one_node_of_this_cluster_while_it_is_good() {
    let one = Site::found(Settings::default()).await;
    let address = one.running().address;
    let token = one.token().await;
    let two = Site::new(Settings::default());
    assert_eq!(two.enter(&token, address).await.unwrap(), NodeId::new(2));
    let joining = one.handle().view().node(NodeId::new(2)).cloned().expect("it is known");
    assert_eq!(joining.state, NodeState::Joining, "it holds nothing before it runs");

    let thief = Site::new(Settings::default());
    let refused = thief.enter(&token, address).await.unwrap_err();
    assert_eq!(refused.fate(), Fate::Rejected);
    assert!(refused.to_string().contains("used by another node"), "{refused}");
    assert!(thief.safe().identity().unwrap().is_none());

    let late = one.token().await;
    one.clock.advance(Duration::from_secs(3_601));
    let refused = Site::new(Settings::default()).enter(&late, address).await.unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");

    let other = Site::found(Settings::default()).await;
    let knocking = Site::new(Settings::default());
    let foreign = other.token().await;
    // The newcomer itself notices, before it shows the token to anybody.
    let asked = tokio::time::timeout(Duration::from_secs(2), knocking.enter(&foreign, address));
    assert!(asked.await.is_err(), "it goes on looking for its own cluster");
    assert!(knocking.safe().identity().unwrap().is_none());
    stop(&mut [one, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_is_gone_does_not_begin_anew() {
    let one = Site::found(Settings::default()).await;
    let mut two = Site::join(&one, Settings::default()).await;
    let papers = two.safe().identity().unwrap().expect("it has joined");
    two.kill().await;
    let mut empty = Site::new(Settings::default());
    empty.safe().put_identity(&papers).unwrap();
    empty.safe().mark_started().unwrap();
    let error = empty.start().await.unwrap_err();
    assert!(matches!(&error, Error::Group(_)) && format!("{error:?}").contains("Unreadable"));
    let words = std::error::Error::source(&error).and_then(|e| e.source()).unwrap().to_string();
    assert!(words.contains("n2") && words.contains("log is gone"), "invariant D-7: {words}");
    stop(&mut [one]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_refused_with_both_names() {
    let mut one = Site::found(Settings::default()).await;
    one.kill().await;
    let theirs = via_transport::Authority::generate(&"f".repeat(32)).unwrap();
    one.safe().put_identity(&theirs.issue(NodeId::new(1)).unwrap()).unwrap();
    let error = one.start().await.unwrap_err();
    assert!(matches!(error, Error::OtherCluster { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains(&"f".repeat(32)) && words.contains("01900000"), "{words}");
    one.safe().put_identity(&theirs.issue(NodeId::new(9)).unwrap()).unwrap();
    let error = one.start().await.unwrap_err();
    assert!(error.to_string().contains("n1") && error.to_string().contains("n9"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_of_six_vote_and_in_every_zone() {
    let zoned = |zone: &str| Settings { zone: Some(zone.to_owned()), ..Settings::default() };
    let mut sites = vec![Site::found(zoned("a")).await];
    for zone in ["a", "a", "a", "b", "c"] {
        let site = Site::join(&sites[0], zoned(zone)).await;
        sites.push(site);
    }
    let voting = async {
        loop {
            let overview = sites[0].handle().overview().await.unwrap();
            let seated = [5, 6].map(NodeId::new).iter().all(|node| overview.voters.contains(node));
            if overview.voters.len() == 5 && seated && overview.learners.len() == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, voting).await.expect("five vote, b and c among them");
    sites[5].create("from-the-last").await;
    stop(&mut sites).await;
}
