//! Builds the web application with npm into the build's own folder, so that a
//! checkout stays as it was; without npm, or when it fails, a plain page says
//! how to get it. Nothing runs while the sources stay the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the application is built from; the rest of `web/` is tests and notes.
const SOURCES: [&str; 8] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "scripts",
    "src",
];

fn main() {
    let web = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("web");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let (work, site) = (out.join("web"), out.join("site"));
    println!("cargo::rerun-if-env-changed=VIA_DASHBOARD");
    println!("cargo::rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    let wish = env::var_os("VIA_DASHBOARD").unwrap_or_default();
    let built = if wish == "off" {
        Err("VIA_DASHBOARD=off left it out".to_owned())
    } else {
        build(&web, &work, &site)
    };
    let Err(why) = built else { return };
    assert!(wish != "required", "the web application could not be built: {why}");
    if wish != "off" {
        println!("cargo::warning=the web application is left out: {why}");
    }
    plain(&site, &why).expect("the build's folder is writable");
}

/// Builds the application into `site`.
fn build(web: &Path, work: &Path, site: &Path) -> Result<(), String> {
    // The node that runs npm would be asked anyway: without it there is no npm.
    npm(web, &["--version"]).map_err(|_| "Node.js with npm was not found".to_owned())?;
    let said = |error: io::Error| error.to_string();
    fs::create_dir_all(work).map_err(said)?;
    for source in SOURCES {
        let target = work.join(source);
        if target.is_dir() {
            fs::remove_dir_all(&target).map_err(said)?;
        }
        copy(&web.join(source), &target).map_err(said)?;
    }
    install(work)?;
    if site.exists() {
        fs::remove_dir_all(site).map_err(said)?;
    }
    let folder = site.display().to_string();
    npm(
        work,
        &["exec", "--offline", "--", "vite", "build", "--outDir", &folder, "--logLevel", "warn"],
    )?;
    run(work, "node", &["scripts/press.mjs", "--dist", &folder])
}

/// Installs the packages that the lock file names, unless they are there.
fn install(work: &Path) -> Result<(), String> {
    let lock = fs::read(work.join("package-lock.json")).map_err(|error| error.to_string())?;
    let stamp = work.join("installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    npm(work, &["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    fs::write(stamp, lock).map_err(|error| error.to_string())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    run(folder, if cfg!(windows) { "npm.cmd" } else { "npm" }, arguments)
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (told, failed) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // One line, since cargo takes a warning as one.
    let words: Vec<_> =
        failed.split_whitespace().chain(told.split_whitespace()).take(120).collect();
    Err(format!("{program} {}: {}", arguments.join(" "), words.join(" ")))
}

/// Writes the page that stands in for the application.
fn plain(site: &Path, why: &str) -> io::Result<()> {
    if site.exists() {
        fs::remove_dir_all(site)?;
    }
    fs::create_dir_all(site)?;
    let escaped = why.replace('&', "&amp;").replace('<', "&lt;");
    let page = include_str!("plain.html").replace("{{why}}", &escaped);
    fs::write(site.join("index.html"), page)
}
