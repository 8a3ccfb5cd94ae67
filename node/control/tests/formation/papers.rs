//! Certificates in a running cluster.

use std::time::Duration;

use via_control::issue_token;
use via_types::clock::SystemClock;
use via_types::{Clock, Timestamp};

use super::site::{LONG, Settings, Site, stop};

/// The nodes' clocks stand still in these tests, but certificates expire by the
/// machine's.
fn follow_time(sites: &[&Site]) {
    for site in sites {
        let behind = SystemClock.now().saturating_since(site.clock.now());
        site.clock.advance(behind);
    }
}

fn expiry(site: &Site) -> Timestamp {
    site.safe().identity().unwrap().expect("it has papers").expires
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_while_nodes_run() {
    let settings = Settings { life: Duration::from_secs(4), ..Settings::default() };
    let one = Site::found(settings.clone()).await;
    let two = Site::join(&one, settings.clone()).await;
    let first = [expiry(&one), expiry(&two)];
    let waiting = async {
        // Until the first ones would not be good any more.
        while SystemClock.now() <= first[0].max(first[1]) {
            follow_time(&[&one, &two]);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("time passes");
    assert!(expiry(&one) > first[0] && expiry(&two) > first[1], "both have new ones");
    // A node that comes now meets both with nothing but new certificates.
    let three = Site::join(&two, settings).await;
    three.create("still-here").await;
    stop(&mut [one, two, three]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_node_s_papers_gets_a_token_from_it() {
    let mut one = Site::found(Settings::default()).await;
    let mut two = Site::join(&one, Settings::default()).await;
    let hour = Duration::from_secs(3_600);
    let token = issue_token(&two.safe(), two.running().address, hour).await.unwrap();
    let three = Site::new(Settings::default());
    assert_eq!(three.enter(&token, one.running().address).await.unwrap().get(), 3);
    let far = Duration::from_secs(8 * 86_400);
    let error = issue_token(&two.safe(), two.running().address, far).await.unwrap_err();
    assert!(error.to_string().contains("seven days"), "{error}");
    let stranger = Site::new(Settings::default());
    assert!(issue_token(&stranger.safe(), two.running().address, hour).await.is_err());
    two.kill().await;
    one.kill().await;
}
