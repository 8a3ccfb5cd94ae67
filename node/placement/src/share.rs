//! How many replicas each member should hold: in proportion to its weight,
//! but never two of one shard on a node, nor more of one in a zone than
//! spreading needs.

/// The weight of an ordinary node; twice as much holds twice as many shards.
pub const WEIGHT: u16 = 100;

/// One bin to be filled in proportion to its weight, up to its capacity.
#[derive(Clone, Copy)]
pub(crate) struct Bin {
    pub(crate) weight: f64,
    pub(crate) capacity: f64,
}

/// Pours `amount` into the bins. What a full bin cannot take goes to the
/// others; what none can take is left out.
pub(crate) fn pour(amount: f64, bins: &[Bin]) -> Vec<f64> {
    let mut filled = vec![None; bins.len()];
    loop {
        let open = || bins.iter().zip(&filled).filter(|(_, filled)| filled.is_none());
        let weight: f64 = open().map(|(bin, _)| bin.weight).sum();
        let rest = amount - filled.iter().flatten().sum::<f64>();
        let level = if weight > 0.0 { rest / weight } else { 0.0 };
        let full = bins
            .iter()
            .zip(&filled)
            .position(|(bin, filled)| filled.is_none() && bin.weight * level > bin.capacity);
        match full {
            Some(full) => filled[full] = Some(bins[full].capacity),
            None => {
                let level =
                    |(bin, filled): (&Bin, &Option<f64>)| filled.unwrap_or(bin.weight * level);
                return bins.iter().zip(&filled).map(level).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(weight: f64, capacity: f64) -> Bin {
        Bin { weight, capacity }
    }

    #[test]
    fn fills_in_proportion_and_gives_the_overflow_to_the_rest() {
        assert_eq!(pour(8.0, &[bin(1.0, 9.0), bin(3.0, 9.0)]), [2.0, 6.0]);
        assert_eq!(pour(8.0, &[bin(1.0, 9.0), bin(3.0, 4.0)]), [4.0, 4.0]);
    }

    #[test]
    fn leaves_out_what_nobody_can_take() {
        assert_eq!(pour(8.0, &[bin(1.0, 2.0), bin(3.0, 4.0)]), [2.0, 4.0]);
        assert_eq!(pour(8.0, &[bin(0.0, 2.0)]), [0.0]);
        assert!(pour(8.0, &[]).is_empty());
    }
}
