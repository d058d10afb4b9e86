//! Whom the policy believes, of those whom the trust file names, and what runs builds.
//!
//! A policy can only narrow: a signer is named as in the trust file, and what is written here must
//! hold of the signer besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use attest::KeyId;
use serde_saphyr::Spanned;
use verify::Pattern;

use super::describe::{self, fields, some};
use super::field::{Compiled, defined, digest, names, plain, value, wrong};
use super::{Entries, Items, Problem, Text};
use crate::model::Model;
use crate::rules::{BuildLevel, SourceLevel};
use crate::whom::{Narrowed, Narrowing, VerifierPair, Whom};

/// The highest level of SLSA's build track (version 1.2).
const MAX_BUILD_LEVEL: u64 = 3;
/// The highest level of SLSA's source track (version 1.2).
const MAX_SOURCE_LEVEL: u64 = 4;

fields! {
    Trust {
        /// The signers, by their names in the trust file, with what must hold of them besides.
        signers: Spanned<Entries<Spanned<Signer>>>,
        /// Whose summaries count: a signer with the id that the signer may verify as. Whoever the
        /// trust file names unless said.
        verifiers: Option<Spanned<Items<Spanned<Verifier>>>>,
    }

    Signer {
        /// The identity of the key: the digest of its SubjectPublicKeyInfo.
        key: Option<Text> = describe::text("^sha256:[0-9a-f]{64}$"),
        /// The issuer that vouches for a keyless signer, whole.
        issuer: Option<Text>,
        /// The authority that certifies the signer, by its name in the trust file.
        authority: Option<Text>,
        /// What the certificate of the signer must be for.
        identity: Option<Spanned<Identity>>,
    }

    Identity {
        /// The identity itself.
        exact: Option<Text>,
        /// A pattern: `*` and `?` stop at `/`, `**` does not.
        glob: Option<Text>,
        /// A regular expression, which must match the whole.
        regex: Option<Text>,
    }

    Verifier {
        /// The signer, by the name in the trust file.
        signer: Text,
        /// The id by which its summaries name their verifier.
        id: Text = describe::text("^[a-z][a-z0-9+.-]*://"),
    }

    Builder {
        /// The builder's id, as provenance names it; matched whole.
        id: Text,
        /// Whose provenance may name it.
        signers: Spanned<Items<Text>> = some::<Text>(),
        /// The level of SLSA's build track that it reaches at most.
        max_slsa_build_level: Spanned<u64> = serde_json::json!({"type": "integer", "minimum": 1, "maximum": MAX_BUILD_LEVEL}),
    }

    Slsa {
        /// The level of the build track that every step that makes something must reach.
        build: Option<Spanned<u64>> = serde_json::json!({"type": "integer", "minimum": 1, "maximum": MAX_BUILD_LEVEL}),
        /// What must hold of the source code.
        source: Option<Spanned<Source>>,
    }

    Source {
        /// The level of the source track that every commit that was used must have.
        level: Spanned<u64> = serde_json::json!({"type": "integer", "minimum": 1, "maximum": MAX_SOURCE_LEVEL}),
        /// The steps whose commits are meant; every step that makes something unless said.
        steps: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// The digests of the policies by which the source was verified.
        policies: Spanned<Items<Text>> = some::<Text>(),
        /// How old a verification may be.
        max_age: Text = describe::age(),
    }
}

/// The signers that the policy believes; `None` where it takes those of the trust file.
pub(super) fn narrowed(trust: Option<&Spanned<Trust>>) -> Compiled<Option<Arc<Narrowed>>> {
    let Some(trust) = trust else { return Ok(None) };
    let entries = &trust.value.signers.value.0;
    if entries.is_empty() {
        return Err(wrong(&trust.value.signers, Problem::Empty("signers")));
    }
    let mut signers = BTreeMap::new();
    for (name, signer) in entries {
        plain(name)?;
        if name.value == "*" {
            let problem = "`*` is no signer: what must hold of everybody is for the trust file";
            return Err(wrong(name, Problem::Contradiction(problem)));
        }
        signers.insert(name.value.clone(), narrowing(signer)?);
    }
    let known: Vec<&str> = signers.keys().map(String::as_str).collect();
    let mut verifiers = None;
    if let Some(list) = &trust.value.verifiers {
        if list.value.0.is_empty() {
            return Err(wrong(list, Problem::Empty("verifiers")));
        }
        let pair = |one: &Spanned<Verifier>| {
            defined("signer", &one.value.signer, &known)?;
            let id = super::field::uri(&one.value.id)?;
            Ok(VerifierPair { signer: one.value.signer.value.clone(), id })
        };
        verifiers = Some(list.value.0.iter().map(pair).collect::<Compiled<Vec<_>>>()?);
    }
    Ok(Some(Arc::new(Narrowed { signers, verifiers })))
}

fn narrowing(signer: &Spanned<Signer>) -> Compiled<Narrowing> {
    let Signer { key, issuer, authority, identity } = &signer.value;
    if key.is_some() && (issuer.is_some() || authority.is_some() || identity.is_some()) {
        let problem = "a signer has a key that stays (`key`) or a certificate (`issuer` or \
                       `authority`, `identity`), not both";
        return Err(wrong(signer, Problem::Contradiction(problem)));
    }
    if issuer.is_some() && authority.is_some() {
        let problem = "an `issuer` vouches for a signer without a key, an `authority` certifies \
                       one: nobody is both";
        return Err(wrong(signer, Problem::Contradiction(problem)));
    }
    let key = match key {
        None => None,
        Some(text) => {
            let digest = digest(text)?;
            let id = digest.to_string().parse::<KeyId>();
            Some(id.map_err(|error| wrong(text, value(error)))?)
        }
    };
    for text in [issuer, authority].into_iter().flatten() {
        plain(text)?;
    }
    Ok(Narrowing {
        key,
        issuer: issuer.as_ref().map(|text| text.value.clone()),
        authority: authority.as_ref().map(|text| text.value.clone()),
        identity: identity.as_ref().map(pattern).transpose()?,
    })
}

fn pattern(fields: &Spanned<Identity>) -> Compiled<Pattern> {
    let Identity { exact, glob, regex } = &fields.value;
    let (text, made) = match (exact, glob, regex) {
        (Some(text), None, None) => (text, Pattern::exact(&text.value)),
        (None, Some(text), None) => (text, Pattern::glob(&text.value)),
        (None, None, Some(text)) => (text, Pattern::regex(&text.value)),
        _ => {
            let problem = "an identity is one of `exact`, `glob` and `regex`";
            return Err(wrong(fields, Problem::Contradiction(problem)));
        }
    };
    made.map_err(|error| wrong(text, value(error)))
}

/// The builders, and the levels of SLSA that must be reached.
pub(super) fn levels(
    model: &mut Model,
    builders: Option<&Spanned<Items<Spanned<Builder>>>>,
    slsa: Option<&Spanned<Slsa>>,
    steps: &[&str],
) -> Compiled<()> {
    let mut found: Vec<crate::model::Builder> = Vec::new();
    if let Some(list) = builders {
        if list.value.0.is_empty() {
            return Err(wrong(list, Problem::Empty("builders")));
        }
        for fields in &list.value.0 {
            let Builder { id, signers, max_slsa_build_level: level } = &fields.value;
            plain(id)?;
            if found.iter().any(|known| known.id == id.value) {
                return Err(wrong(id, Problem::RepeatedKey(id.value.clone())));
            }
            let signers = whom(signers, model.narrowed.as_ref())?;
            let level = bounded(level, MAX_BUILD_LEVEL)?;
            found.push(crate::model::Builder { id: id.value.clone(), signers, level });
        }
    }
    model.builders = found;
    let Some(slsa) = slsa else { return Ok(()) };
    if slsa.value.build.is_none() && slsa.value.source.is_none() {
        return Err(wrong(slsa, Problem::Empty("slsa")));
    }
    if let Some(level) = &slsa.value.build {
        let wanted = bounded(level, MAX_BUILD_LEVEL)?;
        if wanted > 1 && !model.builders.iter().any(|builder| builder.level >= wanted) {
            let problem = "no entry of `builders` reaches this level, so that nothing could";
            return Err(wrong(level, Problem::Contradiction(problem)));
        }
        model.rules.push(Arc::new(BuildLevel { level: wanted }));
    }
    if let Some(source) = &slsa.value.source {
        let rule = source_level(model, &source.value, steps)?;
        model.rules.push(Arc::new(rule));
    }
    Ok(())
}

fn source_level(model: &Model, fields: &Source, names: &[&str]) -> Compiled<SourceLevel> {
    let makes = |step: &crate::model::Step| {
        step.predicates.iter().any(|one| attest::predicate::is_provenance(one))
    };
    let steps = match &fields.steps {
        None => {
            let all = model.steps.iter().enumerate();
            all.filter(|(_, step)| makes(step)).map(|(index, _)| index).collect()
        }
        Some(list) if list.value.0.is_empty() => {
            return Err(wrong(list, Problem::Empty("steps")));
        }
        Some(list) => {
            let mut steps = Vec::new();
            for name in &list.value.0 {
                let index = defined("step", name, names)?;
                if !model.steps.get(index).is_some_and(makes) {
                    let problem = "commits are read from the materials of SLSA provenance only";
                    return Err(wrong(name, Problem::Contradiction(problem)));
                }
                steps.push(index);
            }
            steps
        }
    };
    if fields.policies.value.0.is_empty() {
        return Err(wrong(&fields.policies, Problem::Empty("policies")));
    }
    let policies = fields.policies.value.0.iter().map(digest);
    Ok(SourceLevel {
        level: bounded(&fields.level, MAX_SOURCE_LEVEL)?,
        steps,
        policies: policies.collect::<Compiled<_>>()?,
        max_age: super::field::age(&fields.max_age)?,
    })
}

fn bounded(level: &Spanned<u64>, most: u64) -> Compiled<u8> {
    match u8::try_from(level.value) {
        Ok(found) if (1..=most).contains(&level.value) => Ok(found),
        _ => {
            let problem = format!("this track of SLSA 1.2 has the levels 1 to {most}");
            Err(wrong(level, Problem::Value(problem)))
        }
    }
}

/// Signers by their names, of which there is at least one.
pub(super) fn whom(
    list: &Spanned<Items<Text>>,
    narrowed: Option<&Arc<Narrowed>>,
) -> Compiled<Whom> {
    let any_of = names(list, "anyOf")?;
    if let Some(narrowed) = narrowed {
        let known: Vec<&str> = narrowed.signers.keys().map(String::as_str).collect();
        for name in list.value.0.iter().filter(|name| name.value != "*") {
            defined("signer", name, &known)?;
        }
    }
    let whoever = any_of.iter().any(|name| name == "*");
    if whoever && any_of.len() > 1 {
        let problem = "`*` already stands for every signer who may";
        return Err(wrong(list, Problem::Contradiction(problem)));
    }
    Ok(Whom { any_of: (!whoever).then_some(any_of), narrowed: narrowed.cloned() })
}
