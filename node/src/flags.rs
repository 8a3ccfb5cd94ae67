//! The flags that stand for settings, shared by every command that reads
//! configuration. What they may say is `cluster-config`'s business.

use std::path::PathBuf;

use anyhow::Result;
use via_cluster_config::{Environment, File, Flag, Loaded, Sources, load};

/// Where settings come from: defaults, then the file, then the environment
/// (`VIA__SECTION__KEY`), then flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// Reads this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keeps the log and the state here.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<String>,
    /// Serves HTTP and gRPC here, for example 0.0.0.0:8080.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Sets any setting, for example persistence.checkpoint_interval=30s.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Flags of a command's own that stand for settings.
    #[arg(skip)]
    pub(crate) named: Vec<(&'static str, &'static str, String)>,
}

impl Flags {
    /// Lets the flag `name`, when it is given, stand for the setting `key`.
    pub(crate) fn name(&mut self, name: &'static str, key: &'static str, value: Option<String>) {
        self.named.extend(value.map(|value| (name, key, value)));
    }

    /// Returns all sources together.
    pub(crate) fn sources(&self) -> Sources {
        let named = [
            ("--data-dir", "node.data_directory", &self.data_dir),
            ("--listen", "listen.address", &self.listen),
        ];
        let named = named.into_iter().filter_map(|(name, key, value)| {
            let value = value.clone()?;
            Some(Flag::Named { name: name.to_owned(), key: key.to_owned(), value })
        });
        let own = self.named.iter().map(|(name, key, value)| Flag::Named {
            name: (*name).to_owned(),
            key: (*key).to_owned(),
            value: value.clone(),
        });
        Sources {
            file: self.config.clone().map(File::At),
            environment: Environment::of_process(),
            flags: self.set.iter().cloned().map(Flag::Set).chain(named).chain(own).collect(),
        }
    }

    /// Reads and checks all settings.
    ///
    /// # Errors
    /// Everything that is wrong in any source.
    pub(crate) fn load(&self) -> Result<Loaded> {
        Ok(load(&self.sources())?)
    }
}
