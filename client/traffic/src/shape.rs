//! What one event of each kind looks like: its value and its attributes.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal, Poisson, StandardNormal};

use crate::rhythm::rhythm;

/// Regular customers; their addresses and names recur.
const CUSTOMERS: u32 = 400;
/// Statements the shop's own code sends.
const STATEMENTS: [&str; 6] = [
    "SELECT orders by id",
    "SELECT order_items by order",
    "INSERT orders",
    "INSERT order_items",
    "UPDATE stock",
    "SELECT customers by id",
];
/// Ports the shop's own hosts talk to, most used first.
const PORTS: [u16; 5] = [443, 5432, 6379, 53, 9092];
/// Tables an intruder asks for.
const TABLES: [&str; 6] =
    ["users", "cards", "sessions", "information_schema.tables", "pg_shadow", "api_keys"];

/// What a source's events carry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A request: log-normal milliseconds around `median_ms`.
    Request { route: &'static str, median_ms: f64, sigma: f64 },
    /// How many requests came in the last `secs`, at `per_sec` on average.
    RequestCount { per_sec: f64, secs: f64 },
    /// A customer's login.
    Login,
    /// A login with a stolen password, from anywhere.
    StolenLogin,
    /// A statement of the shop's own: rows returned.
    Statement,
    /// An injected statement.
    InjectedStatement,
    /// A connection to a known port.
    Connection,
    /// A knock at any port.
    Knock,
    /// A log record with a severity number of OpenTelemetry.
    LogRecord { severity: f64, template: &'static str },
    /// A slowly wandering percentage that follows the day.
    Gauge { base: f64, swing: f64, noise: f64 },
}

/// A value with its attributes.
pub(crate) struct Content {
    pub(crate) value: f64,
    pub(crate) attributes: Vec<(&'static str, String)>,
}

impl Shape {
    /// Draws one event's content. `wander` is the source's own memory of how
    /// far it stands from its mean, in standard deviations.
    pub(crate) fn draw(&self, rng: &mut impl Rng, at_nanos: i64, wander: &mut f64) -> Content {
        let (value, attributes) = match *self {
            Self::Request { route, median_ms, sigma } => {
                let failed = rng.random_bool(0.004);
                let status = if failed { "500" } else { "200" };
                let attributes = vec![
                    ("http.route", route.to_owned()),
                    ("http.response.status_code", status.to_owned()),
                    ("client.address", customer_address(rng)),
                ];
                (log_normal(rng, median_ms, sigma), attributes)
            }
            Self::RequestCount { per_sec, secs } => {
                (poisson(rng, per_sec * secs * rhythm(at_nanos)), Vec::new())
            }
            Self::Login => login(rng),
            Self::StolenLogin => stolen_login(rng),
            Self::Statement => {
                let statement = STATEMENTS[rng.random_range(0..STATEMENTS.len())];
                (1.0 + poisson(rng, 4.0), vec![("db.query.summary", statement.to_owned())])
            }
            Self::InjectedStatement => injected(rng),
            Self::Connection => {
                let pick = rng.random::<f64>();
                let port =
                    PORTS[((pick * pick * PORTS.len() as f64) as usize).min(PORTS.len() - 1)];
                connection(log_normal(rng, 4_000.0, 0.9), port)
            }
            Self::Knock => {
                connection(rng.random_range(40..=60).into(), rng.random_range(1..=49_151))
            }
            Self::LogRecord { severity, template } => {
                let attributes = vec![
                    ("log.template", template.to_owned()),
                    ("user.id", format!("u{}", customer(rng))),
                ];
                (severity, attributes)
            }
            Self::Gauge { base, swing, noise } => {
                let step: f64 = rng.sample(StandardNormal);
                *wander = 0.9 * *wander + (1.0f64 - 0.81).sqrt() * step;
                let level = base + swing * rhythm(at_nanos) + noise * *wander;
                (level.clamp(0.0, 100.0), Vec::new())
            }
        };
        Content { value, attributes }
    }
}

fn log_normal(rng: &mut impl Rng, median: f64, sigma: f64) -> f64 {
    LogNormal::new(median.ln(), sigma).expect("medians and sigmas are positive").sample(rng)
}

fn poisson(rng: &mut impl Rng, mean: f64) -> f64 {
    Poisson::new(mean).expect("rates are positive and moderate").sample(rng)
}

/// Picks a customer; few of them come often.
fn customer(rng: &mut impl Rng) -> u32 {
    let pick: f64 = rng.random();
    ((pick * pick * f64::from(CUSTOMERS)) as u32).min(CUSTOMERS - 1)
}

fn customer_address(rng: &mut impl Rng) -> String {
    let customer = customer(rng);
    format!("203.0.{}.{}", 113 + customer / 250, 1 + customer % 250)
}

fn login(rng: &mut impl Rng) -> (f64, Vec<(&'static str, String)>) {
    let outcome = if rng.random_bool(0.04) { "failure" } else { "success" };
    let attributes = vec![
        ("client.address", customer_address(rng)),
        ("user.id", format!("u{}", customer(rng))),
        ("event.outcome", outcome.to_owned()),
    ];
    (log_normal(rng, 82.0, 0.2), attributes)
}

fn stolen_login(rng: &mut impl Rng) -> (f64, Vec<(&'static str, String)>) {
    let [second, third, fourth]: [u8; 3] = rng.random();
    let known = rng.random_bool(0.02);
    let attributes = vec![
        ("client.address", format!("198.{}.{third}.{fourth}", 18 + second % 2)),
        ("user.id", format!("m{}", rng.random_range(0..1_000_000))),
        ("event.outcome", if known { "success" } else { "failure" }.to_owned()),
    ];
    // A name nobody has costs no password hashing.
    (log_normal(rng, if known { 82.0 } else { 14.0 }, 0.2), attributes)
}

fn injected(rng: &mut impl Rng) -> (f64, Vec<(&'static str, String)>) {
    let table = TABLES[rng.random_range(0..TABLES.len())];
    let columns = rng.random_range(1..=40);
    let (value, summary) = match rng.random_range(0..4) {
        0 => (0.0, format!("SELECT orders ORDER BY {columns}")),
        1 => (0.0, format!("SELECT orders AND SLEEP({columns})")),
        2 => (1.0, format!("SELECT orders UNION SELECT {columns} columns FROM {table}")),
        _ => (
            log_normal(rng, 3_000.0, 0.6).round(),
            format!("SELECT orders OR TRUE LIMIT {columns}"),
        ),
    };
    (value, vec![("db.query.summary", summary)])
}

fn connection(bytes: f64, port: u16) -> (f64, Vec<(&'static str, String)>) {
    (bytes.round(), vec![("destination.port", port.to_string())])
}
