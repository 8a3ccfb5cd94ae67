//! The deployment files speak of settings that exist, and give a stopping node
//! the time it may take.

use std::path::Path;
use std::time::Duration;

use via_cluster_config::{Environment, Settings, Sources, load};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Loads the variables on the lines that begin with `word`.
fn settings(text: &str, word: &str) -> Settings {
    let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_once('='));
    let environment: Environment = lines.collect();
    assert_ne!(environment, Environment::default(), "no line begins with {word}");
    let loaded = load(&Sources { environment, ..Sources::default() });
    loaded.unwrap_or_else(|errors| panic!("{errors}")).settings
}

#[test]
fn the_container_is_reachable_and_keeps_its_data_on_the_volume() {
    let text = read("docker/Dockerfile");
    let settings = settings(&text, "ENV ");
    assert!(settings.listen.address.ip().is_unspecified());
    assert!(text.contains(&format!("EXPOSE {}\n", settings.listen.address.port())));
    let volume = format!("VOLUME {}\n", settings.node.data_directory.display());
    assert!(text.contains(&volume));
}

#[test]
fn the_supervisor_waits_longer_than_a_node_takes_to_stop() {
    let text = read("systemd/via-node.service");
    let settings = settings(&text, "Environment=");
    let wait = text.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let wait = wait.and_then(|wait| wait.strip_suffix('s')?.parse().ok());
    let wait = Duration::from_secs(wait.expect("TimeoutStopSec is whole seconds"));
    assert!(wait > settings.node.shutdown_grace, "{wait:?}");
    assert!(settings.node.data_directory.ends_with("var/lib/via"));
    assert!(text.contains("\nStateDirectory=via\n"));
}
