//! Changing how streams are judged that say nothing else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamConfig};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Defaults, Object, Stream};
use crate::overlay;
use crate::refusal::Refusal;

/// Sets the defaults of all streams. Each stream that is judged otherwise from
/// now on has this command's revision (invariant C-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutDefaults {
    /// A stream's whole configuration as JSON.
    pub config: String,
}

impl PutDefaults {
    pub(super) fn apply(self, catalog: &mut Catalog, at: Revision) -> Result<Outcome, Refusal> {
        let Self { config: json } = self;
        catalog.formed()?;
        if let Some(there) = catalog.defaults.as_ref().filter(|there| there.json == json) {
            return Ok(Outcome::Defaults(Arc::clone(there)));
        }
        let _: StreamConfig = overlay::read(&json)?;
        let mut changed = Vec::new();
        for stream in catalog.streams.by_id.values() {
            let (config, text) = overlay::in_force(&json, &stream.own)?;
            if text != stream.json {
                let stream = Stream::clone(stream);
                changed.push(Arc::new(Stream { config, json: text, revision: at, ..stream }));
            }
        }
        let defaults = Arc::new(Defaults { json, revision: at });
        catalog.put(Object::Defaults(Arc::clone(&defaults)));
        for stream in changed {
            catalog.put(Object::Stream(stream));
        }
        Ok(Outcome::Defaults(defaults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, apply, catalog};
    use crate::command::{Command, CreateStream, PutStreamConfig};
    use via_types::config::Explain;
    use via_types::{StreamId, Timestamp};

    fn defaults(config: &str) -> Command {
        Command::PutDefaults(PutDefaults { config: config.to_owned() })
    }

    fn create(name: &str, own: &str) -> Command {
        let (name, config) = (name.to_owned(), own.to_owned());
        let at = Timestamp::from_nanos(9);
        Command::CreateStream(CreateStream { tenant: TENANT, name, config, at })
    }

    fn stream(catalog: &Catalog, name: &str) -> (Explain, u32, u64) {
        let stream = catalog.view().stream(TENANT, name).unwrap().clone();
        assert_eq!(serde_json::from_str::<StreamConfig>(&stream.json).unwrap(), stream.config);
        let StreamConfig { explain, timing, .. } = &stream.config;
        (*explain, timing.warmup_events, stream.revision.get())
    }

    #[test]
    fn streams_follow_the_defaults_in_what_they_do_not_say() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, create("mute", "{}")).unwrap();
        apply(&mut catalog, 4, create("loud", r#"{"explain":"full"}"#)).unwrap();
        let set = r#"{"explain":"none","timing":{"warmup_events":10}}"#;
        apply(&mut catalog, 5, defaults(set)).unwrap();
        assert_eq!(stream(&catalog, "mute"), (Explain::None, 10, 5));
        assert_eq!(stream(&catalog, "loud"), (Explain::Full, 10, 5));
        apply(&mut catalog, 6, create("late", "{}")).unwrap();
        assert_eq!(stream(&catalog, "late"), (Explain::None, 10, 6));
        // Neither is judged otherwise when only what it says itself changes.
        let set = r#"{"explain":"basic","timing":{"warmup_events":10}}"#;
        apply(&mut catalog, 7, defaults(set)).unwrap();
        assert_eq!(stream(&catalog, "mute"), (Explain::Basic, 10, 7));
        assert_eq!(stream(&catalog, "loud"), (Explain::Full, 10, 5), "its revision stays");
    }

    #[test]
    fn what_a_stream_takes_back_is_the_default_again() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, defaults(r#"{"explain":"none"}"#)).unwrap();
        apply(&mut catalog, 4, create("a", r#"{"explain":"full"}"#)).unwrap();
        let put = PutStreamConfig {
            tenant: TENANT,
            stream: StreamId::new(1),
            based_on: Revision::new(4),
            config: "{}".to_owned(),
        };
        apply(&mut catalog, 5, Command::PutStreamConfig(put)).unwrap();
        assert_eq!(stream(&catalog, "a"), (Explain::None, 10, 5));
    }

    #[test]
    fn the_same_defaults_are_no_change_and_unreadable_ones_are_refused() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, defaults("{}")).unwrap();
        let before = catalog.clone();
        assert!(apply(&mut catalog, 4, defaults("{}")).is_ok());
        let refused = apply(&mut catalog, 5, defaults(r#"{"colour":1}"#));
        assert!(matches!(refused, Err(Refusal::Unreadable { .. })));
        assert_eq!(catalog, before);
    }

    #[test]
    fn a_restored_catalog_judges_the_same() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, create("a", r#"{"timing":{"lateness_secs":5}}"#)).unwrap();
        apply(&mut catalog, 4, defaults(r#"{"explain":"none"}"#)).unwrap();
        let restored = Catalog::restore(catalog.revision(), catalog.objects()).unwrap();
        assert_eq!(restored.view(), catalog.view());
        let objects: Vec<Object> = catalog.objects().collect();
        assert_eq!(objects.len(), catalog.len());
        assert_eq!(restored.objects().collect::<Vec<_>>(), objects);
    }
}
