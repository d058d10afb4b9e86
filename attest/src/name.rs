//! Names that statements and policies carry: of steps, of stages, of artifacts.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The longest step or stage name, in bytes.
pub const MAX_LABEL_BYTES: usize = 63;
/// The longest artifact name, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// Why a name is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not a step or stage name.
    #[error(
        "`{0}` is not a name: lowercase letters, digits and `-`, starting with a letter, at most {MAX_LABEL_BYTES}"
    )]
    Label(String),
    /// An artifact name that two readers may read differently.
    #[error("the artifact name `{name}` {why}")]
    Artifact {
        /// The name, with what cannot be shown escaped.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Lowercase letters, digits and `-`, starting with a letter, at most 63 bytes.
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_label(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError::Label(shown(text)))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

label! {
    /// The name of a step of a pipeline.
    StepName
}
label! {
    /// The name of a stage: where an artifact may run.
    StageName
}

impl StageName {
    /// The level by which a verification summary names the stage: `ASSAY_STAGE_PRODUCTION`.
    pub fn level(&self) -> String {
        format!("{STAGE_LEVEL}{}", self.0.to_ascii_uppercase().replace('-', "_"))
    }

    /// The stage that a level names, if it names one.
    pub fn from_level(level: &str) -> Option<Self> {
        let stage = level.strip_prefix(STAGE_LEVEL)?;
        if stage.contains(|letter: char| letter.is_ascii_lowercase() || letter == '-') {
            return None;
        }
        stage.to_ascii_lowercase().replace('_', "-").parse().ok()
    }
}

const STAGE_LEVEL: &str = "ASSAY_STAGE_";

fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL_BYTES
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

/// Checks the name of one product or subject: relative, in NFC, with `/` between whole parts,
/// without control or bidirectional characters.
///
/// # Errors
/// [`NameError::Artifact`] saying what is wrong.
pub fn check_artifact_name(name: &str) -> Result<(), NameError> {
    let wrong = |why| Err(NameError::Artifact { name: shown(name), why });
    if name.is_empty() {
        return wrong("is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return wrong("is longer than 1024 bytes");
    }
    if !is_nfc(name) {
        return wrong("is not in Unicode normalization form C");
    }
    if name.chars().any(|letter| letter.is_control() || is_bidirectional(letter)) {
        return wrong("has control or bidirectional characters");
    }
    if name.contains('\\') {
        return wrong("has a backslash; parts are separated by `/`");
    }
    if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return wrong("is not relative, or has an empty, `.` or `..` part");
    }
    Ok(())
}

/// Checks the names of the products of one step: each by itself, and no two alike after case
/// folding, which a case-insensitive file system would take for one.
///
/// # Errors
/// [`NameError::Artifact`] for the first name that is wrong.
pub fn check_product_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), NameError> {
    let mut seen = HashSet::new();
    for name in names {
        check_artifact_name(name)?;
        let folded: String = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            // Full case folding is what lowercasing after uppercasing comes to.
            name.to_uppercase().to_lowercase().nfc().collect()
        };
        if !seen.insert(folded) {
            let why = "stands twice, or differs from another name only in case";
            return Err(NameError::Artifact { name: shown(name), why });
        }
    }
    Ok(())
}

/// Unicode Bidi_Control characters, which can make a name look like another.
const fn is_bidirectional(letter: char) -> bool {
    matches!(letter, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for good in ["a", "train", "fine-tune-2", &"a".repeat(63)] {
            assert!(good.parse::<StepName>().is_ok(), "{good}");
        }
        for bad in ["", "Train", "2nd", "-a", "a_b", "a b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<StageName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stages_and_levels_are_one_to_one() {
        let stage: StageName = "pre-production".parse().unwrap();
        assert_eq!(stage.level(), "ASSAY_STAGE_PRE_PRODUCTION");
        assert_eq!(StageName::from_level(&stage.level()), Some(stage));
        for other in
            ["SLSA_BUILD_LEVEL_2", "ASSAY_STAGE_", "ASSAY_STAGE_production", "ASSAY_STAGE_A-B"]
        {
            assert_eq!(StageName::from_level(other), None, "{other}");
        }
    }

    #[test]
    fn artifact_names() {
        for good in ["a", "data/train.csv", "registry.example/model:1.4", "ünïcode", "model@1.2"]
        {
            assert!(check_artifact_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/a", "a//b", "./a", "a/../b", "a/", "a\\b", "a\nb", "a\u{202E}b", "e\u{301}"]
        {
            assert!(check_artifact_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn products_are_unique_after_case_folding() {
        assert!(check_product_names(["a/b", "a/c"]).is_ok());
        assert!(check_product_names(["a/b", "a/b"]).is_err());
        assert!(check_product_names(["a/b", "A/B"]).is_err());
        assert!(check_product_names(["straße", "STRASSE"]).is_err());
    }
}
