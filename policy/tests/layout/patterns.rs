//! Patterns, and how long they take.

use policy::layout::Pattern;
use proptest::prelude::*;

#[test]
fn patterns_of_paths() {
    let cases = [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "a/b.c\n", true),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("*a*b*", "xaxbx", true),
        ("*a*b", "xbxa", false),
        ("?", "é", true),
        ("?", "", false),
        ("?", "ab", false),
        ("a?c", "a/c", true),
        ("[abc]", "b", true),
        ("[abc]", "d", false),
        ("[!abc]", "d", true),
        ("[!abc]", "b", false),
        ("[a-c]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[c-a]", "b", false),
        ("[!c-a]", "b", true),
        ("[]]", "]", true),
        ("[!]]", "]", false),
        ("[]-a]", "^", true),
        ("[", "[", true),
        ("[a", "[a", true),
        ("[]", "[]", true),
        ("[!", "[!", true),
        ("[!]", "[!]", true),
        ("[a-]", "-", true),
        ("[-a]", "-", true),
        ("[!-a]", "-", false),
        ("[a-c-e]", "-", true),
        ("[a-c-e]", "d", false),
        ("[^a]", "^", true),
        ("[^a]", "b", false),
        ("[[]", "[", true),
        ("[\\]", "\\", true),
        ("[&&~|]", "|", true),
        ("\\*", "\\x", true),
        ("A", "a", false),
        ("**", "a", true),
        (".", "a", false),
    ];
    for (pattern, name, want) in cases {
        assert_eq!(Pattern::new(pattern).matches(name), want, "`{pattern}` on `{name}`");
    }
}

/// What a pattern means, told in another way: backwards through all possibilities.
fn slowly(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    fn matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|taken| matches(rest, &name[taken..])),
            (['?', rest @ ..], [_, after @ ..]) => matches(rest, after),
            ([first, rest @ ..], [letter, after @ ..]) => first == letter && matches(rest, after),
            _ => false,
        }
    }
    matches(&pattern, &name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stars_take_what_they_can(pattern in "[ab*?]{0,8}", name in "[ab/]{0,10}") {
        prop_assert_eq!(Pattern::new(&pattern).matches(&name), slowly(&pattern, &name));
    }

    #[test]
    fn any_text_is_a_pattern(pattern in "[\\[\\]!^\\-a-e*?\\\\&~|]{0,16}", name in "\\PC{0,12}") {
        Pattern::new(&pattern).matches(&name);
    }
}

#[test]
fn a_catastrophic_pattern_is_none() {
    // Exponential in a matcher that goes back to every star.
    for pattern in [format!("{}b", "*a".repeat(500)), format!("*{}b", "a".repeat(500))] {
        assert!(!Pattern::new(&pattern).matches(&"a".repeat(4000)));
    }
}
