//! Who should lead each shard: its first replica, unless that node would lead
//! more than its share; then leadership shifts along a chain of shards to a
//! node that leads less. Leaders do the work, so here there is no slack.

/// Moves the preferred leader of each shard to the front of its sites, so that
/// no site leads more than its cap where that is possible at all.
pub(crate) fn balance(shards: &mut [Vec<usize>], caps: &[usize]) {
    let mut load = vec![0_usize; caps.len()];
    for sites in shards.iter() {
        if let Some(leader) = sites.first() {
            load[*leader] += 1;
        }
    }
    for site in 0..caps.len() {
        while load[site] > caps[site] {
            let Some((chain, end)) = relief(shards, &load, caps, site) else { break };
            for (shard, leader) in chain {
                let at = shards[shard].iter().position(|held| *held == leader);
                let at = at.expect("a chain hands a shard only to one of its replicas");
                shards[shard][..=at].rotate_right(1);
            }
            load[site] -= 1;
            load[end] += 1;
        }
    }
}

/// A chain of shards to hand over, each with its new leader, and who leads one
/// more in the end.
type Chain = (Vec<(usize, usize)>, usize);

/// Finds the shortest chain from `start` to a site that may lead one more.
fn relief(shards: &[Vec<usize>], load: &[usize], caps: &[usize], start: usize) -> Option<Chain> {
    let mut reached: Vec<Option<(usize, usize)>> = vec![None; caps.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(from) = queue.pop_front() {
        for (shard, sites) in shards.iter().enumerate() {
            let Some((leader, others)) = sites.split_first() else { continue };
            if *leader != from {
                continue;
            }
            for to in others.iter().copied() {
                if to == start || reached[to].is_some() {
                    continue;
                }
                reached[to] = Some((shard, from));
                if load[to] < caps[to] {
                    return Some((trace(&reached, start, to), to));
                }
                queue.push_back(to);
            }
        }
    }
    None
}

fn trace(reached: &[Option<(usize, usize)>], start: usize, end: usize) -> Vec<(usize, usize)> {
    let mut chain = Vec::new();
    let mut to = end;
    while to != start {
        let (shard, from) = reached[to].expect("every site of a chain but its start was reached");
        chain.push((shard, to));
        to = from;
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leadership_shifts_along_a_chain() {
        // Site 0 leads all; only through site 1 can site 2 take one over.
        let mut shards = vec![vec![0, 1], vec![0, 1], vec![1, 2]];
        balance(&mut shards, &[1, 1, 1]);
        assert_eq!(shards, [vec![1, 0], vec![0, 1], vec![2, 1]]);
    }

    #[test]
    fn what_cannot_be_balanced_stays() {
        let mut shards = vec![vec![0], vec![0]];
        balance(&mut shards, &[1, 1]);
        assert_eq!(shards, [[0], [0]]);
    }
}
