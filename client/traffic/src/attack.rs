//! What can go wrong in the shop, and when it does.

use std::fmt;
use std::str::FromStr;

use crate::Stream;

/// A kind of attack or failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attack {
    /// Stolen passwords tried from ever-changing addresses.
    CredentialStuffing,
    /// Hostile statements in a database's log, errors, and a table read whole.
    SqlInjection,
    /// One host knocks at many ports.
    PortScan,
    /// A process keeps what it allocates.
    MemoryLeak,
    /// A host computes at its limit.
    CpuSpike,
    /// A route answers more slowly than before.
    LatencyRegression,
    /// Clients stop coming.
    TrafficDrop,
}

/// The word is not an attack's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an attack; there are {all}", all = Attack::names().join(", "))]
pub struct UnknownAttack(String);

impl Attack {
    /// Every attack.
    pub const ALL: [Self; 7] = [
        Self::CredentialStuffing,
        Self::SqlInjection,
        Self::PortScan,
        Self::MemoryLeak,
        Self::CpuSpike,
        Self::LatencyRegression,
        Self::TrafficDrop,
    ];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialStuffing => "credential-stuffing",
            Self::SqlInjection => "sql-injection",
            Self::PortScan => "port-scan",
            Self::MemoryLeak => "memory-leak",
            Self::CpuSpike => "cpu-spike",
            Self::LatencyRegression => "latency-regression",
            Self::TrafficDrop => "traffic-drop",
        }
    }

    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|attack| attack.name()).collect()
    }

    /// Returns every (stream, entity) it touches; nothing else changes.
    pub const fn affected(self) -> &'static [(Stream, &'static str)] {
        match self {
            Self::CredentialStuffing => {
                &[(Stream::AuthLogins, "auth"), (Stream::AppLogs, "auth/login failed")]
            }
            Self::SqlInjection => {
                &[(Stream::DbQueries, "orders-db"), (Stream::AppLogs, "orders-db/syntax error")]
            }
            Self::PortScan => &[(Stream::NetFlows, "web-3")],
            Self::MemoryLeak => &[(Stream::HostMemory, "payments-1")],
            Self::CpuSpike => &[(Stream::HostCpu, "search-1")],
            Self::LatencyRegression => &[(Stream::HttpLatency, "checkout POST /checkout")],
            Self::TrafficDrop => &[
                (Stream::HttpRequests, "search"),
                (Stream::HttpLatency, "search GET /search"),
                (Stream::AppLogs, "search/query answered"),
            ],
        }
    }

    /// Says whether it touches that entity.
    pub fn touches(self, stream: Stream, entity: &str) -> bool {
        self.affected().contains(&(stream, entity))
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Attack {
    type Err = UnknownAttack;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|attack| attack.name() == word);
        found.ok_or_else(|| UnknownAttack(word.to_owned()))
    }
}

/// One attack at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strike {
    /// What happens.
    pub attack: Attack,
    /// From when, nanoseconds since the epoch.
    pub start_nanos: i64,
    /// Until when, exclusive.
    pub end_nanos: i64,
    /// How strongly: 1 is typical; above 0, at most 10.
    pub intensity: f64,
}

/// A strike that cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum StrikeError {
    /// It would be over before it began.
    #[error("the end of a strike must lie after its start")]
    Empty,
    /// Its strength is out of range.
    #[error("intensity {0} is not above 0 and at most 10")]
    Intensity(f64),
    /// Events of that time have been handed out already.
    #[error("the strike would begin before events that were already handed out")]
    Past,
}

impl Strike {
    /// Says whether it is on at that time.
    pub fn is_on(&self, at_nanos: i64) -> bool {
        (self.start_nanos..self.end_nanos).contains(&at_nanos)
    }

    /// Returns how far it has come at a time when it is on, 0..1.
    pub(crate) fn progress(&self, at_nanos: i64) -> f64 {
        (at_nanos - self.start_nanos) as f64 / (self.end_nanos - self.start_nanos) as f64
    }

    pub(crate) fn check(&self) -> Result<(), StrikeError> {
        if self.end_nanos <= self.start_nanos {
            return Err(StrikeError::Empty);
        }
        if !(self.intensity > 0.0 && self.intensity <= 10.0) {
            return Err(StrikeError::Intensity(self.intensity));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        for attack in Attack::ALL {
            assert_eq!(attack.name().parse(), Ok(attack));
        }
        let error = "earthquake".parse::<Attack>().unwrap_err().to_string();
        assert!(error.contains("earthquake") && error.contains("port-scan"), "{error}");
    }

    #[test]
    fn refuses_a_strike_without_length_or_strength() {
        let good =
            Strike { attack: Attack::PortScan, start_nanos: 5, end_nanos: 6, intensity: 1.0 };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Strike { end_nanos: 5, ..good }.check(), Err(StrikeError::Empty));
        assert!(Strike { intensity: 0.0, ..good }.check().is_err());
        assert!(Strike { intensity: f64::NAN, ..good }.check().is_err());
    }
}
