//! `via-node cluster`: makes a cluster of a data directory, invites nodes, and
//! shows and changes nodes and shards through any node that runs.

mod found;
mod table;
mod wait;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use via_cluster_config::Listen;
use via_transport::Safe;

use crate::flags::Flags;
use crate::{http, serve};

/// Makes a cluster, and shows and changes its nodes and shards.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Makes a data directory the first node of a new cluster; what is in it
    /// stays. No node may run on it meanwhile.
    Init(found::Args),
    /// Makes a join token: lets one node in, once. Asks the node that runs on
    /// the data directory.
    Token {
        #[command(flatten)]
        flags: Flags,
        /// How long it is good, for example 30m; at most 7 days.
        #[arg(long, value_name = "SPAN", default_value = "1h")]
        ttl: String,
    },
    /// Shows who leads, who votes, and what still has to move.
    Status {
        #[command(flatten)]
        target: Target,
        /// Shows what still has to move until nothing has to, and how long that
        /// will take.
        #[arg(long)]
        wait: bool,
    },
    /// Shows every node.
    Nodes(Target),
    /// Shows every shard.
    Shards(Target),
    /// Moves away what a node holds, so that it can be removed.
    Drain {
        /// The node's id or name.
        node: String,
        /// Lets it hold shards again.
        #[arg(long)]
        undo: bool,
        /// Shows what still has to move until nothing has to.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Lets a drained node go for good.
    Remove {
        /// The node's id or name.
        node: String,
        /// Gives up a node that is dead, and what only it has.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Lets another replica lead a shard.
    Transfer {
        /// The shard's id, like s7.
        shard: String,
        /// The node that should lead, by id or name.
        node: String,
        #[command(flatten)]
        target: Target,
    },
    /// Lets every shard be led by the node that should.
    Rebalance(Target),
}

/// Which node is asked, and how it is shown.
#[derive(Debug, clap::Args)]
struct Target {
    /// Where any node serves HTTP, `host:port`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    target: String,
    /// Shows the key or the session's token that is in this file: an operator's.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Does what was asked for.
///
/// # Errors
/// What the cluster says against it, or that it cannot be asked.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.deed {
        Deed::Init(args) => found::run(args),
        Deed::Token { flags, ttl } => token(flags, ttl),
        Deed::Status { target, wait } => {
            if *wait {
                wait::until_at_rest(target)?;
            }
            target.show("", table::status)
        }
        Deed::Nodes(target) => target.show("/nodes", table::nodes),
        Deed::Shards(target) => target.show("/shards", table::shards),
        Deed::Drain { node, undo, wait, target } => {
            let deed = if *undo { "undrain" } else { "drain" };
            let path = format!("/nodes/{}/{deed}", segment(node)?);
            target.change(&path, &json!({}), table::node)?;
            if *wait { wait::until_at_rest(target) } else { Ok(()) }
        }
        Deed::Remove { node, force, target } => {
            let path = format!("/nodes/{}/remove?force={force}", segment(node)?);
            target.change(&path, &json!({}), table::node)
        }
        Deed::Transfer { shard, node, target } => {
            let path = format!("/shards/{}/transfer", segment(shard)?);
            target.change(&path, &json!({ "to": node }), table::moved)
        }
        Deed::Rebalance(target) => target.change("/rebalance", &json!({}), table::moved),
    }
}

/// Checks that a name can stand in a path: no name has other characters.
fn segment(text: &str) -> Result<&str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || !text.chars().all(allowed) {
        bail!("{text:?} is neither an id nor a name");
    }
    Ok(text)
}

impl Target {
    fn show(&self, path: &str, table: fn(&Value) -> String) -> Result<()> {
        self.print(&self.ask(path, None)?, table)
    }

    fn change(&self, path: &str, body: &Value, table: fn(&Value) -> String) -> Result<()> {
        self.print(&self.ask(path, Some(&body.to_string()))?, table)
    }

    fn ask(&self, path: &str, body: Option<&str>) -> Result<Value> {
        let address = http::find(&self.target)?;
        let key = self.key_file.as_ref().map(|file| {
            let read = std::fs::read_to_string(file);
            read.with_context(|| format!("reading {}", file.display()))
        });
        let key = key.transpose()?;
        let shown = (key.as_deref().map(str::trim), body);
        let answer = http::ask(address, &format!("/api/v1/cluster{path}"), shown)?;
        let document: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("{address} answered {} and no JSON", answer.status))?;
        if answer.status != 200 {
            let word = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
            bail!("{} ({}, {})", word("detail"), word("code"), word("fate"));
        }
        Ok(document)
    }

    fn print(&self, document: &Value, table: fn(&Value) -> String) -> Result<()> {
        let text = match self.json {
            true => serde_json::to_string_pretty(document)?,
            false => table(document),
        };
        Ok(writeln!(anstream::stdout(), "{}", text.trim_end())?)
    }
}

fn token(flags: &Flags, ttl: &str) -> Result<()> {
    let settings = flags.load()?.settings;
    let life: Duration =
        via_cluster_config::span(ttl).map_err(anyhow::Error::msg).context("--ttl")?;
    let directory = &settings.node.data_directory;
    let safe = Safe::of(directory);
    let Some(address) = safe.address()? else {
        bail!(
            "no node of a cluster ever ran on {}; `via-node cluster init` makes it one",
            directory.display()
        );
    };
    let address = Listen::from_this_machine(address);
    let token = serve::runtime()?.block_on(via_control::issue_token(&safe, address, life));
    let token = token.with_context(|| format!("asking the node of {}", directory.display()))?;
    Ok(writeln!(anstream::stdout(), "{token}")?)
}
