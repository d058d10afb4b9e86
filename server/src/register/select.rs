//! Joining the lists of entries that each term of a query has, from either end.
//!
//! Both kinds of storage search with this one function; they differ only in where the next entry
//! of a term, or the one before, comes from. Work is bounded for each page: a page that reaches the
//! bound says where to go on, so that nothing is missed.

use super::facts::Term;
use super::storage::{MAX_PAGE, MAX_QUERY_TERMS, Order, Query, StorageError};

/// Most look-ups for one page.
const MAX_STEPS: usize = 100_000;

/// Indices that match the query's terms, from `low` up to, without, `high`, and where the next
/// page starts. `nearest` gives the first entry of a term at an index or after it; with the newest
/// first, the last one at the index or before it.
pub(super) fn select<'q>(
    query: &'q Query,
    low: u64,
    high: u64,
    nearest: impl FnMut(&'q Term, u64) -> Result<Option<u64>, StorageError>,
) -> Result<(Vec<u64>, Option<u64>), StorageError> {
    select_within(query, low, high, MAX_STEPS, nearest)
}

fn select_within<'q>(
    query: &'q Query,
    low: u64,
    high: u64,
    max_steps: usize,
    mut nearest: impl FnMut(&'q Term, u64) -> Result<Option<u64>, StorageError>,
) -> Result<(Vec<u64>, Option<u64>), StorageError> {
    if query.terms.len() > MAX_QUERY_TERMS {
        return Err(StorageError::TooManyTerms(query.terms.len()));
    }
    let limit = query.limit.clamp(1, MAX_PAGE);
    let mut found = Vec::new();
    let mut candidate = match query.order {
        Order::OldestFirst => Some(low.max(query.start.unwrap_or(0))),
        Order::NewestFirst => {
            high.checked_sub(1).map(|last| last.min(query.start.unwrap_or(u64::MAX)))
        }
    };
    let mut steps = 0;
    'candidates: while let Some(at) = candidate.filter(|at| (low..high).contains(at)) {
        if found.len() == limit || steps >= max_steps {
            return Ok((found, Some(at)));
        }
        for term in &query.terms {
            steps += 1;
            match nearest(term, at)? {
                Some(index) if index == at => {}
                Some(index) => {
                    candidate = Some(index);
                    continue 'candidates;
                }
                None => return Ok((found, None)),
            }
        }
        found.push(at);
        candidate = match query.order {
            Order::OldestFirst => at.checked_add(1),
            Order::NewestFirst => at.checked_sub(1),
        };
    }
    Ok((found, None))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn term(number: usize) -> Term {
        Term::Name(number.to_string())
    }

    proptest! {
        #[test]
        fn pages_together_are_what_a_scan_finds(
            lists in prop::collection::vec(prop::collection::btree_set(0u64..60, 0..40), 0..4),
            low in 0u64..30, high in 0u64..70, limit in 1usize..5, max_steps in 1usize..10, newest_first: bool,
        ) {
            let lists: BTreeMap<Term, BTreeSet<u64>> =
                lists.into_iter().enumerate().map(|(number, list)| (term(number), list)).collect();
            let mut want: Vec<u64> = (low..high)
                .filter(|index| lists.values().all(|list| list.contains(index)))
                .collect();
            let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
            if newest_first {
                want.reverse();
            }
            let terms = lists.keys().cloned().collect();
            let mut query = Query { terms, limit, order, ..Query::default() };
            let mut found = Vec::new();
            for _ in 0..500 {
                let nearest = |term: &Term, index| Ok(match order {
                    Order::OldestFirst => lists[term].range(index..).next().copied(),
                    Order::NewestFirst => lists[term].range(..=index).next_back().copied(),
                });
                let (page, start) = select_within(&query, low, high, max_steps, nearest).unwrap();
                prop_assert!(page.len() <= limit);
                found.extend(page);
                query.start = start;
                if start.is_none() {
                    break;
                }
            }
            prop_assert_eq!(found, want);
        }
    }

    #[test]
    fn too_many_terms_are_refused() {
        for (count, fits) in [(MAX_QUERY_TERMS, true), (MAX_QUERY_TERMS + 1, false)] {
            let query = Query { terms: (0..count).map(term).collect(), ..Query::default() };
            assert_eq!(select(&query, 0, 1, |_, _| Ok(None)).is_ok(), fits);
        }
    }
}
