//! `assay layout show`: what a layout asks for, or a link says. Nobody is believed for it.

use std::path::PathBuf;

use attest::Sha256;
use attest::in_toto::{Content, Form, Layout, Link, Metadata, Rule};
use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Say what an in-toto layout asks for, or a link says; nothing is checked
#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// The layout or link
    file: PathBuf,
}

pub(super) fn show(args: &ShowArgs) -> Result<Box<dyn Answer>, Error> {
    Ok(Box::new(Shown::of(&super::read(&args.file)?)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    version: &'static str,
    form: Form,
    body: Sha256,
    signed_by: Vec<String>,
    #[serde(flatten)]
    document: Document,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Document {
    Layout(LayoutView),
    Link(LinkView),
}

#[derive(Serialize)]
struct LayoutView {
    expires: String,
    readme: String,
    keys: Vec<KeyView>,
    steps: Vec<StepView>,
    inspections: Vec<InspectionView>,
}

#[derive(Serialize)]
struct KeyView {
    keyid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Sha256>,
}

#[derive(Serialize)]
struct StepView {
    name: String,
    threshold: u32,
    pubkeys: Vec<String>,
    command: Vec<String>,
    materials: Vec<String>,
    products: Vec<String>,
}

#[derive(Serialize)]
struct InspectionView {
    name: String,
    run: Vec<String>,
    materials: Vec<String>,
    products: Vec<String>,
}

#[derive(Serialize)]
struct LinkView {
    name: String,
    command: Vec<String>,
    materials: attest::in_toto::Artifacts,
    products: attest::in_toto::Artifacts,
}

impl Shown {
    fn of(metadata: &Metadata) -> Self {
        let signed_by = metadata.signatures().iter().map(|signature| {
            signature.label.as_ref().map_or_else(|| "(does not say)".into(), ToString::to_string)
        });
        Self {
            version: "assay/layout-document/v1",
            form: metadata.form(),
            body: metadata.body(),
            signed_by: signed_by.collect(),
            document: match metadata.content() {
                Content::Layout(layout) => Document::Layout(view(layout)),
                Content::Link(link) => Document::Link(link_view(link)),
            },
        }
    }
}

fn words(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

fn view(layout: &Layout) -> LayoutView {
    let keys = layout.keys.values();
    let steps = layout.steps.iter().map(|step| StepView {
        name: step.name.clone(),
        threshold: step.threshold,
        pubkeys: step.pubkeys.iter().map(ToString::to_string).collect(),
        command: step.expected_command.clone(),
        materials: words(&step.expected_materials),
        products: words(&step.expected_products),
    });
    let inspections = layout.inspections.iter().map(|inspection| InspectionView {
        name: inspection.name.clone(),
        run: inspection.run.clone(),
        materials: words(&inspection.expected_materials),
        products: words(&inspection.expected_products),
    });
    LayoutView {
        expires: layout.expires.to_string(),
        readme: layout.readme.clone(),
        keys: keys
            .map(|key| KeyView { keyid: key.label().to_string(), identity: key.identity() })
            .collect(),
        steps: steps.collect(),
        inspections: inspections.collect(),
    }
}

fn link_view(link: &Link) -> LinkView {
    LinkView {
        name: link.name.clone(),
        command: link.command.clone(),
        materials: link.materials.clone(),
        products: link.products.clone(),
    }
}

impl Answer for Shown {
    fn draw(&self, page: &mut Page) {
        let kind = match &self.document {
            Document::Layout(_) => "layout",
            Document::Link(_) => "link",
        };
        page.put(Tone::Strong, kind)
            .text(" ")
            .text(self.body)
            .put(Tone::Warn, "  not checked")
            .end();
        for signer in &self.signed_by {
            page.put(Tone::Faint, "claims to be signed by  ").line(signer);
        }
        match &self.document {
            Document::Layout(layout) => layout.draw(page),
            Document::Link(link) => link.draw(page),
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

impl LayoutView {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "expires  ").line(&self.expires);
        if !self.readme.is_empty() {
            page.put(Tone::Faint, "readme   ").line(&self.readme);
        }
        for key in &self.keys {
            page.put(Tone::Faint, "key      ").text(&key.keyid);
            page.line(if key.identity.is_some() { "" } else { "  (not checked with)" });
        }
        for step in &self.steps {
            page.put(Tone::Faint, "step     ").put(Tone::Strong, &step.name);
            let who: Vec<_> =
                step.pubkeys.iter().map(|label| label.get(..8).unwrap_or(label)).collect();
            page.line(format_args!("  {} of {}", step.threshold, who.join(", ")));
            draw_rules(page, &step.command, &step.materials, &step.products);
        }
        for inspection in &self.inspections {
            page.put(Tone::Faint, "inspect  ").put(Tone::Strong, &inspection.name).end();
            draw_rules(page, &inspection.run, &inspection.materials, &inspection.products);
        }
    }
}

fn draw_rules(page: &mut Page, command: &[String], materials: &[String], products: &[String]) {
    page.put(Tone::Faint, "  command   ").line(command.join(" "));
    for rule in materials {
        page.put(Tone::Faint, "  material  ").line(rule);
    }
    for rule in products {
        page.put(Tone::Faint, "  product   ").line(rule);
    }
}

impl LinkView {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "step     ").line(&self.name);
        page.put(Tone::Faint, "command  ").line(self.command.join(" "));
        for (word, artifacts) in [("material ", &self.materials), ("product  ", &self.products)] {
            for (path, digests) in artifacts {
                let digests: Vec<_> =
                    digests.iter().map(|(name, hex)| format!("{name}:{hex}")).collect();
                page.put(Tone::Faint, word).text(path).text("  ").line(digests.join(" "));
            }
        }
    }
}
