//! Statements to fill a register with, and what must be found of them afterwards.

use std::collections::HashMap;
use std::sync::Arc;

use attest::envelope::IN_TOTO;
use attest::{ArtifactId, Envelope, Leaf, PublicKey, Sha256, Signature, SigningKey, Statement};
use server::register::{Body, NewEntry};

/// Makes statements of about 1 KiB in their envelopes, each about its own or a frequent artifact.
pub(crate) struct Ledger {
    state: u64,
    made: u64,
    key: SigningKey,
    public: PublicKey,
    /// Entries about each artifact, by the order in which they were made.
    pub(crate) about: HashMap<Sha256, Vec<u64>>,
    /// Leaves and bodies, byte for byte: what any log must keep.
    pub(crate) raw_bytes: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let key = SigningKey::from_ed25519_seed(&[9; 32]).unwrap();
        let public = key.public().clone();
        Self { state: 1, made: 0, key, public, about: HashMap::new(), raw_bytes: 0 }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.state >> 11
    }

    /// The digest of an artifact: small numbers come often, large ones once or never.
    fn artifact(&mut self) -> Sha256 {
        let unit = self.random() as f64 / (1_u64 << 53) as f64;
        let number = (unit.powi(4) * 2e6) as u64;
        Sha256::of(&number.to_be_bytes())
    }

    fn payload(&mut self) -> Vec<u8> {
        let subject = self.artifact();
        let material = self.artifact();
        self.about.entry(subject).or_default().push(self.made);
        self.made += 1;
        let nonce = Sha256::of(&self.random().to_be_bytes()).hex();
        let number = self.made % 977;
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model-{number}.bin","digest":{{"sha256":"{}"}}}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{{"buildDefinition":{{"buildType":"https://assay.example/build-type/training/v1","externalParameters":{{"step":"train","command":["python","train.py"],"parameters":{{"rate":"0.{number}","nonce":"{}"}}}},"resolvedDependencies":[{{"name":"train.csv","digest":{{"sha256":"{}"}}}}]}},"runDetails":{{"builder":{{"id":"https://assay.example/builder/local/v1"}},"metadata":{{"startedOn":"2026-11-26T00:00:00Z"}}}}}}}}"#,
            subject.hex(),
            &nonce[..16],
            material.hex(),
        )
        .into_bytes()
    }

    /// An envelope with a signature.
    pub(crate) fn signed(&mut self) -> Envelope {
        let payload = self.payload();
        Envelope::sign(IN_TOTO, payload, &[&self.key]).unwrap()
    }

    /// An envelope with 64 bytes in the place of a signature.
    pub(crate) fn unsigned(&mut self) -> Envelope {
        let payload = self.payload();
        let sig = [self.random(), self.made].map(u64::to_be_bytes).concat().repeat(4);
        let signatures = vec![Signature { keyid: None, sig }];
        Envelope { payload_type: IN_TOTO.into(), payload, signatures }
    }

    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The entry of an envelope, whose signature nobody checks.
    pub(crate) fn entry(&mut self) -> NewEntry {
        let envelope = self.unsigned();
        let entry = entry_of(&envelope, &self.public);
        self.raw_bytes += entry.length() as u64;
        entry
    }

    /// An artifact that something was said about, and where; frequent ones more often.
    pub(crate) fn asked(&mut self) -> (ArtifactId, Vec<u64>) {
        let digest = self.artifact();
        let about = self.about.get(&digest).cloned().unwrap_or_default();
        (ArtifactId::file(digest), about)
    }
}

/// The entry of an envelope, whose signature nobody checks.
pub(crate) fn entry_of(envelope: &Envelope, key: &PublicKey) -> NewEntry {
    let pae = envelope.pae();
    let leaf = Leaf::of(&pae, &envelope.signatures[0].sig, key);
    let statement = Statement::parse(&envelope.payload).unwrap();
    NewEntry::of(&leaf, &Arc::new(Body::new(pae)), envelope, Some(&statement))
}
