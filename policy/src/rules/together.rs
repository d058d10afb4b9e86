//! One of each: whether a statement belongs to a chain with one statement of every joined step.
//!
//! Where flows form a tree, it is enough that neighbours fit. Where they meet again (a
//! preparation feeds training and evaluation, and training feeds evaluation), two models could
//! lend each other what each lacks: each statement then fits some neighbour, and none fits all.

use super::flow::Flow;

/// The most statements that are tried before the question is given up.
const MAX_TRIES: usize = 100_000;

/// Which statements fit together by one flow.
pub(crate) trait Fits {
    /// Whether the second step's statement `taker` has something of the first step's `maker`.
    fn fits(&self, maker: usize, taker: usize) -> bool;
}

/// The search gave up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct GaveUp;

/// Whether flows meet again anywhere: more of them than a forest of the steps has.
pub(crate) fn meet_again(flows: &[&Flow], steps: usize) -> bool {
    let mut group: Vec<usize> = (0..steps).collect();
    for flow in flows {
        let (from, to) = (root(&group, flow.from.step), root(&group, flow.to.step));
        if from == to {
            return true;
        }
        if let Some(group) = group.get_mut(from) {
            *group = to;
        }
    }
    false
}

fn root(group: &[usize], mut step: usize) -> usize {
    // Each hop leads to another group, of which there are no more than steps.
    for _ in 0..group.len() {
        match group.get(step) {
            Some(next) if *next != step => step = *next,
            _ => break,
        }
    }
    step
}

/// Kills every statement that is in no chain with one statement of each step that `flows` join.
///
/// # Errors
/// [`GaveUp`] after [`MAX_TRIES`].
pub(crate) fn keep_what_is_together<F: Fits>(
    flows: &[(&Flow, &F)],
    alive: &mut [Vec<bool>],
) -> Result<(), GaveUp> {
    let mut steps: Vec<usize> =
        flows.iter().flat_map(|(flow, _)| [flow.from.step, flow.to.step]).collect();
    steps.sort_unstable();
    steps.dedup();
    let mut tries = 0;
    let mut dead = Vec::new();
    for step in &steps {
        for place in living(alive, *step) {
            // The order in which the others are chosen starts at this one.
            let mut picked = vec![None; alive.len()];
            if let Some(picked) = picked.get_mut(*step) {
                *picked = Some(place);
            }
            if !complete(&steps, flows, alive, &mut picked, &mut tries)? {
                dead.push((*step, place));
            }
        }
    }
    for (step, place) in dead {
        if let Some(alive) = alive.get_mut(step).and_then(|step| step.get_mut(place)) {
            *alive = false;
        }
    }
    Ok(())
}

fn living(alive: &[Vec<bool>], step: usize) -> Vec<usize> {
    let all = alive.get(step).into_iter().flatten().enumerate();
    all.filter(|(_, alive)| **alive).map(|(place, _)| place).collect()
}

/// Picks a statement for each step that has none; as deep as there are steps.
fn complete<F: Fits>(
    steps: &[usize],
    flows: &[(&Flow, &F)],
    alive: &[Vec<bool>],
    picked: &mut Vec<Option<usize>>,
    tries: &mut usize,
) -> Result<bool, GaveUp> {
    let of = |picked: &[Option<usize>], step: usize| picked.get(step).copied().flatten();
    let Some(step) = steps.iter().copied().find(|step| of(picked, *step).is_none()) else {
        return Ok(true);
    };
    for place in living(alive, step) {
        *tries += 1;
        if *tries > MAX_TRIES {
            return Err(GaveUp);
        }
        if let Some(slot) = picked.get_mut(step) {
            *slot = Some(place);
        }
        let fits = flows.iter().filter(|(flow, _)| flow.from.step == step || flow.to.step == step);
        let fits = fits.into_iter().all(|(flow, joint)| {
            match (of(picked, flow.from.step), of(picked, flow.to.step)) {
                (Some(maker), Some(taker)) => joint.fits(maker, taker),
                _ => true,
            }
        });
        if fits && complete(steps, flows, alive, picked, tries)? {
            return Ok(true);
        }
    }
    if let Some(slot) = picked.get_mut(step) {
        *slot = None;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Coverage, Endpoint, Port};

    /// Pairs that fit.
    struct Pairs(Vec<(usize, usize)>);

    impl Fits for Pairs {
        fn fits(&self, maker: usize, taker: usize) -> bool {
            self.0.contains(&(maker, taker))
        }
    }

    fn flow(from: usize, to: usize) -> Flow {
        Flow {
            rule: String::new(),
            from: Endpoint { step: from, port: Port::Products },
            select: None,
            to: Endpoint { step: to, port: Port::Materials },
            coverage: Coverage::Any,
        }
    }

    #[test]
    fn flows_that_meet_again() {
        let cases: [(&[(usize, usize)], bool); 5] = [
            (&[], false),
            (&[(0, 1), (1, 2), (1, 3)], false),
            (&[(0, 1), (2, 3)], false),
            (&[(0, 1), (1, 2), (0, 2)], true),
            (&[(0, 1), (0, 1)], true),
        ];
        for (pairs, want) in cases {
            let flows: Vec<Flow> = pairs.iter().map(|(from, to)| flow(*from, *to)).collect();
            assert_eq!(meet_again(&flows.iter().collect::<Vec<_>>(), 4), want, "{pairs:?}");
        }
    }

    #[test]
    fn what_fits_every_neighbour_and_no_chain_is_removed() {
        let flows = [flow(0, 1), flow(1, 2), flow(0, 2)];
        let straight = Pairs(vec![(0, 0), (1, 1)]);
        let crossed = Pairs(vec![(0, 1), (1, 0)]);
        let both = Pairs(vec![(0, 0), (1, 1), (0, 1)]);
        let cases = [
            ("straight", &straight, vec![true, true]),
            ("crossed", &crossed, vec![false, false]),
            ("one more", &both, vec![true, true]),
        ];
        for (name, last, want) in cases {
            let joints = [(&flows[0], &straight), (&flows[1], &straight), (&flows[2], last)];
            let mut alive = vec![vec![true, true]; 3];
            assert_eq!(keep_what_is_together(&joints, &mut alive), Ok(()), "{name}");
            assert_eq!(alive, vec![want.clone(), want.clone(), want], "{name}");
        }
    }

    #[test]
    fn too_many_tries_are_an_error() {
        // Everything fits everything but the last pair, which nothing fits.
        let many = 60;
        let any =
            Pairs((0..many).flat_map(|one| (0..many).map(move |other| (one, other))).collect());
        let none = Pairs(Vec::new());
        let flows = [flow(0, 1), flow(1, 2), flow(0, 2)];
        let joints = [(&flows[0], &any), (&flows[1], &any), (&flows[2], &none)];
        let mut alive = vec![vec![true; many]; 3];
        assert_eq!(keep_what_is_together(&joints, &mut alive), Err(GaveUp));
    }
}
