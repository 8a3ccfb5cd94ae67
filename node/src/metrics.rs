//! Every documented counter, from the start: one that appears with its first
//! increment hides that increment from `rate`, and its absence tells nothing.
//! Rooms count; this only makes each counter known, at 0. Those labelled by
//! what clients ask for (a route, a failure's code) come as they are asked for.

use metrics::{Label, counter};

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
