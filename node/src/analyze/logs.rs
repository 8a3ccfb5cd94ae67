//! `via-node analyze FILE.log`: the templates of a file of log lines, by the
//! engine's own miner, and which line is of which. One pass; a template that
//! became part of another has its id in the end. Called by `analyze`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use via_engine::{Source, TemplateId, TemplateOptions, Templates};

use super::figure::{count, plural};
use super::is_same_file;
use super::scores::is_standard;

/// Longest line that is read whole; the miner looks at less.
const LINE_BYTES: u64 = 1 << 20;

/// Says whether a file holds log lines rather than a table.
pub(super) fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("log"))
}

/// Returns where the ids of a log's lines go in a folder of scores.
pub(super) fn clusters(mirrored: &Path) -> PathBuf {
    mirrored.with_extension("clusters")
}

/// Finds the templates of one file, shows the `top` most frequent, and writes
/// the id of each line to `out`.
///
/// # Errors
/// A file cannot be read or written; it is named.
pub(super) fn analyze(
    screen: &mut impl Write,
    input: &Path,
    out: Option<&Path>,
    top: usize,
) -> Result<()> {
    let naming = || input.display().to_string();
    if out.is_some_and(|out| is_same_file(out, input)) {
        bail!("{} would be overwritten by its own templates", input.display());
    }
    let (templates, ids) = read(input).with_context(naming)?;
    if let Some(out) = out {
        write(out, &ids).with_context(|| format!("writing {}", out.display()))?;
    }
    let (lines, found) =
        (plural(ids.len() as u64, "line"), plural(templates.len() as u64, "template"));
    writeln!(screen, "{}: {lines}, {found}", input.display())?;
    let mut listed: Vec<_> = templates.ids().filter_map(|id| templates.template(id)).collect();
    listed.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.text.cmp(&b.text)));
    for template in listed.iter().take(top) {
        writeln!(screen, "  {:>9}  {}", count(template.lines), template.text)?;
    }
    Ok(())
}

/// Returns the templates and the id of each line.
fn read(input: &Path) -> Result<(Templates, Vec<TemplateId>)> {
    let mut reader = BufReader::new(File::open(input)?);
    let source = Source::new("log", "");
    let mut templates = Templates::new(TemplateOptions::default());
    let mut now_in = BTreeMap::<TemplateId, TemplateId>::new();
    let (mut ids, mut line) = (Vec::new(), Vec::new());
    while read_line(&mut reader, &mut line)? {
        let id = templates.assign(source, &line).id;
        for gone in templates.absorbed() {
            now_in.insert(*gone, id);
        }
        now_in.remove(&id);
        ids.push(id);
    }
    for id in &mut ids {
        while let Some(next) = now_in.get(id) {
            *id = *next;
        }
    }
    Ok((templates, ids))
}

/// Reads the next line without its end, of a longer one what fits; says whether
/// there was one.
fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let mut limited = std::io::Read::take(&mut *reader, LINE_BYTES);
    if limited.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
    }
    while line.last().is_some_and(|end| matches!(end, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(true)
}

fn write(out: &Path, ids: &[TemplateId]) -> Result<()> {
    let target: Box<dyn Write> = if is_standard(out) {
        Box::new(std::io::stdout())
    } else {
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Box::new(File::create(out)?)
    };
    let mut target = BufWriter::new(target);
    for id in ids {
        writeln!(target, "{id}")?;
    }
    Ok(target.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_id_of_its_template() {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, out) = (folder.path().join("a.log"), folder.path().join("a.clusters"));
        let text = "took 5 ms\nuser 1 left\r\ntook 91 ms\n\nuser 77 left";
        std::fs::write(&input, text).expect("a file");
        let mut screen = Vec::new();
        analyze(&mut screen, &input, Some(&out), 10).expect("readable");
        let written = std::fs::read_to_string(&out).expect("written");
        let ids: Vec<&str> = written.lines().collect();
        assert_eq!(ids.len(), 5);
        assert_eq!((ids[0], ids[1]), (ids[2], ids[4]));
        assert_ne!(ids[0], ids[1]);
        let shown = String::from_utf8(screen).expect("text");
        assert!(shown.contains("5 lines, 3 templates"), "{shown}");
        assert!(analyze(&mut Vec::new(), &input, Some(&input), 10).is_err(), "itself");
    }
}
