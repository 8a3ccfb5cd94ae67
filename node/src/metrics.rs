//! Every documented counter, from the start: one that appears with its first
//! increment hides that increment from `rate`, and its absence tells nothing.
//! Rooms count; this only makes each counter known, at 0. Those labelled by
//! what clients ask for (a route, a failure's code) come as they are asked for.

use metrics::{Label, counter, describe_counter};

/// A counter's labels and the values that each is known to take.
type Labels = &'static [(&'static str, &'static [&'static str])];

const PROTOCOL: (&str, &[&str]) = ("protocol", &["json", "ndjson", "grpc"]);

/// Counters and their labels; several labels stand for every combination.
const COUNTERS: &[(&str, Labels)] = &[
    ("via_ingest_events_total", &[PROTOCOL, ("outcome", &["accepted", "duplicate", "refused"])]),
    ("via_ingest_requests_total", &[PROTOCOL, ("outcome", &["written"])]),
    ("via_http_panics_total", &[]),
    ("via_live_gaps_total", &[]),
    ("via_shard_events_total", &[]),
    ("via_shard_forwarded_batches_total", &[]),
    (
        "via_shard_steps_total",
        &[
            ("step", &["learn", "promote", "transfer", "remove", "settle"]),
            ("outcome", &["taken", "not_taken"]),
        ],
    ),
    (
        "via_shard_entries_total",
        &[(
            "kind",
            &[
                "events",
                "detections",
                "checkpoint",
                "checkpoint_done",
                "stream_config",
                "tick",
                "reset",
            ],
        )],
    ),
    ("via_detections_total", &[]),
    ("via_detections_forgotten_total", &[]),
    ("via_checkpoints_total", &[]),
    ("via_profiles_evicted_total", &[]),
    (
        "via_pressure_refused_events_total",
        &[("cause", &["low_priority", "new_entity", "memory", "disk"])],
    ),
    (
        "via_control_commands_total",
        &[
            (
                "command",
                &[
                    "form_cluster",
                    "register_node",
                    "create_tenant",
                    "create_stream",
                    "put_stream_config",
                    "open_producer",
                    "set_node_state",
                    "put_defaults",
                    "issue_token",
                    "admit_node",
                    "observe_node",
                ],
            ),
            ("outcome", &["applied", "refused"]),
        ],
    ),
    ("via_control_commit_failures_total", &[]),
    ("via_raft_proposals_total", &[]),
    ("via_raft_failed_groups_total", &[]),
    ("via_raft_log_stalls_total", &[]),
    ("via_raft_leader_changes_total", &[]),
    ("via_raft_snapshot_sent_bytes_total", &[]),
    ("via_raft_snapshot_received_bytes_total", &[]),
    ("via_log_appends_total", &[]),
    ("via_log_appended_bytes_total", &[]),
    (
        "via_log_refused_total",
        &[("reason", &["overloaded", "full", "poisoned", "gap", "too_large", "failed"])],
    ),
    ("via_store_writes_total", &[]),
    ("via_link_connections_total", &[]),
    ("via_link_failures_total", &[]),
    ("via_link_calls_total", &[("outcome", &["ok", "error"])]),
    ("via_link_sent_bytes_total", &[]),
    ("via_link_received_bytes_total", &[]),
];

/// What the metrics of the drivers mean, who know no recorder.
const DRIVERS: &[(&str, &str)] = &[
    ("via_raft_proposals_total", "Entries submitted"),
    ("via_raft_commit_seconds", "From an entry's submission to the answer"),
    ("via_raft_failed_groups_total", "Groups that stopped for good: alert on any"),
    ("via_raft_log_stalls_total", "Times the log took no more for a while"),
    ("via_raft_leader_changes_total", "Changes of leader seen"),
    ("via_raft_snapshot_sent_bytes_total", "Bytes of snapshots sent"),
    ("via_raft_snapshot_received_bytes_total", "Bytes of snapshots received"),
    ("via_log_appends_total", "Entries appended to the log"),
    ("via_log_appended_bytes_total", "Bytes appended to the log"),
    ("via_log_sync_seconds", "One sync of the log"),
    ("via_log_batch_requests", "Requests that shared one sync"),
    ("via_log_bytes", "Log segments on disk"),
    ("via_log_queued_bytes", "Bytes waiting to be written to the log"),
    ("via_log_refused_total", "Appends refused, by reason"),
    ("via_store_commit_seconds", "One commit point of the state store"),
    ("via_store_writes_total", "Records written to or deleted from the state store"),
    ("via_link_connections_total", "Connections to peers opened"),
    ("via_link_failures_total", "Attempts to reach or answer a peer that failed"),
    ("via_link_calls_total", "Calls to peers, by outcome"),
    ("via_link_sent_bytes_total", "Bytes sent to peers"),
    ("via_link_received_bytes_total", "Bytes received from peers"),
];

/// Tells the recorder that is installed what the names mean that no room tells.
pub(crate) fn describe() {
    via_control::metrics::describe();
    for (name, meaning) in DRIVERS {
        // Of whatever kind: a description belongs to the name.
        describe_counter!(*name, *meaning);
    }
}

/// Makes every counter known to the recorder that is installed.
pub(crate) fn begin_at_zero() {
    for (name, labels) in COUNTERS {
        let mut combinations = vec![Vec::new()];
        for (label, values) in *labels {
            let longer = |known: &Vec<Label>| {
                let known = known.clone();
                values.iter().map(move |value| {
                    known.iter().cloned().chain([Label::from_static_parts(label, value)]).collect()
                })
            };
            combinations = combinations.iter().flat_map(longer).collect();
        }
        for labels in combinations {
            counter!(*name, labels).increment(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// Counters whose labels are not known before they are counted.
    const ASKED_FOR: [&str; 1] = ["via_http_requests_total"];

    #[test]
    fn every_metric_that_no_service_describes_is_described_here() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let table = include_str!("../../docs/OPERATIONS.md");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        let names = rows.filter_map(|row| row.split('`').next());
        let of = |room: &str| {
            ["raft_", "log_", "store_", "link_", "control_", "catalog_"]
                .iter()
                .any(|prefix| room.starts_with(prefix))
        };
        let names: Vec<&'static str> =
            names.filter(|name| name.strip_prefix("via_").is_some_and(of)).collect();
        assert!(names.len() > 20, "{names:?}");
        metrics::with_local_recorder(&recorder, || {
            describe();
            for name in &names {
                counter!(*name).increment(1);
            }
        });
        let page = handle.render();
        for name in names {
            assert!(page.contains(&format!("# HELP {name} ")), "{name}:\n{page}");
        }
    }

    #[test]
    fn every_documented_counter_is_there_from_the_start_with_its_labels() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, begin_at_zero);
        let page = handle.render();
        let table = include_str!("../../docs/OPERATIONS.md");
        let mut documented = BTreeSet::new();
        for row in table.lines().filter(|line| line.starts_with("| `via_")) {
            let mut cells = row.split('|').map(str::trim).skip(1);
            let (name, kind, labels) = (cells.next(), cells.next(), cells.next());
            let name = name.unwrap_or_default().trim_matches('`');
            if kind != Some("counter") || ASKED_FOR.contains(&name) {
                continue;
            }
            documented.insert(name.to_owned());
            let sample = page.lines().find(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            let sample = sample.unwrap_or_else(|| panic!("{name} is not there:\n{page}"));
            assert!(sample.ends_with(" 0"), "{sample}");
            for label in labels.unwrap_or_default().split(',').filter(|label| !label.is_empty()) {
                let label = label.trim().trim_matches('`');
                assert!(sample.contains(&format!("{label}=\"")), "{label} of {sample}");
            }
        }
        let known: BTreeSet<String> = COUNTERS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(documented, known);
    }
}
