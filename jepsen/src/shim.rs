//! Libraries that are preloaded into a node: builds them from `shim/*.c` with
//! this machine's C compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// Builds `shim/<name>.c` as a library in `folder` and returns its path.
///
/// # Errors
/// There is no C compiler, or it refuses.
pub(crate) fn build(name: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let library = folder.join(format!("{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("shim/{name}.c"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .output()
        .context("run the C compiler `cc`")?;
    let words = String::from_utf8_lossy(&built.stderr);
    anyhow::ensure!(built.status.success(), "the {name} shim does not compile: {words}");
    Ok(library)
}
