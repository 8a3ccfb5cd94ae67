//! Groups the lines of every `*.log` below a folder into templates and writes
//! one id a line: `cargo run --release -p via-engine --example templates -- IN
//! OUT [LINES]`. One pass; a template that became part of another has its id.
//! With LINES, also tells how many lines a second one core assigns.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use via_engine::{Source, TemplateId, TemplateOptions, Templates};

/// Passes whose median is told.
const PASSES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, rest @ ..] = arguments.as_slice() else {
        panic!("usage: templates IN OUT [LINES]");
    };
    fs::create_dir_all(output).expect("a writable folder");
    for file in logs(Path::new(input)) {
        let name = file.file_stem().expect("a file has a name").to_string_lossy();
        let text = fs::read(&file).expect("a readable log");
        let lines: Vec<&[u8]> = text.strip_suffix(b"\n").unwrap_or(&text).split(is_end).collect();
        let (clusters, listing) = group(&lines);
        fs::write(Path::new(output).join(format!("{name}.clusters")), clusters)
            .expect("a writable file");
        fs::write(Path::new(output).join(format!("{name}.templates")), listing)
            .expect("a writable file");
        if let Some(count) = rest.first() {
            let count = count.parse().expect("a number of lines");
            report(&name, rate(&lines, count));
        }
    }
}

fn is_end(byte: &u8) -> bool {
    *byte == b'\n'
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    files
}

/// Returns an id for each line, and a list of the templates with their counts.
fn group(lines: &[&[u8]]) -> (String, String) {
    let source = Source::new("log", "");
    let mut templates = Templates::new(TemplateOptions::default());
    let mut now_in = BTreeMap::<TemplateId, TemplateId>::new();
    let mut ids = Vec::with_capacity(lines.len());
    for line in lines {
        let id = templates.assign(source, line).id;
        for gone in templates.absorbed() {
            now_in.insert(*gone, id);
        }
        now_in.remove(&id);
        ids.push(id);
    }
    let (mut clusters, mut listing) = (String::new(), String::new());
    for mut id in ids {
        while let Some(next) = now_in.get(&id) {
            id = *next;
        }
        writeln!(clusters, "{id}").expect("strings grow");
    }
    for id in templates.ids() {
        let template = templates.template(id).expect("listed ids are known");
        writeln!(listing, "{id} {:6} {}", template.lines, template.text).expect("strings grow");
    }
    (clusters, listing)
}

/// Returns the median lines a second over a few passes of at least `count` lines.
#[expect(clippy::disallowed_methods, reason = "the core is looked at from outside")]
fn rate(lines: &[&[u8]], count: usize) -> f64 {
    let source = Source::new("log", "");
    let mut rates: Vec<f64> = (0..PASSES)
        .map(|_| {
            let mut templates = Templates::new(TemplateOptions::default());
            let start = Instant::now();
            let mut sum = 0u64;
            for line in lines.iter().cycle().take(count) {
                sum = sum.wrapping_add(templates.assign(source, line).id.get());
            }
            std::hint::black_box(sum);
            count as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[PASSES / 2]
}

#[expect(clippy::print_stdout, reason = "an example tells its figures")]
fn report(name: &str, rate: f64) {
    println!("{name}: {:.2} M lines/s", rate / 1e6);
}
