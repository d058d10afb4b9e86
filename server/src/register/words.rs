//! The words of a name: what a search by free text compares.
//!
//! A word is a run of letters and digits in normalization form C, every letter in lower case by
//! itself; all else separates. What is indexed and what is asked for go through this one function,
//! so that `Modèle-2.1_final.bin` is found by `modèle final`, and by `FINAL 2.1`.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

/// Most characters of a word. Longer ones are cut, in names and in questions alike: words that
/// begin with the same so many characters are taken for one, and none is missed.
pub const MAX_WORD: usize = 64;

/// The words of a text, each once.
pub fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    each_word(text, |word| {
        words.insert(word.to_owned());
    });
    words
}

/// Takes the words of a text one after the other, some perhaps more than once.
pub(super) fn each_word(text: &str, mut take: impl FnMut(&str)) {
    let folded: String = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        // Lower case can take a letter apart, so that the form is made again.
        text.nfc().flat_map(char::to_lowercase).nfc().collect()
    };
    let runs = folded.split(|character: char| !character.is_alphanumeric());
    for run in runs.filter(|run| !run.is_empty()) {
        let end = run.char_indices().nth(MAX_WORD).map_or(run.len(), |(end, _)| end);
        take(run.get(..end).unwrap_or(run));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_names() {
        let long = "x".repeat(MAX_WORD);
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("-- / --", &[]),
            ("model/Model.bin", &["bin", "model"]),
            ("Modèle-2.1_final.bin", &["1", "2", "bin", "final", "modèle"]),
            ("Mode\u{300}le", &["modèle"]),
            ("ÅNGSTRÖM \u{212b}", &["å", "ångström"]),
            ("模型 v2", &["v2", "模型"]),
            (&format!("{long} {long}y"), &[&long]),
            (&long[1..], &[&long[1..]]),
        ];
        for (text, want) in cases {
            assert_eq!(words(text).into_iter().collect::<Vec<_>>(), want, "{text}");
        }
    }

    #[test]
    fn words_of_words_are_themselves() {
        for text in ["İstanbul ΟΔΟΣ Straße ŉ ﬁne", "क्षेत्र नमस्ते", "A\u{308}\u{323}b"]
        {
            for word in words(text) {
                assert_eq!(words(&word), BTreeSet::from([word.clone()]), "{text}");
            }
        }
    }
}
