//! The cases of a policy, in the document or each in a file of its own.

use std::collections::BTreeSet;

use attest::StageName;
use serde_saphyr::Spanned;

use super::describe::{self, fields, some, words};
use super::field::{
    Compiled, artifact, defined, label, moment, names, plain, shown, value, word, wrong,
};
use super::nearest::nearest;
use super::{Document, Items, Problem, Text};
use crate::case::{Case, Expected, Verdict};
use crate::code::Code;
use crate::model::Stage;

fields! {
    Test {
        /// What the case is called.
        name: Text,
        /// The folder of the evidence, below that of the policy: bundles, and `trust.yaml`.
        evidence: Text,
        /// The files in it that are evidence; every bundle unless said.
        bundles: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// When the question is asked.
        at: Text = describe::moment(),
        /// The stage that is asked about.
        stage: Text = describe::label(),
        /// The artifact that is asked about, by its digest.
        artifact: Text = describe::digest(),
        /// What must come of it.
        expect: Expect,
    }

    Expect {
        /// Whether every rule holds.
        verdict: Text = words(Verdict::ALL, Verdict::as_str),
        /// Exactly these codes are found; whichever unless said.
        codes: Option<Items<Text>> = describe::codes(),
    }

    Lone {
        /// When the question is asked.
        at: Text = describe::moment(),
        /// The stage that is asked about.
        stage: Text = describe::label(),
        /// The artifact that is asked about, by its digest.
        artifact: Text = describe::digest(),
        /// The files beside this one that are evidence; every bundle unless said.
        bundles: Option<Spanned<Items<Text>>> = some::<Text>(),
        /// What must come of it.
        expect: Expect,
    }
}

/// The cases of a document, which has these stages.
pub(super) fn cases(document: &Document, stages: &[Stage]) -> Compiled<Vec<Case>> {
    let known: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    let mut cases: Vec<Case> = Vec::with_capacity(document.tests.0.len());
    for test in &document.tests.0 {
        let Test { name, evidence, bundles, at, stage, artifact: about, expect } = &test.value;
        plain(name)?;
        if cases.iter().any(|case| case.name == name.value) {
            return Err(wrong(name, Problem::RepeatedKey(name.value.clone())));
        }
        defined("stage", stage, &known)?;
        cases.push(Case {
            name: name.value.clone(),
            evidence: Some(super::files::file_name(evidence)?),
            bundles: files(bundles.as_ref())?,
            at: moment(at)?,
            stage: label::<StageName>(stage)?,
            artifact: artifact(about)?,
            expected: expected(expect)?,
        });
    }
    Ok(cases)
}

/// Reads a case that stands beside its evidence.
pub(crate) fn read(name: &str, text: &str) -> Compiled<Case> {
    let Lone { at, stage, artifact: about, bundles, expect } = &super::strictly::<Lone>(text)?;
    Ok(Case {
        name: name.into(),
        evidence: None,
        bundles: files(bundles.as_ref())?,
        at: moment(at)?,
        stage: label::<StageName>(stage)?,
        artifact: artifact(about)?,
        expected: expected(expect)?,
    })
}

fn files(list: Option<&Spanned<Items<Text>>>) -> Compiled<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    for name in &list.value.0 {
        super::files::file_name(name)?;
    }
    names(list, "bundles")
}

fn expected(fields: &Expect) -> Compiled<Expected> {
    let verdict = word(&fields.verdict, "verdict", &Verdict::ALL, Verdict::as_str)?;
    let Some(list) = &fields.codes else { return Ok(Expected { verdict, codes: None }) };
    let codes = list.0.iter().map(code).collect::<Compiled<BTreeSet<Code>>>()?;
    if let (Verdict::Allowed, Some(text)) = (verdict, list.0.first()) {
        let problem = "what is allowed has no findings, and so no codes";
        return Err(wrong(text, Problem::Contradiction(problem)));
    }
    Ok(Expected { verdict, codes: Some(codes) })
}

fn code(text: &Text) -> Compiled<Code> {
    let known = Code::ALL.into_iter().find(|code| code.as_str() == text.value);
    known.ok_or_else(|| {
        let near = nearest(&text.value, Code::ALL.map(Code::as_str))
            .map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        wrong(text, value(format!("there is no code `{}`{near}", shown(&text.value))))
    })
}
