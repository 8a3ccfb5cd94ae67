//! No input, however odd, panics; and what is valid survives a round trip.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use via_cluster_config::{
    Detail, Environment, File, Flag, Format, Sources, example, load, migrate,
};

fn file(text: &str) -> Option<File> {
    Some(File::Text { name: PathBuf::from("via.toml"), text: text.to_owned() })
}

/// Loads and migrates; what loads must print and load again to the same.
fn exercise(text: &str) -> Result<(), TestCaseError> {
    let sources = Sources { file: file(text), ..Sources::default() };
    let loaded = load(&sources);
    if let Err(errors) = &loaded {
        prop_assert!(!errors.problems().is_empty() && !errors.to_string().is_empty());
    }
    let migrated = migrate(Path::new("via.toml"), text);
    if let (Ok(loaded), Ok(migrated)) = (&loaded, &migrated) {
        let again = load(&Sources { file: file(&migrated.text), ..Sources::default() });
        let again = again.map_err(|errors| TestCaseError::fail(errors.to_string()))?;
        prop_assert_eq!(&again.settings, &loaded.settings);
        let printed = loaded.print(Format::Toml, Detail::Origins);
        let again = load(&Sources { file: file(&printed), ..Sources::default() });
        let again = again.map_err(|errors| TestCaseError::fail(errors.to_string()))?;
        prop_assert_eq!(&again.settings, &loaded.settings);
    }
    prop_assert!(loaded.is_err() || migrated.is_ok(), "what loads can be migrated");
    Ok(())
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-2_i64..2000).prop_map(|number| number.to_string()),
        (0_u32..10).prop_map(|power| (1_u64 << power).to_string()),
        any::<f64>().prop_filter("TOML has no such text", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        (0.0..1.0_f64).prop_map(|number| format!("{number:?}")),
        Just("nan".to_owned()),
        Just("-inf".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("2026-11-20T09:00:00Z".to_owned()),
        "(\\PC|[\n\t]){0,20}".prop_map(|text| toml::Value::String(text).to_string()),
        "[0-9]{1,6}(ms|s|m|h|d|KiB|MiB|GiB|B)?".prop_map(|text| format!("\"{text}\"")),
        "(mad|budget|stream_budget|percentile|ensemble|ewma_sigma|none|full|json|debug|127.0.0.1:80)(\\([0-9.]{1,5}\\))?"
            .prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[{}]", all.join(", "))),
            ("[a-z]{1,3}", inner).prop_map(|(key, value)| format!("{{ {key} = {value} }}")),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let mut known: Vec<String> = load(&Sources::default())
        .expect("defaults are valid")
        .origins
        .into_keys()
        .chain(
            ["server.port", "server.bind", "storage.path", "storage.checkpoint_secs"]
                .map(str::to_owned),
        )
        .chain(["logging.level", "logging.json", "detection.sensitivity"].map(str::to_owned))
        .collect();
    known.extend(["version", "engine", "detectors.volume", "server"].map(str::to_owned));
    prop_oneof![
        8 => prop::sample::select(known),
        1 => "[a-z_]{1,8}(\\.[a-z_]{1,8}){0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in "(\\PC|[\n\"'=\\[\\]{}#.,]){0,200}") {
        exercise(&text)?;
    }

    #[test]
    fn no_damaged_example_panics(at in any::<prop::sample::Index>(), with in "\\PC{0,3}", cut in 0_usize..40) {
        let text = example();
        let mut start = at.index(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let end = (start..=text.len()).find(|end| *end >= start + cut && text.is_char_boundary(*end));
        let end = end.unwrap_or(text.len());
        exercise(&format!("{}{with}{}", &text[..start], &text[end..]))?;
    }

    #[test]
    fn no_settings_panic(lines in prop::collection::vec((key(), value()), 0..8), said in any::<bool>()) {
        let mut text = if said { "version = 1\n".to_owned() } else { String::new() };
        for (key, value) in lines {
            text.push_str(&format!("{key} = {value}\n"));
        }
        exercise(&text)?;
    }

    #[test]
    fn no_variable_and_no_flag_panics(
        variables in prop::collection::vec(("VIA__[A-Z_]{0,20}|\\PC{0,10}", "\\PC{0,20}"), 0..4),
        known in prop::collection::vec((key(), "\\PC{0,12}|[0-9]{1,5}|\\[[0-9,\"]{0,5}"), 0..4),
        flags in prop::collection::vec("\\PC{0,30}", 0..4),
    ) {
        let spelt = known.iter().map(|(key, value)| {
            (format!("VIA__{}", key.replace('.', "__").to_ascii_uppercase()), value.clone())
        });
        let environment: Environment = variables.into_iter().chain(spelt).collect();
        let set = known.iter().map(|(key, value)| Flag::Set(format!("{key}={value}")));
        let flags = flags.into_iter().map(Flag::Set).chain(set).collect();
        let sources = Sources { file: None, environment, flags };
        if let Ok(loaded) = load(&sources) {
            let printed = loaded.print(Format::Toml, Detail::Values);
            let again = load(&Sources { file: file(&printed), ..Sources::default() });
            prop_assert_eq!(again.map(|again| again.settings), Ok(loaded.settings));
        }
    }
}

#[test]
fn a_whole_number_beyond_64_bits_is_refused_wherever_it_stands() {
    for value in ["99999999999999999999", "-9223372036854775809", "0xFFFFFFFFFFFFFFFFF"] {
        for key in ["thresholds.min_deviation.absolute", "engine.shards", "server.port"] {
            let text = format!("{key} = {value}\n");
            exercise(&text).expect("load and migrate agree");
            assert!(load(&Sources { file: file(&text), ..Sources::default() }).is_err());
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
    ] {
        assert!(load(&Sources { file: file(&text), ..Sources::default() }).is_err());
        assert!(migrate(Path::new("via.toml"), &text).is_err());
    }
}
