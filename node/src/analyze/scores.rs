//! The table of scores: one row for each row of the input, in its order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use csv::Writer;

use super::judge::Verdict;
use super::rows::Row;

const HEADER: [&str; 9] =
    ["timestamp", "value", "score", "expected", "low", "high", "detection", "reason", "entity"];

/// Says whether a path stands for standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a figure that was computed with the digits that it means: ten, not those
/// that adding and taking away have left behind.
fn plain(number: f64) -> String {
    let meant: f64 = format!("{number:.9e}").parse().unwrap_or(number);
    if meant == 0.0 || (1e-6..1e18).contains(&meant.abs()) {
        meant.to_string()
    } else {
        format!("{meant:e}")
    }
}

/// A score table being written.
pub(crate) struct Scores {
    writer: Writer<BufWriter<Box<dyn Write>>>,
}

impl Scores {
    /// Creates the file, and the folders it lies in; `-` is standard output.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let out: Box<dyn Write> = if is_standard(path) {
            Box::new(std::io::stdout())
        } else {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("making the folder {}", folder.display()))?;
            }
            let creating = || format!("creating {}", path.display());
            Box::new(File::create(path).with_context(creating)?)
        };
        let mut writer = Writer::from_writer(BufWriter::with_capacity(1 << 18, out));
        writer.write_record(HEADER)?;
        Ok(Self { writer })
    }

    /// Writes one row: the entity that was judged, its verdict and its
    /// detection's number, or why there is none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(
        &mut self,
        (row, entity): (&Row, &str),
        verdict: Result<&Verdict, &str>,
        detection: Option<u64>,
    ) -> Result<()> {
        let unjudged = Verdict::default();
        let (verdict, reason) = match verdict {
            Ok(verdict) => (verdict, verdict.reason.clone()),
            Err(why) => (&unjudged, format!("not judged: {why}")),
        };
        let [expected, low, high] = match &verdict.expected {
            Some(range) => [range.value, range.low, range.high].map(plain),
            None => [String::new(), String::new(), String::new()],
        };
        let score = format!("{:.6}", verdict.score);
        let detection = detection.map_or(String::new(), |number| number.to_string());
        self.writer.write_record([
            row.time.as_str(),
            &row.value,
            &score,
            &expected,
            &low,
            &high,
            &detection,
            &reason,
            entity,
        ])?;
        Ok(())
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.writer.flush()?;
        let mut out = self.writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
        out.flush().context("writing the last scores")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_they_mean() {
        let written = [93.628_999_999_999_99, 0.1 + 0.2, 0.0, 1e300, -2.5e-12, 86_400.0].map(plain);
        assert_eq!(written, ["93.629", "0.3", "0", "1e300", "-2.5e-12", "86400"]);
    }
}
