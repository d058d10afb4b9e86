//! What a policy asks of models and data: the fields.

use serde_saphyr::Spanned;

use super::describe::{self, count, fields, words};
use super::{Items, Text};
use crate::model::Strength;

fields! {
    Ml {
        /// Numbers that must have been measured.
        #[serde(default)]
        metrics: Items<Spanned<Metric>>,
        /// Data that must not have been learnt from.
        #[serde(default)]
        holdout: Items<Spanned<Holdout>>,
    }

    Metric {
        /// The step whose evaluations are read.
        step: Text = describe::label(),
        /// The name of the number.
        name: Text,
        /// The data set on which it must have been measured.
        dataset: Dataset,
        /// The least that it may be.
        at_least: Option<Text> = describe::decimal(),
        /// The most that it may be.
        at_most: Option<Text> = describe::decimal(),
        /// Over how many records it must have been measured.
        min_samples: Spanned<u64> = count(),
        /// What must hold for it on every part of the data.
        slices: Option<Spanned<Slices>>,
    }

    Dataset {
        /// What to call it.
        name: Option<Text>,
        /// Its digest.
        digest: Text = describe::digest(),
    }

    Slices {
        /// The least that the number may be on a part.
        at_least: Option<Text> = describe::decimal(),
        /// The most that it may be on a part.
        at_most: Option<Text> = describe::decimal(),
        /// How far the numbers of two parts may be apart.
        gap_at_most: Option<Text> = describe::decimal(),
    }

    Holdout {
        /// What to call it.
        name: Option<Text>,
        /// Its digest.
        digest: Text = describe::digest(),
        /// The materials of a step that it must not be among.
        not_in: Text = describe::end(),
        /// How sure that must be; `declared-files` unless said.
        strength: Option<Text> = words(Strength::ALL, Strength::as_str),
    }
}
