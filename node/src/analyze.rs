//! `via-node analyze`: the engine of the server, with its defaults, on a table
//! of one's own. Owns the way from files to scores; what is anomalous is the
//! engine's. Called by `main`; needs no node, no network, no data directory.

mod analysis;
mod beginning;
mod civil;
mod columns;
mod decimal;
pub(crate) mod figure;
mod findings;
mod judge;
mod logs;
mod moment;
mod report;
mod rows;
mod sample;
mod scores;
mod source;
mod subjects;
mod summary;
mod trace;
mod unit;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use via_types::{StreamConfig, Timestamp};

use crate::flags::Flags;
use analysis::Analysis;
use columns::{Columns, Wishes};
use findings::Findings;
use moment::Form;
use rows::Rows;
use scores::Scores;
use trace::Traces;

/// Finds anomalies in a CSV file, or in every CSV file of a folder; the templates
/// of log lines in a .log file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// A CSV file, as it is or packed with gzip, a file of log lines (.log), a
    /// folder of both, or - for standard input.
    #[arg(required_unless_present = "folder")]
    pub(crate) input: Option<PathBuf>,
    /// A folder to analyze, instead of the input.
    #[arg(long, value_name = "FOLDER", conflicts_with = "input")]
    pub(crate) folder: Option<PathBuf>,
    /// The column that holds the time [default: detected; without one, rows
    /// are seconds].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: Option<String>,
    /// How that column writes time [default: detected].
    #[arg(long, value_name = "FORM")]
    pub(crate) time_format: Option<TimeFormat>,
    /// A column of values; several make one multivariate entity [default:
    /// every column of numbers].
    #[arg(long = "value", value_name = "COLUMN")]
    pub(crate) values: Vec<String>,
    /// A column that names the entity; several are joined [default: the one
    /// with a name such as host, user or customer_id; of several such columns
    /// each judges every row by itself, and the highest score counts].
    #[arg(long, value_name = "COLUMN", conflicts_with = "one_entity")]
    pub(crate) entity: Vec<String>,
    /// A column whose distinct values are counted: with it, a burst of different
    /// ones is found [default: the setting engine.distinct_of].
    #[arg(long, value_name = "COLUMN")]
    pub(crate) distinct: Option<String>,
    /// Takes all rows for one entity, whatever the columns' names.
    #[arg(long)]
    pub(crate) one_entity: bool,
    /// Writes one row of scores for each row of input; for a folder, a folder;
    /// - is standard output, and the summary then goes to standard error.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Writes a page with the series, what was expected, and the detections;
    /// for a folder, a folder with one page for each file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) plot: Option<PathBuf>,
    /// How many detections are listed, highest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Judges by the settings of this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets any setting, for example thresholds.sensitivity=2.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The ways a column may write time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TimeFormat {
    /// 2020-12-31 23:59:59, RFC 3339, or with the month in letters.
    Ymd,
    /// 31.12.2020 23:59:59, or with - or /.
    Dmy,
    /// 12/31/2020 23:59:59, or with - or a point.
    Mdy,
    /// Seconds since 1970.
    S,
    /// Milliseconds since 1970.
    Ms,
    /// Microseconds since 1970.
    Us,
    /// Nanoseconds since 1970.
    Ns,
}

impl Args {
    /// Returns what is analyzed; clap sees to it that there is one.
    fn source(&self) -> &Path {
        self.folder.as_deref().or(self.input.as_deref()).unwrap_or_else(|| Path::new("-"))
    }
}

impl TimeFormat {
    fn form(self) -> Form {
        match self {
            Self::Ymd => Form::Calendar,
            Self::Dmy => Form::DayFirst,
            Self::Mdy => Form::MonthFirst,
            Self::S => Form::Epoch(1_000_000_000),
            Self::Ms => Form::Epoch(1_000_000),
            Self::Us => Form::Epoch(1_000),
            Self::Ns => Form::Epoch(1),
        }
    }
}

/// What the rows are judged by.
#[derive(Clone, Debug, Default)]
struct Settings {
    /// The stream's configuration.
    stream: StreamConfig,
    /// How much the engine may hold.
    engine: via_engine::Options,
}

/// One file's way: from where, to where.
#[derive(Clone, Debug)]
struct Job {
    input: PathBuf,
    out: Option<PathBuf>,
    plot: Option<PathBuf>,
}

/// What came of one file.
struct Outcome {
    columns: Columns,
    entities: usize,
    rows: u64,
    judged: u64,
    warming: u64,
    /// Rows not judged, and the first of them with their lines and reasons.
    unjudged: u64,
    /// Rows that only some of their entities judged.
    partly: u64,
    /// Values missing in rows that were judged by their other values.
    gaps: u64,
    named: Vec<(u64, String)>,
    /// Lines skipped as comments.
    comments: u64,
    span: Option<(Timestamp, Timestamp)>,
    findings: Findings,
    traces: Option<Traces>,
    took: Duration,
}

/// Analyzes what was asked for and prints the summary.
///
/// # Errors
/// A file or a setting cannot be read, understood or written; the message says
/// which, and where in it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let flags = Flags { config: args.config.clone(), set: args.set.clone(), ..Flags::default() };
    let settings = flags.load()?.settings;
    let memory_bytes = settings.profile_memory();
    let settings = Settings {
        stream: settings.stream_config(),
        engine: via_engine::Options { memory_bytes, ..via_engine::Options::default() },
    };
    if args.out.as_deref().is_some_and(scores::is_standard) {
        run_on(&mut anstream::stderr().lock(), args, &settings)
    } else {
        run_on(&mut anstream::stdout().lock(), args, &settings)
    }
}

fn run_on(screen: &mut impl Write, args: &Args, settings: &Settings) -> Result<()> {
    let wishes = Wishes {
        time: args.time.clone(),
        form: args.time_format.map(TimeFormat::form),
        values: args.values.clone(),
        entity: args.entity.clone(),
        one_entity: args.one_entity,
        distinct: args.distinct.clone(),
        distinct_if_there: settings.stream.mapping.distinct_of.clone(),
    };
    if args.plot.as_deref().is_some_and(scores::is_standard) {
        bail!("--plot needs the name of a file");
    }
    if args.source().is_dir() {
        if args.out.as_deref().is_some_and(scores::is_standard) {
            bail!("the scores of a folder need a folder: name one with --out");
        }
        return run_folder(screen, args, &wishes, settings);
    }
    if logs::is_log(args.source()) {
        if args.plot.is_some() {
            bail!("--plot draws tables, and {} holds log lines", args.source().display());
        }
        logs::analyze(screen, args.source(), args.out.as_deref(), args.top)?;
        return told(screen, args);
    }
    let job =
        Job { input: args.source().to_owned(), out: args.out.clone(), plot: args.plot.clone() };
    let outcome = analyze(&job, &wishes, settings)?;
    summary::file(screen, args.source(), &outcome, args.top)?;
    told(screen, args)?;
    if outcome.judged == 0 {
        bail!("{}: no row could be judged", args.source().display());
    }
    Ok(())
}

/// Says what was written where.
fn told(screen: &mut impl Write, args: &Args) -> Result<()> {
    if let Some(path) = args.out.as_ref().filter(|path| !scores::is_standard(path)) {
        let what = if logs::is_log(args.source()) {
            "template of every line"
        } else {
            "scores of every row"
        };
        writeln!(screen, "{what}: {}", path.display())?;
    }
    if let Some(path) = &args.plot {
        writeln!(screen, "pictures and reasons: {}", path.display())?;
    }
    Ok(())
}

/// Analyzes every file below a folder, tables as many at once as there are cores.
fn run_folder(
    screen: &mut impl Write,
    args: &Args,
    wishes: &Wishes,
    settings: &Settings,
) -> Result<()> {
    let mut found = Vec::new();
    let written: Vec<&Path> = [&args.out, &args.plot].into_iter().flatten().map(|p| &**p).collect();
    collect(args.source(), &written, &mut found)?;
    found.sort();
    if found.is_empty() {
        bail!("no .csv, .csv.gz, .tsv, .txt or .log file below {}", args.source().display());
    }
    let (logs, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|path| logs::is_log(path));
    for log in &logs {
        let inner = log.strip_prefix(args.source()).unwrap_or(log);
        let out = args.out.as_ref().map(|root| logs::clusters(&root.join(inner)));
        logs::analyze(screen, log, out.as_deref(), 0)?;
    }
    if found.is_empty() {
        return told(screen, args);
    }
    let jobs: Vec<Job> = found
        .into_iter()
        .map(|input| {
            let inner = input.strip_prefix(args.source()).unwrap_or(&input);
            // What is written is not packed.
            let bare =
                if has_ending(inner, "gz") { inner.with_extension("") } else { inner.into() };
            let mirrored = |root: &PathBuf| root.join(&bare);
            // The ending is added, so that no two pages have one name.
            let page = |root: &PathBuf| {
                let mut page = mirrored(root).into_os_string();
                page.push(".html");
                PathBuf::from(page)
            };
            let (out, plot) = (args.out.as_ref().map(mirrored), args.plot.as_ref().map(page));
            Job { out, plot, input }
        })
        .collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<Outcome>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    // Invariant D-6: the limit holds for all files together.
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let mut settings = settings.clone();
    settings.engine.memory_bytes /= workers;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = analyze(job, wishes, &settings);
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if let Some(place) = jobs.iter().position(|other| other.input == job.input) {
                        done[place] = Some(outcome);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let outcomes: Vec<_> = jobs.iter().map(|job| job.input.as_path()).zip(done).collect();
    let failed = summary::folder(screen, args.source(), &outcomes)?;
    told(screen, args)?;
    if failed > 0 {
        bail!("{failed} of {} files could not be analyzed", outcomes.len());
    }
    Ok(())
}

/// Finds the files below a folder, but for what an earlier run has `written` there.
fn collect(folder: &Path, written: &[&Path], found: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        // Links are not followed: a ring of them would never end.
        let kind = entry.file_type().with_context(reading)?;
        if kind.is_dir() {
            if !written.iter().any(|written| is_same_file(written, &path)) {
                collect(&path, written, found)?;
            }
        } else if is_table(&path)? || logs::is_log(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Says whether a file of a folder is a table by its name; of texts, whether the
/// first two lines have as many fields, of two at least.
fn is_table(path: &Path) -> Result<bool> {
    let bare = if has_ending(path, "gz") { path.with_extension("") } else { path.to_owned() };
    if has_ending(&bare, "csv") || has_ending(&bare, "tsv") {
        return Ok(true);
    }
    if !has_ending(&bare, "txt") {
        return Ok(false);
    }
    let naming = || path.display().to_string();
    let Ok(beginning) = beginning::of(source::file(path).with_context(naming)?) else {
        return Ok(false);
    };
    let (reader, _) = source::table(beginning);
    let lengths: Vec<usize> =
        reader.into_byte_records().take(2).map_while(Result::ok).map(|row| row.len()).collect();
    Ok(matches!(lengths[..], [one, two] if one == two && one > 1))
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// Says whether two names lead to one file that exists.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Refuses to write over what is read or written otherwise.
fn check_files(job: &Job) -> Result<()> {
    if job.out.as_ref().is_some_and(|out| is_same_file(out, &job.input)) {
        bail!("{} would be overwritten by its own scores", job.input.display());
    }
    let Some(plot) = &job.plot else { return Ok(()) };
    if is_same_file(plot, &job.input) {
        bail!("{} would be overwritten by its own picture", job.input.display());
    }
    if job.out.as_ref().is_some_and(|out| out == plot || is_same_file(out, plot)) {
        bail!("--out and --plot are both {}; name two files", plot.display());
    }
    Ok(())
}

/// Analyzes one file and writes its scores and its page; an error names it.
fn analyze(job: &Job, wishes: &Wishes, settings: &Settings) -> Result<Outcome> {
    let naming = || job.input.display().to_string();
    check_files(job)?;
    let is_piped = scores::is_standard(&job.input);
    let input: Box<dyn Read> = if is_piped {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&job.input).with_context(naming)?)
    };
    let again = (!is_piped).then_some(job.input.as_path());
    let packed = has_ending(&job.input, "gz").then(|| job.input.with_extension(""));
    let stem = packed.as_deref().unwrap_or(&job.input).file_stem();
    let stem = stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let rows = Rows::open(input, again, &stem, wishes).with_context(naming)?;
    let scores = job.out.as_deref().map(Scores::create).transpose()?;
    let analysis = Analysis::new(rows, settings, job.plot.is_some(), stem);
    let mut outcome = analysis.run(scores).with_context(naming)?;
    if let Some(path) = &job.plot {
        report::write(path, &job.input, &outcome)?;
        // Drawn: a folder's pictures need not all be held until its end (D-6).
        outcome.traces = None;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests;
