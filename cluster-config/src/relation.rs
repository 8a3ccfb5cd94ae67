//! What must hold between settings, and what is odd although it is allowed.
//! Called with values that are each valid alone. Knows no places: names keys,
//! and the caller knows where they were written.

use std::net::{IpAddr, SocketAddr};

use crate::raw::{MethodName, Overrides, Raw};
use crate::settings::Settings;

/// A relation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The settings involved; the first is the one to blame when all are
    /// written by the operator.
    pub(crate) keys: Vec<&'static str>,
    pub(crate) rule: &'static str,
}

/// Returns every relation that does not hold.
pub(crate) fn broken(raw: &Raw) -> Vec<Broken> {
    let limits = &raw.limits;
    let persistence = &raw.persistence;
    let distribution = &raw.detectors.distribution;
    let buffers = [limits.queue, limits.request_memory, persistence.state_cache];
    let buffers = buffers.iter().fold(0_u64, |sum, size| sum.saturating_add(size.bytes()));
    let backwards = distribution.min.zip(distribution.max).is_some_and(|(min, max)| min >= max);
    let pressure = &raw.pressure;
    let checks: [(bool, &[&'static str], &'static str); 8] = [
        (
            is_open(raw) && !raw.access.open_to_network,
            &["access.required", "listen.address"],
            "a node that asks nobody who they are listens on loopback only, unless \
             access.open_to_network is true",
        ),
        (
            limits.line > limits.body,
            &["limits.line", "limits.body"],
            "a line must not be longer than a body",
        ),
        (
            limits.body > limits.request_memory,
            &["limits.body", "limits.request_memory"],
            "the memory for requests must hold at least one body",
        ),
        (
            persistence.log_first_segment > persistence.log_segment,
            &["persistence.log_first_segment", "persistence.log_segment"],
            "the first segment must not be larger than the others",
        ),
        (
            buffers > raw.node.memory_limit.bytes() / 2,
            &[
                "node.memory_limit",
                "limits.queue",
                "limits.request_memory",
                "persistence.state_cache",
            ],
            "the buffers together must leave half of the memory for profiles",
        ),
        (
            pressure.elevated >= pressure.high,
            &["pressure.elevated", "pressure.high"],
            "memory must be elevated before it is high",
        ),
        (
            pressure.high >= pressure.critical,
            &["pressure.high", "pressure.critical"],
            "memory must be high before it is critical",
        ),
        (
            backwards,
            &["detectors.distribution.min", "detectors.distribution.max"],
            "the smallest value must be below the largest",
        ),
    ];
    let failed = checks.into_iter().filter(|(failed, ..)| *failed);
    failed.map(|(_, keys, rule)| Broken { keys: keys.to_vec(), rule }).collect()
}

/// Something allowed that probably is not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Odd {
    pub(crate) key: String,
    pub(crate) text: String,
}

/// Returns everything odd; `is_set` says whether an operator wrote a key.
pub(crate) fn odd(raw: &Raw, settings: &Settings, is_set: &dyn Fn(&str) -> bool) -> Vec<Odd> {
    let mut odd = Vec::new();
    if !settings.access.required {
        let text = format!(
            "NOBODY IS ASKED WHO THEY ARE: whoever reaches {} is an administrator",
            settings.listen.address
        );
        odd.push(Odd { key: "access.required".to_owned(), text });
    }
    let detectors = raw.detectors.each();
    if !detectors.iter().any(|(_, enabled, _)| *enabled) {
        let text = "every detector is off, so nothing will ever be detected".to_owned();
        odd.push(Odd { key: "detectors.volume.enabled".to_owned(), text });
    }
    let own = detectors.map(|(name, _, threshold)| (name, threshold));
    odd.extend(idle_figures(raw.thresholds.method, &own, is_set));
    odd
}

/// Returns the figures that were written for methods that nothing uses.
fn idle_figures(
    method: MethodName,
    own: &[(&str, &Overrides)],
    is_set: &dyn Fn(&str) -> bool,
) -> Vec<Odd> {
    let idle = |key: String, used: bool, name: &str| {
        let text = format!("{key} has no effect, because no rule here has method \"{name}\"");
        (!used && is_set(&key)).then_some(Odd { key, text })
    };
    let mut odd = Vec::new();
    for name in MethodName::NAMES {
        let inherits = |own: &Overrides| own.method.is_some_and(|method| method.name() == name);
        let used = method.name() == name || own.iter().any(|(_, own)| inherits(own));
        odd.extend(idle(format!("thresholds.{name}"), used, name));
        for (detector, own) in own {
            let used = own.method.unwrap_or(method).name() == name;
            odd.extend(idle(format!("detectors.{detector}.threshold.{name}"), used, name));
        }
    }
    odd
}

/// Says whether strangers on other machines are administrators.
fn is_open(raw: &Raw) -> bool {
    let address = raw.listen.address.parse::<SocketAddr>();
    // An address that cannot be read is refused for itself.
    !raw.access.required && address.is_ok_and(|address| !is_loopback(address.ip()))
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Size;

    #[test]
    fn the_defaults_go_together_and_are_not_odd() {
        assert_eq!(broken(&Raw::default()), []);
        assert_eq!(odd(&Raw::default(), &Settings::default(), &|_| true).len(), 5 * 11);
        assert_eq!(odd(&Raw::default(), &Settings::default(), &|_| false), []);
    }

    #[test]
    fn each_relation_can_fail() {
        let mut raw = Raw::default();
        raw.limits.line = Size::from_mib(48);
        raw.limits.request_memory = Size::from_mib(16);
        raw.persistence.log_first_segment = Size::from_mib(128);
        raw.persistence.state_cache = Size::from_mib(4096);
        raw.detectors.distribution.min = Some(1.0);
        raw.detectors.distribution.max = Some(1.0);
        raw.pressure.elevated = 0.9;
        raw.pressure.high = 0.9;
        raw.pressure.critical = 0.8;
        raw.access.required = false;
        raw.listen.address = "0.0.0.0:80".to_owned();
        assert_eq!(broken(&raw).len(), 8);
        raw.access.open_to_network = true;
        assert_eq!(broken(&raw).len(), 7);
        raw.access.open_to_network = false;
        raw.listen.address = "[::1]:80".to_owned();
        assert_eq!(broken(&raw).len(), 7, "loopback");
    }

    #[test]
    fn an_open_door_and_silence_are_odd() {
        let mut raw = Raw::default();
        raw.access.required = false;
        raw.detectors.volume.enabled = false;
        raw.detectors.distribution.enabled = false;
        raw.detectors.cardinality.enabled = false;
        raw.detectors.burst.enabled = false;
        raw.detectors.spectral.enabled = false;
        raw.detectors.change_point.enabled = false;
        raw.detectors.forest.enabled = false;
        raw.detectors.multi_scale.enabled = false;
        raw.detectors.behavioural.enabled = false;
        raw.detectors.drift.enabled = false;
        let settings = Settings::of(&raw, ([0, 0, 0, 0], 1).into(), ([127, 0, 0, 1], 2).into());
        assert_eq!(odd(&raw, &settings, &|_| false).len(), 2);
    }

    #[test]
    fn a_figure_that_nothing_uses_is_odd() {
        let mut raw = Raw::default();
        let settings = Settings::default();
        let mad = |key: &str| key == "thresholds.mad";
        assert_eq!(odd(&raw, &settings, &mad).len(), 1);
        raw.detectors.burst.threshold.method = Some(MethodName::Mad);
        assert_eq!(odd(&raw, &settings, &mad), []);
    }
}
