//! Writes the documents that are made from the settings: the manual and the
//! commented example file.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(root.join("../docs/CONFIGURATION.md"), via_cluster_config::manual())?;
    std::fs::write(root.join("examples/via.toml"), via_cluster_config::example())
}
