//! A supply chain of two steps, to be changed before it is signed.

use attest::in_toto::{Form, KeyLabel, LayoutKey, Metadata, file_name, sign};
use attest::{SigningKey, Timestamp};
use policy::layout::{Inspected, LayoutDecision, Parameters, judge};
use serde_json::{Value, json};
use verify::layout::{LinkFolder, SignedLayout, verify_layout};

pub(crate) fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

pub(crate) fn key(name: &str) -> SigningKey {
    fixtures::signing_key(name).unwrap()
}

pub(crate) fn layout_key(name: &str) -> LayoutKey {
    LayoutKey::from_public(key(name).public()).unwrap()
}

pub(crate) fn label(name: &str) -> KeyLabel {
    layout_key(name).label().clone()
}

/// A document in the place of a link: the folders that lead to it, its file, what it says, and who
/// signs it.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) folders: Vec<String>,
    pub(crate) name: String,
    pub(crate) document: Value,
    pub(crate) signers: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) layout: Value,
    pub(crate) signers: Vec<&'static str>,
    pub(crate) owners: Vec<&'static str>,
    pub(crate) files: Vec<File>,
    pub(crate) form: Form,
    pub(crate) parameters: Option<Parameters>,
    pub(crate) inspected: Inspected,
    pub(crate) now: Timestamp,
}

pub(crate) fn digests(content: &str) -> Value {
    json!({"sha256": attest::Sha256::of(content.as_bytes()).hex()})
}

pub(crate) fn link(step: &str, materials: Value, products: Value) -> Value {
    json!({
        "_type": "link", "name": step, "command": ["make", step], "materials": materials,
        "products": products, "byproducts": {"return-value": 0}, "environment": {},
    })
}

pub(crate) fn step(name: &str, who: &[&str], materials: Value, products: Value) -> Value {
    let pubkeys: Vec<_> = who.iter().map(|name| label(name).to_string()).collect();
    json!({
        "_type": "step", "name": name, "pubkeys": pubkeys, "threshold": 1,
        "expected_command": ["make", name],
        "expected_materials": materials, "expected_products": products,
    })
}

pub(crate) fn layout(names: &[&str], steps: Value) -> Value {
    let keys: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (label(name).to_string(), layout_key(name).to_json().unwrap()))
        .collect();
    json!({
        "_type": "layout", "expires": "2027-01-31T12:00:00Z", "readme": "", "keys": keys,
        "steps": steps, "inspect": [],
    })
}

impl Chain {
    /// Alice writes `foo.txt`, bob packs it.
    pub(crate) fn good() -> Self {
        let steps = json!([
            step("write", &["alice"], json!([]), json!([["CREATE", "foo.txt"], ["DISALLOW", "*"]])),
            step(
                "pack",
                &["bob"],
                json!([
                    ["MATCH", "foo.txt", "WITH", "PRODUCTS", "FROM", "write"],
                    ["DISALLOW", "*"]
                ]),
                json!([["CREATE", "foo.tgz"], ["ALLOW", "foo.txt"], ["DISALLOW", "*"]]),
            ),
        ]);
        let text = json!({"foo.txt": digests("hi")});
        let both = json!({"foo.txt": digests("hi"), "foo.tgz": digests("packed")});
        let mut chain = Self {
            layout: layout(&["alice", "bob"], steps),
            signers: vec!["owner"],
            owners: vec!["owner"],
            files: Vec::new(),
            form: Form::Envelope,
            parameters: None,
            inspected: Inspected::new(),
            now: now(),
        };
        chain.add("write", "alice", link("write", json!({}), text.clone()));
        chain.add("pack", "bob", link("pack", text, both));
        chain
    }

    /// Puts a document where the link of a step by somebody lies, signed by them.
    pub(crate) fn add(&mut self, step: &str, who: &'static str, document: Value) {
        let name = file_name(step, &label(who));
        self.files.push(File { folders: Vec::new(), name, document, signers: vec![who] });
    }

    pub(crate) fn sign(&self, document: &Value, signers: &[&str]) -> Vec<u8> {
        let keys: Vec<_> = signers.iter().map(|name| key(name)).collect();
        sign(document, self.form, &keys.iter().collect::<Vec<_>>()).unwrap()
    }

    pub(crate) fn folder(&self) -> LinkFolder {
        let mut folder = LinkFolder::default();
        for file in &self.files {
            let folders: Vec<_> = file.folders.iter().map(String::as_str).collect();
            let bytes = self.sign(&file.document, &file.signers);
            folder.insert(&folders, &file.name, bytes).unwrap();
        }
        folder
    }

    pub(crate) fn verify(&self) -> Result<SignedLayout, String> {
        let bytes = self.sign(&self.layout, &self.signers);
        let metadata = Metadata::parse(&bytes).map_err(|error| error.to_string())?;
        let owners: Vec<_> = self.owners.iter().map(|name| layout_key(name)).collect();
        verify_layout(&metadata, &owners, &self.folder()).map_err(|error| error.to_string())
    }

    pub(crate) fn decide(&self) -> Result<LayoutDecision, String> {
        let signed = self.verify()?;
        judge(&signed, self.parameters.as_ref(), &self.inspected, self.now)
            .map_err(|error| error.to_string())
    }

    /// The verdict and the codes of the findings, as one text.
    pub(crate) fn outcome(&self) -> String {
        match self.decide() {
            Err(error) => format!("error: {error}"),
            Ok(decision) => {
                use erased::Named as _;
                let mut text = decision.verdict().word();
                for finding in decision.findings() {
                    text.push(' ');
                    text.push_str(&finding.code.word());
                }
                text
            }
        }
    }
}

mod erased {
    /// What serialises as one word.
    pub(crate) trait Named {
        fn word(&self) -> String;
    }

    impl<T: serde::Serialize> Named for T {
        fn word(&self) -> String {
            serde_json::to_value(self).unwrap().as_str().unwrap().to_owned()
        }
    }
}
