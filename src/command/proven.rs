//! Whether a page of a search proves what it shows.
//!
//! Every entry has to be under the page's checkpoint, to be what its evidence says, and to be
//! what was asked for as far as its statement is there to tell. Who is to be believed is not
//! decided here, and no proof shows that nothing is missing.

use std::sync::Arc;

use ::attest::{Checkpoint, Envelope, Leaf, LogProof, Sha256, Statement};
use ::verify::merkle::{leaf_hash, verify_inclusion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use server::register::{Body, Covered, Entry, EntryBody, NewEntry, Order, Query, Search, Term};
use server::wire::{BodyState, EntryView, Evidence, Found};

use super::log::Head;
use crate::context::Context;
use crate::error::Error;
use crate::source::Source;

/// Checks a page; gives its checkpoint, and whether that is trusted.
pub fn check(
    page: &Found,
    search: &Search,
    source: &Source,
    cx: &Context<'_>,
) -> Result<Head, Error> {
    let note = page.checkpoint.as_ref().ok_or(Error::NoProofs)?;
    let head = Head::of_note(note.clone(), source.verifier(), cx)?;
    let (origin, size, root) = (head.origin.clone(), head.size, head.root);
    require(page, search, note, &Checkpoint { origin, size, root })?;
    Ok(head)
}

/// Checks a page against the checkpoint in `note`.
fn require(page: &Found, search: &Search, note: &str, signed: &Checkpoint) -> Result<(), Error> {
    let Found { entries, evidence, complete_to, .. } = page;
    if entries.len() != evidence.len() {
        return Err(Error::NoProofs);
    }
    if Checkpoint::from(complete_to.clone()) != *signed {
        return Err(Error::NotSigned { size: complete_to.size });
    }
    let mut last = None;
    for (entry, evidence) in entries.iter().zip(evidence) {
        let other = |why| Error::OtherEvidence { index: entry.index, why };
        if !in_order(last, entry.index, &search.query) {
            return Err(other("it is out of order"));
        }
        last = Some(entry.index);
        let told = Told::of(evidence).ok_or_else(|| other("it cannot be read"))?;
        if told.checkpoint != note || told.index != entry.index {
            return Err(other("it is under another checkpoint, or of another entry"));
        }
        let leaf = leaf_hash(&told.leaf);
        verify_inclusion(entry.index, signed.size, &leaf, &told.hashes, &signed.root)
            .map_err(Error::Proof)?;
        told.shows(entry, search).map_err(other)?;
    }
    Ok(())
}

/// Whether an entry may come after `last` in an answer to `query`.
fn in_order(last: Option<u64>, index: u64, query: &Query) -> bool {
    let from = query.start;
    match query.order {
        Order::OldestFirst => {
            last.is_none_or(|last| last < index) && from.is_none_or(|from| from <= index)
        }
        Order::NewestFirst => {
            last.is_none_or(|last| last > index) && from.is_none_or(|from| from >= index)
        }
    }
}

/// What a piece of evidence says.
struct Told {
    index: u64,
    leaf: Vec<u8>,
    hashes: Vec<Sha256>,
    checkpoint: String,
    envelope: Option<Envelope>,
}

impl Told {
    fn of(evidence: &Evidence) -> Option<Self> {
        match evidence {
            Evidence::Bundle { bundle } => {
                let [entry] = bundle.0.entries.as_slice() else { return None };
                let proof = entry.proof.clone()?;
                Some(Self {
                    index: proof.index,
                    leaf: entry.leaf.clone(),
                    hashes: proof.hashes,
                    checkpoint: proof.checkpoint,
                    envelope: Some(bundle.0.envelope.clone()),
                })
            }
            Evidence::Leaf { leaf, proof } => {
                let LogProof { index, hashes, checkpoint, .. } = proof.parse().ok()?;
                let leaf = STANDARD.decode(leaf).ok()?;
                Some(Self { index, leaf, hashes, checkpoint, envelope: None })
            }
        }
    }

    /// Whether the entry is shown as it is, and is what was asked for. Its time is the register's
    /// word.
    fn shows(self, shown: &EntryView, search: &Search) -> Result<(), &'static str> {
        let leaf = Leaf::parse(&self.leaf).map_err(|_| "its leaf cannot be read")?;
        let mut covered = Covered::Unknown;
        let body = match self.envelope {
            Some(envelope) => {
                let body = Body::new(envelope.pae());
                if !leaf.covers(body.bytes()) {
                    return Err("its leaf is of another statement");
                }
                let hash = body.hash();
                covered = Covered::Body(Arc::new(body));
                EntryBody::Here { hash, envelope }
            }
            None => match (shown.state, shown.body) {
                (BodyState::Erased, Some(hash)) => EntryBody::Erased(hash),
                (BodyState::Unknown, None) => EntryBody::Unknown,
                _ => return Err("its statement is not there"),
            },
        };
        let entry = Entry { index: shown.index, time: shown.time, leaf, body };
        if EntryView::of(&entry) != *shown {
            return Err("it is shown otherwise");
        }
        let too_early = search.query.from.is_some_and(|from| shown.time < from);
        if too_early || search.query.until.is_some_and(|until| shown.time >= until) {
            return Err("its time is not what was asked for");
        }
        let EntryBody::Here { envelope, .. } = &entry.body else {
            // What an erased statement said is known to nobody any more; who signed is.
            let fresh = NewEntry::new(self.leaf, covered);
            let signed = |term: &&Term| {
                matches!(term, Term::Signer(_) | Term::Identity(_) | Term::Issuer(_))
            };
            let mut terms = search.query.terms.iter().filter(signed);
            let same = terms.all(|term| fresh.has(term));
            return if same { Ok(()) } else { Err("it is not what was asked for") };
        };
        let statement = Statement::read(&envelope.payload).ok();
        let compares = search.measured.is_empty()
            || statement.is_some_and(|statement| search.holds(&statement));
        let fresh = NewEntry::new(self.leaf, covered);
        let terms = search.indexed().terms;
        if !compares || !terms.iter().all(|term| fresh.has(term)) {
            return Err("it is not what was asked for");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::attest::envelope::IN_TOTO;
    use ::attest::predicate::EVALUATION;
    use ::attest::{NoteSigner, Proposal, Proposed, SigningKey, Timestamp};
    use server::register::{Memory, Proofs, Register};

    use super::*;

    fn wait<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Two evaluations, and between them a signature without its statement.
    fn register() -> Register<Memory> {
        let key = SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
        let signer = NoteSigner::new("log.example/a", key).unwrap();
        let register = wait(Register::open(Memory::new(), signer)).unwrap();
        let key = SigningKey::generate(::attest::Algorithm::P256).unwrap();
        let hex = Sha256::of(b"model").hex();
        let statement = |value: &str| {
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model.bin","digest":{{"sha256":"{hex}"}}}}],"predicateType":"{EVALUATION}","predicate":{{"evaluator":{{"id":"x"}},"dataset":{{"digest":{{"sha256":"{hex}"}}}},"measurements":[{{"metric":"accuracy","value":"{value}"}}]}}}}"#
            )
        };
        for (second, value) in [(1, "0.9"), (3, "0.8")] {
            let payload = statement(value).into_bytes();
            let envelope = Envelope::sign(IN_TOTO, payload, &[&key]).unwrap();
            wait(register.submit(&envelope, &[key.public().clone()], at(second))).unwrap();
            let signature = key.sign(value.as_bytes()).unwrap();
            let proposal = Proposal {
                digest: Leaf::of(value.as_bytes(), &signature, key.public()).data().to_vec(),
                signature,
                key_details: "PKIX_ECDSA_P256_SHA_256".into(),
                verifier: Proposed::Key(key.public().der().to_vec()),
            };
            wait(register.record(&proposal, at(second))).unwrap();
        }
        register
    }

    fn search(terms: Vec<Term>, metric: Option<&str>) -> Search {
        let query = Query { terms, limit: 10, ..Query::default() };
        let measured = metric.iter().map(|text| text.parse().unwrap()).collect();
        Search { query, measured, proofs: Proofs::With }
    }

    fn passes(register: &Register<Memory>, page: &Found, search: &Search) -> Result<(), Error> {
        let signed = wait(register.signed()).unwrap();
        require(page, search, &signed.note, &signed.checkpoint)
    }

    #[test]
    fn each_part_of_a_page_counts() {
        type Change = fn(&mut Found);
        let cases: [(&str, Change, bool); 15] = [
            ("as given", |_| {}, true),
            (
                "an entry less, with its evidence",
                |it| {
                    it.entries.remove(1);
                    it.evidence.remove(1);
                },
                true,
            ),
            ("evidence less", |it| drop(it.evidence.pop()), false),
            ("no evidence", |it| it.evidence.clear(), false),
            ("evidence of another entry", |it| it.evidence.swap(0, 2), false),
            (
                "another order",
                |it| {
                    it.entries.swap(0, 2);
                    it.evidence.swap(0, 2);
                },
                false,
            ),
            (
                "an entry twice",
                |it| {
                    it.entries[1] = it.entries[0].clone();
                    it.evidence[1] = it.evidence[0].clone();
                },
                false,
            ),
            ("another size", |it| it.complete_to.size += 1, false),
            ("another root", |it| it.complete_to.root = Sha256::of(b"x"), false),
            ("another name", |it| it.entries[0].subjects[0].name = "other".into(), false),
            ("another signer", |it| it.entries[1].signer = None, false),
            (
                "a body that is said to be erased",
                |it| {
                    it.entries[0].state = BodyState::Erased;
                },
                false,
            ),
            (
                "a leaf that is said to have been erased",
                |it| {
                    it.entries[1].state = BodyState::Erased;
                },
                false,
            ),
            (
                "a hash of another path",
                |it| {
                    let Evidence::Bundle { bundle } = &mut it.evidence[0] else { return };
                    let proof = bundle.0.entries[0].proof.as_mut().unwrap();
                    proof.hashes[0] = Sha256::of(b"x");
                },
                false,
            ),
            (
                "another statement",
                |it| {
                    let Evidence::Bundle { bundle } = &mut it.evidence[0] else { return };
                    bundle.0.envelope.payload.push(b' ');
                },
                false,
            ),
        ];
        let register = register();
        let search = search(Vec::new(), None);
        for (name, change, want) in cases {
            let mut page = Found::from(wait(register.search(&search)).unwrap());
            assert_eq!(page.entries.len(), 4);
            change(&mut page);
            let found = passes(&register, &page, &search);
            assert_eq!(found.is_ok(), want, "{name}: {found:?}");
        }
    }

    #[test]
    fn entries_come_in_the_order_and_from_where_they_were_asked_for() {
        let register = register();
        let both = [Order::OldestFirst, Order::NewestFirst];
        for (asked, start) in both.into_iter().flat_map(|order| [(order, None), (order, Some(2))]) {
            let mut search = search(Vec::new(), None);
            (search.query.order, search.query.start) = (asked, start);
            let page = Found::from(wait(register.search(&search)).unwrap());
            assert_eq!(page.entries.len(), start.map_or(4, |_| 3 - usize::from(asked == both[0])));
            passes(&register, &page, &search).unwrap();
            search.query.order = if asked == both[0] { both[1] } else { both[0] };
            assert!(passes(&register, &page, &search).is_err(), "{asked:?} {start:?}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_not_taken() {
        let register = register();
        let everything = Found::from(wait(register.search(&search(Vec::new(), None))).unwrap());
        let only = |places: &[usize]| Found {
            entries: places.iter().map(|place| everything.entries[*place].clone()).collect(),
            evidence: places.iter().map(|place| everything.evidence[*place].clone()).collect(),
            ..everything.clone()
        };
        let word = |word: &str| vec![Term::Word(word.into())];
        let other = SigningKey::generate(::attest::Algorithm::P256).unwrap();
        let other = vec![Term::Signer(other.public().id())];
        let own = vec![Term::Signer(everything.entries[1].signer.unwrap())];
        let cases: [(&str, Search, &[usize], bool); 8] = [
            ("a word", search(word("model"), None), &[0, 2], true),
            ("another word", search(word("models"), None), &[0, 2], false),
            ("a number", search(Vec::new(), Some("accuracy>=0.9")), &[0], true),
            ("a number below", search(Vec::new(), Some("accuracy>=0.9")), &[0, 2], false),
            ("another metric", search(Vec::new(), Some("recall")), &[0], false),
            ("a signer without a statement", search(own, None), &[1], true),
            ("another signer", search(other, None), &[1], false),
            ("nothing", search(word("models"), None), &[], true),
        ];
        for (name, search, places, want) in cases {
            let found = passes(&register, &only(places), &search);
            assert_eq!(found.is_ok(), want, "{name}: {found:?}");
        }
        for (from, until, want) in [(1, 4, true), (2, 4, false), (1, 3, false)] {
            let mut search = search(Vec::new(), None);
            (search.query.from, search.query.until) = (Some(at(from)), Some(at(until)));
            assert_eq!(passes(&register, &only(&[0, 2]), &search).is_ok(), want, "{from} {until}");
        }
    }
}
