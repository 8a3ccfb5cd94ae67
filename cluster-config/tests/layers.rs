//! Layers put together, as the command line does it.

use std::path::PathBuf;
use std::time::Duration;

use via_cluster_config::{
    Detail, Environment, File, Flag, Format, Loaded, Origin, Settings, Sources, load, migrate,
};
use via_types::config::{Method, MinDeviation, Side, Threshold};

fn sources(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Sources {
    Sources {
        file: Some(File::Text { name: PathBuf::from("via.toml"), text: text.to_owned() }),
        environment: environment.iter().copied().collect::<Environment>(),
        flags: flags.iter().map(|flag| Flag::Set((*flag).to_owned())).collect(),
    }
}

fn loaded(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Loaded {
    load(&sources(text, environment, flags)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refused(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
    let errors = load(&sources(text, environment, flags)).expect_err("is refused");
    errors.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn without_sources_everything_is_default() {
    let loaded = load(&Sources::default()).expect("defaults are valid");
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.notices.is_empty());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
}

#[test]
fn each_layer_is_stronger_than_the_one_before() {
    let text = "version = 1\n[engine]\nshards = 2\nwarmup_events = 20\nlateness = \"1m\"\n";
    let environment = [("VIA__ENGINE__SHARDS", "4"), ("VIA__ENGINE__LATENESS", "2m")];
    let loaded = loaded(text, &environment, &["engine.lateness=3m"]);
    let stream = loaded.settings.stream_config();
    assert_eq!(loaded.settings.engine.shards, 4);
    assert_eq!(stream.timing.warmup_events, 20);
    assert!((stream.timing.lateness_secs - 180.0).abs() < f64::EPSILON);
    let origin = |key: &str| loaded.origins[key].to_string();
    assert_eq!(origin("engine.shards"), "environment variable VIA__ENGINE__SHARDS");
    assert_eq!(origin("engine.warmup_events"), "via.toml:4");
    assert_eq!(origin("engine.lateness"), "flag --set");
    assert_eq!(origin("engine.explain"), "default");
}

#[test]
fn a_named_flag_is_the_origin() {
    let mut sources = sources("version = 1\n", &[], &[]);
    sources.flags.push(Flag::Named {
        name: "--data-dir".to_owned(),
        key: "node.data_directory".to_owned(),
        value: "/srv/via".to_owned(),
    });
    let loaded = load(&sources).expect("is valid");
    assert_eq!(loaded.settings.node.data_directory, PathBuf::from("/srv/via"));
    assert_eq!(loaded.origins["node.data_directory"].to_string(), "flag --data-dir");
}

#[test]
fn a_stronger_method_brings_its_own_figure() {
    let text = "version = 1\n[thresholds]\nmethod = \"percentile(0.99)\"\n";
    let from_file = loaded(text, &[], &[]).settings.stream_config().threshold.method;
    assert_eq!(from_file, Method::Percentile(0.99));
    let variable = [("VIA__THRESHOLDS__METHOD", "percentile(0.9)")];
    let stronger = loaded(text, &variable, &[]).settings.stream_config().threshold.method;
    assert_eq!(stronger, Method::Percentile(0.9));
    let own = "version = 1\n[thresholds]\nmethod = \"ewma_sigma\"\newma_sigma = 3\n";
    let own = loaded(own, &[], &[]).settings.stream_config().threshold.method;
    assert_eq!(own, Method::EwmaSigma(3.0));
}

#[test]
fn every_rule_arrives_where_it_is_set() {
    let methods = [
        ("ewma_sigma", Method::EwmaSigma(0.75)),
        ("percentile", Method::Percentile(0.75)),
        ("mad", Method::Mad(0.75)),
        ("ensemble", Method::Ensemble(0.75)),
        ("budget", Method::Budget(0.75)),
        ("stream_budget", Method::StreamBudget(0.75)),
    ];
    let sections = ["thresholds", "volume", "distribution", "cardinality", "burst"];
    for (position, section) in sections.into_iter().enumerate() {
        for (name, method) in methods {
            let table = match position {
                0 => section.to_owned(),
                _ => format!("detectors.{section}.threshold"),
            };
            let text = format!(
                "version = 1\n[{table}]\nmethod = \"{name}\"\n{name} = 0.75\n\
                 sensitivity = 2\nadaptive_factor = 0.25\ndirection = \"below\"\n\
                 min_deviation = {{ absolute = 3, relative = 0.5 }}\n"
            );
            let stream = loaded(&text, &[], &[]).settings.stream_config();
            let detectors = &stream.detectors;
            let rules = [
                (stream.threshold != Threshold::default()).then_some(stream.threshold),
                detectors.volume.threshold,
                detectors.distribution.threshold,
                detectors.cardinality.threshold,
                detectors.burst.threshold,
            ];
            let set = Threshold {
                method,
                sensitivity: 2.0,
                adaptive_factor: 0.25,
                direction: Side::Below,
                min_deviation: MinDeviation { absolute: 3.0, relative: 0.5 },
            };
            for (other, rule) in rules.into_iter().enumerate() {
                assert_eq!(rule, (other == position).then_some(set), "{table}: {name}");
            }
        }
    }
}

#[test]
fn problems_of_all_layers_are_told_at_once() {
    let text = "version = 1\n[engine]\nshards = 3\n[limits]\nline = \"64MiB\"\nbody = \"1MiB\"\n";
    let environment = [("VIA__NODE__MEMORY", "1GiB"), ("VIA__NODE__SHUTDOWN_GRACE", "30")];
    let said = refused(text, &environment, &["thresholds.sensitivity=11"]);
    let expected = [
        "via.toml:3: engine.shards = 3: must be a power of two, from 1 to 1024",
        "environment variable VIA__NODE__MEMORY: node.memory = \"1GiB\": no such setting; did you mean \
         VIA__NODE__MEMORY_LIMIT? allowed here: VIA__NODE__DATA_DIRECTORY, \
         VIA__NODE__MEMORY_LIMIT, VIA__NODE__SHUTDOWN_GRACE",
        "environment variable VIA__NODE__SHUTDOWN_GRACE: node.shutdown_grace = \"30\": must be a \
         whole number and a unit: ns, us, ms, s, m, h or d, like \"30s\", from 0s to 1h",
        "flag --set: thresholds.sensitivity = 11.0: must be a number, from 0.1 to 10",
        "via.toml:5: limits.line = \"64MiB\": a line must not be longer than a body; limits.body \
         is \"1MiB\" (via.toml:6)",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_bad_value_is_refused_even_if_a_stronger_layer_hides_it() {
    let said = refused("version = 1\n[engine]\nshards = 3\n", &[], &["engine.shards=4"]);
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn a_relation_blames_what_somebody_wrote() {
    let said = refused("version = 1\n", &[("VIA__LIMITS__REQUEST_MEMORY", "16MiB")], &[]);
    assert_eq!(
        said,
        [
            "environment variable VIA__LIMITS__REQUEST_MEMORY: limits.request_memory = \"16MiB\": the \
          memory for requests must hold at least one body; limits.body is \"32MiB\" (default)"
        ]
    );
}

#[test]
fn a_relation_with_a_bad_value_is_not_told() {
    let text = "version = 1\n[limits]\nline = \"64MiB\"\nbody = \"a lot\"\n";
    let said = refused(text, &[], &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn a_door_that_asks_nobody_gives_a_notice_and_is_for_this_machine_only() {
    let open = "access.required=false";
    let notice = loaded("version = 1\n", &[], &[open]).notices[0].to_string();
    assert!(notice.starts_with("flag --set: NOBODY IS ASKED WHO THEY ARE"), "{notice}");
    let everywhere = "listen.address=0.0.0.0:8080";
    assert!(loaded("version = 1\n", &[], &[everywhere]).notices.is_empty());
    let words = refused("version = 1\n", &[], &[open, everywhere]).join("\n");
    assert!(words.contains("access.open_to_network"), "{words}");
    let meant = [open, everywhere, "access.open_to_network=true"];
    assert!(!loaded("version = 1\n", &[], &meant).settings.access.required);
}

#[test]
fn an_old_file_loads_with_notices() {
    let text =
        "[server]\nport = 9000\n[storage]\ncheckpoint_secs = 5\n[node]\nmemory_limit = \"1GiB\"\n";
    let loaded = loaded(text, &[], &[]);
    assert_eq!(loaded.settings.listen.address.port(), 9000);
    assert_eq!(loaded.settings.persistence.checkpoint_interval, Duration::from_secs(5));
    let notices: Vec<String> = loaded.notices.iter().map(ToString::to_string).collect();
    assert!(notices[0].starts_with("via.toml: is in version 0"), "{notices:#?}");
    assert_eq!(notices[1], "via.toml:2: server.port: now listen.address");
    assert_eq!(notices.len(), 3, "{notices:#?}");
    assert_eq!(loaded.origins["listen.address"].to_string(), "via.toml:2");
    let new = migrate(&PathBuf::from("via.toml"), text).expect("migrates").text;
    assert_eq!(self::loaded(&new, &[], &[]).settings, loaded.settings);
}

#[test]
fn what_is_printed_loads_to_the_same_settings() {
    let text = "version = 1\n[engine]\nentity_from = [\"a\\\"b\", \"c\"]\n\
                [detectors.volume]\nseason = \"7d\"\n[detectors.burst.threshold]\nmad = 3\n\
                method = \"mad\"\n[node]\ndata_directory = 'C:\\via # x'\n";
    let first = loaded(text, &[], &[]);
    for detail in [Detail::Values, Detail::Origins] {
        let printed = first.print(Format::Toml, detail);
        let again = loaded(&printed, &[], &[]);
        assert_eq!(again.settings, first.settings, "{printed}");
        assert_eq!(
            again.print(Format::Toml, Detail::Values),
            first.print(Format::Toml, Detail::Values)
        );
    }
    let printed = first.print(Format::Toml, Detail::Origins);
    let line = printed.lines().find(|line| line.starts_with("season")).expect("is printed");
    assert!(line.ends_with("# via.toml:5"), "{line}");
}

#[test]
fn json_carries_values_and_origins() {
    let loaded = loaded("version = 1\n[engine]\nshards = 2\n", &[], &[]);
    let json: serde_json::Value =
        serde_json::from_str(&loaded.print(Format::Json, Detail::Origins)).expect("is JSON");
    assert_eq!(json["values"]["engine"]["shards"], 2);
    assert_eq!(json["values"]["limits"]["body"], "32MiB");
    assert_eq!(json["origins"]["engine.shards"], "via.toml:3");
    assert_eq!(json["origins"]["limits.body"], "default");
    let values: serde_json::Value =
        serde_json::from_str(&loaded.print(Format::Json, Detail::Values)).expect("is JSON");
    assert_eq!(values, json["values"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("is written");
        let sources = Sources { file: Some(File::At(path)), ..Sources::default() };
        load(&sources).expect_err("is refused").to_string()
    };
    assert!(
        at("latin.toml", b"version = 1\n# caf\xe9\n")
            .ends_with("latin.toml:2: cannot be read: not UTF-8")
    );
    assert!(at("long.toml", &vec![b'\n'; (1 << 20) + 1]).contains("longer than 1048576 bytes"));
    let absent = directory.path().join("absent.toml");
    let sources = Sources { file: Some(File::At(absent)), ..Sources::default() };
    let said = load(&sources).expect_err("is refused").to_string();
    assert!(said.contains("absent.toml: cannot be read: "), "{said}");
}
