//! The streams of the shop, and what a detector needs to be told of each.

use std::fmt;

/// A flow of events of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// One event per request served; entity: service and route.
    HttpLatency,
    /// One event per service and interval; entity: service.
    HttpRequests,
    /// One event per login attempt; entity: the service that checks it.
    AuthLogins,
    /// One event per statement executed; entity: database.
    DbQueries,
    /// One event per connection opened; entity: the host that opened it.
    NetFlows,
    /// One event per log record; entity: service and template.
    AppLogs,
    /// One event per host and interval; entity: host.
    HostCpu,
    /// One event per host and interval; entity: host.
    HostMemory,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 8] = [
        Self::HttpLatency,
        Self::HttpRequests,
        Self::AuthLogins,
        Self::DbQueries,
        Self::NetFlows,
        Self::AppLogs,
        Self::HostCpu,
        Self::HostMemory,
    ];

    /// Returns the name under which it is fed to a service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpLatency => "http-latency",
            Self::HttpRequests => "http-requests",
            Self::AuthLogins => "auth-logins",
            Self::DbQueries => "db-queries",
            Self::NetFlows => "net-flows",
            Self::AppLogs => "app-logs",
            Self::HostCpu => "host-cpu",
            Self::HostMemory => "host-memory",
        }
    }

    /// Returns the stream of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// Returns what its values are measured in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HttpLatency | Self::AuthLogins => "ms",
            Self::HttpRequests => "requests per 5 s",
            Self::DbQueries => "rows",
            Self::NetFlows => "bytes",
            Self::AppLogs => "severity number",
            Self::HostCpu | Self::HostMemory => "percent",
        }
    }

    /// Returns the attribute whose distinct values are worth counting, for the
    /// streams where their number tells something.
    pub const fn distinct_of(self) -> Option<&'static str> {
        match self {
            Self::AuthLogins => Some("client.address"),
            Self::DbQueries => Some("db.query.summary"),
            Self::NetFlows => Some("destination.port"),
            Self::HttpLatency
            | Self::HttpRequests
            | Self::AppLogs
            | Self::HostCpu
            | Self::HostMemory => None,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
