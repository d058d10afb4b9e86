//! The fields of a document, as they are written: what is in all of them, stages and steps.

use serde_saphyr::Spanned;

use super::cases::Test;
use super::corroboration::Corroboration;
use super::dependencies::{Approvals, Dependencies, Monitoring};
use super::describe::{self, constant, count, fields, some, words};
use super::layouts::Layout;
use super::ml::Ml;
use super::trust::{Builder, Slsa, Trust};
use super::waivers::Waivers;
use super::{Entries, Items, Text};
use crate::model::{Completeness, Coverage, LogRule, Mode, OnError, OnNoMatch, Strength};

fields! {
    Document {
        /// The version of the format.
        api_version: Text = constant("assay/v1"),
        /// What kind of document it is.
        kind: Text = constant("PromotionPolicy"),
        /// Which policy it is.
        metadata: Metadata,
        /// When anything may be decided by it.
        validity: Option<Spanned<Validity>>,
        /// For which artifacts it is written, by their names.
        r#match: Option<Spanned<Match>>,
        /// Where artifacts may be used, and what follows from a verdict there.
        stages: Spanned<Entries<Stage>>,
        /// Whom of the trust file the policy believes, and as whom. Nobody else counts.
        trust: Option<Spanned<Trust>>,
        /// What runs builds, and how well.
        builders: Option<Spanned<Items<Spanned<Builder>>>>,
        /// The levels of SLSA that must be reached.
        slsa: Option<Spanned<Slsa>>,
        /// What must have happened, and who must have signed for it.
        steps: Spanned<Entries<Spanned<Step>>>,
        /// What must flow between steps, and what must not.
        #[serde(default)]
        flow: Items<Spanned<Flow>>,
        /// What must hold of models and data.
        ml: Option<Ml>,
        /// What must hold of dependencies.
        dependencies: Option<Spanned<Dependencies>>,
        /// Who must have approved the artifact, for the stage and by this policy.
        approvals: Option<Spanned<Approvals>>,
        /// Who must have come to the same as whoever did a step, by step.
        #[serde(default)]
        corroboration: Entries<Spanned<Corroboration>>,
        /// How the artifact must fare where it runs.
        monitoring: Option<Spanned<Monitoring>>,
        /// How old the statements of a step may be, by step.
        #[serde(default)]
        ages: Entries<Text> = ages(),
        /// How much of the register must have been read; `followed` unless said.
        completeness: Option<Text> = words(Completeness::ALL, Completeness::as_str),
        /// Rules in Rego, for what no other section can say.
        #[serde(default)]
        rego: Items<Spanned<Rego>>,
        /// in-toto layouts by which the artifact must have been made.
        #[serde(default)]
        layouts: Items<Spanned<Layout>>,
        /// Whose waivers are accepted. None are where this is not said.
        waivers: Option<Spanned<Waivers>>,
        /// What must come of evidence that stands beside the document (`assay policy test`). They
        /// decide nothing.
        #[serde(default)]
        tests: Items<Spanned<Test>>,
    }

    Metadata {
        /// Its name.
        name: Text = describe::label(),
        /// Its version, counted from 1.
        version: Spanned<u64> = count(),
        /// Its URI.
        uri: Option<Text>,
        /// What it is for, in words.
        description: Option<Text>,
    }

    Validity {
        /// The first moment at which anything may be decided by it.
        not_before: Option<Text> = describe::moment(),
        /// The first moment after that.
        expires: Option<Text> = describe::moment(),
    }

    Match {
        /// Patterns of names: `*` and `?` stop at `/`, `**` does not.
        names: Spanned<Items<Text>> = some::<Text>(),
        /// What to do with an artifact of another name: `deny` unless said.
        on_no_match: Option<Text> = words(OnNoMatch::ALL, OnNoMatch::as_str),
    }

    Stage {
        /// What follows from a verdict.
        mode: Text = words(Mode::ALL, Mode::as_str),
        /// The stages that must have been passed before.
        after: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// How long ago each of these must have been passed, without a failure since.
        soak: Option<Text> = describe::age(),
        /// How long ago each of these may have been passed at most.
        max_age: Option<Text> = describe::age(),
        /// What to do where something cannot be decided: `deny` where the mode enforces.
        on_error: Option<Text> = words(OnError::ALL, OnError::as_str),
    }

    Step {
        /// The types of statements that count, as URIs or short names of own types.
        predicates: Spanned<Items<Text>> = some::<Text>(),
        /// The kind of step.
        kind: Option<Text> = words(attest::predicate::BuildKind::ALL, attest::predicate::BuildKind::as_str),
        /// The build types of other tools that count.
        build_types: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// Who must have signed.
        signers: Signers,
        /// Whether the statements must be in a trusted log; `required` unless said.
        log: Option<Text> = words(LogRule::ALL, LogRule::as_str),
    }

    Signers {
        /// Names of signers; `*` for whoever the trust file lets sign.
        any_of: Spanned<Items<Text>> = some::<Text>(),
        /// How many distinct owners must have signed; 1 unless said.
        threshold: Option<Spanned<u64>> = count(),
        /// The step whose signers' owners do not count.
        not_same_as: Option<Text> = describe::label(),
    }

    Flow {
        /// Where what must flow comes from.
        from: Option<Text> = describe::end(),
        /// The whole name of the product that is meant; every product unless said.
        select: Option<Text>,
        /// Where it must arrive.
        to: Option<Text> = describe::end(),
        /// How much of it must arrive.
        coverage: Option<Text> = words(Coverage::ALL, Coverage::as_str),
        /// What must not flow.
        forbid: Option<Forbid>,
        /// How sure a forbidden flow must be known not to be.
        strength: Option<Text> = words(Strength::ALL, Strength::as_str),
    }

    Forbid {
        /// Where it comes from.
        from: Text = describe::end(),
        /// The whole name of the product that is meant; every product unless said.
        select: Option<Text>,
        /// Where it must not arrive.
        to: Text = describe::end(),
    }

    Rego {
        /// What the rule is called.
        id: Text = describe::text("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
        /// The first moment at which it asks anything.
        effective_on: Option<Text> = describe::moment(),
        /// The first moment after that.
        effective_until: Option<Text> = describe::moment(),
        /// The rule, if it stands here.
        text: Option<Text>,
        /// The file with the rule, below the folder of the policy.
        file: Option<Text>,
        /// The file's SHA-256 in hex digits.
        sha256: Option<Text> = describe::text("^(sha256:)?[0-9a-f]{64}$"),
    }
}

fn ages() -> serde_json::Value {
    serde_json::json!({"type": "object", "additionalProperties": describe::age()})
}
