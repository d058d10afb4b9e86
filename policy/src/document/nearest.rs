//! The known word that a mistyped one most resembles.

/// The longest word that is compared, in characters.
const MAX_CHARS: usize = 64;

/// The one of `known` that needs the fewest edits to become `word`, if a third of its letters
/// or fewer differ. Of several equally near the first one counts.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = word.chars().count().div_ceil(3).max(1);
    known
        .into_iter()
        .filter_map(|candidate| Some((distance(word, candidate)?, candidate)))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two words, without regard to case; `None`
/// when one is too long to compare.
fn distance(one: &str, two: &str) -> Option<usize> {
    let letters = |word: &str| word.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (one, two) = (letters(one), letters(two));
    if one.len().max(two.len()) > MAX_CHARS {
        return None;
    }
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        for (slot, right) in row.iter_mut().skip(1).zip(&two) {
            let above = *slot;
            let replaced = diagonal + usize::from(left != right);
            previous = replaced.min(above + 1).min(previous + 1);
            diagonal = above;
            *slot = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        let known = ["signers", "predicates", "kind", "log"];
        let cases = [
            ("singers", Some("signers")),
            ("signer", Some("signers")),
            ("predicate", Some("predicates")),
            ("Kind", Some("kind")),
            ("lag", Some("log")),
            ("threshold", None),
            ("", None),
            ("x", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, known), want, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None, "bounded");
    }

    #[test]
    fn edits() {
        let cases = [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3)];
        for (one, two, want) in cases {
            assert_eq!(distance(one, two), Some(want), "{one} {two}");
            assert_eq!(distance(two, one), Some(want), "{two} {one}");
        }
    }
}
