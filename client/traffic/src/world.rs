//! The cast: which sources the shop has in ordinary times, and which ones an
//! attack adds.

use crate::shape::Shape;
use crate::source::{Pace, Plan};
use crate::{Attack, Stream};

/// How often gauges and counters are read, seconds.
const SCRAPE_SECS: f64 = 5.0;

/// service and route, route, requests a second, median milliseconds, sigma
const ROUTES: [(&str, &str, f64, f64, f64); 7] = [
    ("checkout POST /checkout", "/checkout", 1.5, 120.0, 0.3),
    ("checkout GET /cart", "/cart", 3.0, 35.0, 0.3),
    ("payments POST /charge", "/charge", 1.2, 210.0, 0.25),
    ("auth POST /login", "/login", 1.0, 85.0, 0.2),
    ("auth GET /session", "/session", 4.0, 6.0, 0.35),
    ("search GET /search", "/search", 5.0, 45.0, 0.4),
    ("catalog GET /products", "/products", 4.0, 22.0, 0.3),
];

/// service, requests a second over all its routes
const SERVICES: [(&str, f64); 5] =
    [("checkout", 4.5), ("payments", 1.2), ("auth", 5.0), ("search", 5.0), ("catalog", 4.0)];

/// service and template, template, OpenTelemetry severity number, records a second
const TEMPLATES: [(&str, &str, f64, f64); 12] = [
    ("checkout/order placed", "order {} placed", 9.0, 1.4),
    ("checkout/cart updated", "cart of {} updated", 9.0, 2.5),
    ("payments/charge accepted", "charge {} accepted", 9.0, 1.1),
    ("payments/charge declined", "charge {} declined: {}", 13.0, 0.05),
    ("auth/login succeeded", "{} logged in", 9.0, 0.95),
    ("auth/login failed", "login of {} failed", 13.0, 0.05),
    ("auth/token refreshed", "token of {} refreshed", 9.0, 2.0),
    ("search/query answered", "{} hits for {}", 9.0, 4.0),
    ("search/index refreshed", "index refreshed in {} ms", 9.0, 0.1),
    ("catalog/product viewed", "{} viewed {}", 9.0, 3.0),
    ("orders-db/slow query", "duration: {} ms statement: {}", 13.0, 0.03),
    ("orders-db/syntax error", "syntax error at or near {}", 17.0, 0.01),
];

/// host, mean connections a second
const FLOWS: [(&str, f64); 5] =
    [("web-1", 1.0), ("web-2", 1.1), ("web-3", 0.9), ("search-1", 0.6), ("payments-1", 0.7)];

/// host, cpu: base, swing, noise; memory: base, swing, noise (percent)
const HOSTS: [(&str, [f64; 3], [f64; 3]); 5] = [
    ("web-1", [8.0, 20.0, 2.5], [38.0, 4.0, 0.6]),
    ("web-2", [8.0, 21.0, 2.5], [39.0, 4.0, 0.6]),
    ("web-3", [7.0, 18.0, 2.5], [37.0, 4.0, 0.6]),
    ("search-1", [15.0, 25.0, 3.0], [55.0, 6.0, 0.8]),
    ("payments-1", [6.0, 12.0, 1.5], [31.0, 3.0, 0.5]),
];

/// Returns the sources of ordinary times, arrivals multiplied by `rate`.
pub(crate) fn ordinary(rate: f64) -> Vec<Plan> {
    let rhythmic = |per_sec: f64| Pace::Rhythmic(per_sec * rate);
    let mut plans = Vec::new();
    let mut add = |stream, entity, pace, shape| plans.push(Plan { stream, entity, pace, shape });
    for (entity, route, per_sec, median_ms, sigma) in ROUTES {
        let shape = Shape::Request { route, median_ms, sigma };
        add(Stream::HttpLatency, entity, rhythmic(per_sec), shape);
    }
    for (entity, per_sec) in SERVICES {
        let shape = Shape::RequestCount { per_sec: per_sec * rate, secs: SCRAPE_SECS };
        add(Stream::HttpRequests, entity, Pace::Every(SCRAPE_SECS), shape);
    }
    add(Stream::AuthLogins, "auth", rhythmic(1.0), Shape::Login);
    add(Stream::DbQueries, "orders-db", rhythmic(3.0), Shape::Statement);
    add(Stream::DbQueries, "users-db", rhythmic(2.0), Shape::Statement);
    for (entity, per_sec) in FLOWS {
        add(Stream::NetFlows, entity, rhythmic(per_sec), Shape::Connection);
    }
    for (entity, template, severity, per_sec) in TEMPLATES {
        let shape = Shape::LogRecord { severity, template };
        add(Stream::AppLogs, entity, rhythmic(per_sec), shape);
    }
    for (entity, cpu, memory) in HOSTS {
        let gauge = |[base, swing, noise]: [f64; 3]| Shape::Gauge { base, swing, noise };
        add(Stream::HostCpu, entity, Pace::Every(SCRAPE_SECS), gauge(cpu));
        add(Stream::HostMemory, entity, Pace::Every(SCRAPE_SECS), gauge(memory));
    }
    plans
}

/// Returns the sources that `attack` adds at that many times its typical
/// strength.
pub(crate) fn hostile(attack: Attack, strength: f64) -> Vec<Plan> {
    let steady = |per_sec: f64| Pace::Steady(per_sec * strength);
    match attack {
        Attack::CredentialStuffing => vec![
            Plan {
                stream: Stream::AuthLogins,
                entity: "auth",
                pace: steady(12.0),
                shape: Shape::StolenLogin,
            },
            Plan {
                stream: Stream::AppLogs,
                entity: "auth/login failed",
                pace: steady(11.8),
                shape: Shape::LogRecord { severity: 13.0, template: "login of {} failed" },
            },
        ],
        Attack::SqlInjection => vec![
            Plan {
                stream: Stream::DbQueries,
                entity: "orders-db",
                pace: steady(4.0),
                shape: Shape::InjectedStatement,
            },
            Plan {
                stream: Stream::AppLogs,
                entity: "orders-db/syntax error",
                pace: steady(1.5),
                shape: Shape::LogRecord { severity: 17.0, template: "syntax error at or near {}" },
            },
        ],
        Attack::PortScan => vec![Plan {
            stream: Stream::NetFlows,
            entity: "web-3",
            pace: steady(15.0),
            shape: Shape::Knock,
        }],
        Attack::MemoryLeak | Attack::CpuSpike | Attack::LatencyRegression | Attack::TrafficDrop => {
            Vec::new()
        }
    }
}
