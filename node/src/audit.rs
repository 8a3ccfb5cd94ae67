//! `via-node audit`: checks exports of audit logs, without a node and without
//! a network. Judges nothing itself.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use via_audit::{Export, Head, PublicKey, Seen, verify};

/// Checks exports of audit logs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Checks exports, in the order in which they were made; names the first
    /// entry that is not as it was signed.
    Verify {
        /// What GET /api/v1/audit/export answered.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The log's public key, as GET /api/v1/audit/head shows it: from when
        /// the node was trusted.
        #[arg(long)]
        key: PublicKey,
        /// A signed head that was kept from earlier, as GET /api/v1/audit/head
        /// shows it; may be given often.
        #[arg(long, value_name = "FILE")]
        head: Vec<PathBuf>,
    },
}

/// Does what was asked for.
///
/// # Errors
/// What is wrong, and at which entry; or what cannot be read.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Deed::Verify { files, key, head } = &args.deed;
    let mut seen = Seen::default();
    for path in head {
        let note = read(path)?;
        let kept = Head::open(&note, key).with_context(|| path.display().to_string())?;
        seen.heads.push(kept);
    }
    for path in files {
        let shown = path.display();
        let export = Export::read(&read(path)?).with_context(|| shown.to_string())?;
        let head = match verify(&export, key, &seen) {
            Ok(head) => head,
            Err(finding) => bail!("{shown}: {finding}"),
        };
        let (records, size) = (export.lines.len(), head.size);
        writeln!(
            anstream::stdout(),
            "{shown}: {records} records are as they were signed, of {size} in {}",
            head.origin
        )?;
        seen.keep(&export, head);
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
