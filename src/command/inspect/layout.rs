//! In-toto layouts and links, in a metablock or an envelope.

use attest::in_toto::{Content, Form, Layout, Link, Metadata};

use super::{key, part::Part};

pub(super) fn read(bytes: &[u8]) -> Result<Part, String> {
    let metadata = Metadata::parse(bytes).map_err(|error| error.to_string())?;
    Ok(described(&metadata))
}

fn described(metadata: &Metadata) -> Part {
    let mut part = match metadata.content() {
        Content::Layout(layout) => of_layout(layout),
        Content::Link(link) => of_link(link),
    };
    let form = match metadata.form() {
        Form::Metablock => "metablock",
        Form::Envelope => "DSSE envelope",
    };
    part.fact("form", form);
    part.fact("body", metadata.body());
    part.fact("signatures", metadata.signatures().len());
    let names = metadata.signatures().iter().map(|signature| match &signature.label {
        Some(label) => label.to_string(),
        None => "(does not say by which key)".into(),
    });
    part.claim_each("signed by", names);
    part
}

fn of_layout(layout: &Layout) -> Part {
    let mut part = Part::new("in-toto layout");
    part.claim("expires", layout.expires);
    part.claim("readme", &layout.readme);
    part.hold_each("the keys", layout.keys.values().map(key::of_layout));
    let steps = layout.steps.iter().map(|step| {
        let mut held = Part::new("step");
        held.claim("name", &step.name);
        held.claim("signatures needed", step.threshold);
        held.claim_each("who may do it", step.pubkeys.iter());
        held.claim("command", step.expected_command.join(" "));
        held.claim_each("rule for what goes in", step.expected_materials.iter());
        held.claim_each("rule for what comes out", step.expected_products.iter());
        held
    });
    part.hold_each("the steps", steps);
    let inspections = layout.inspections.iter().map(|inspection| {
        let mut held = Part::new("inspection, a command that whoever checks is to run");
        held.claim("name", &inspection.name);
        held.claim("command", inspection.run.join(" "));
        held.claim_each("rule for what is there before", inspection.expected_materials.iter());
        held.claim_each("rule for what is there after", inspection.expected_products.iter());
        held
    });
    part.hold_each("the inspections", inspections);
    part
}

fn of_link(link: &Link) -> Part {
    let mut part = Part::new("in-toto link");
    part.claim("step", &link.name);
    part.claim("command", link.command.join(" "));
    for (name, artifacts) in [("went in", &link.materials), ("came out", &link.products)] {
        let lines = artifacts.iter().map(|(path, digests)| {
            let digests = digests.iter().map(|(name, hex)| format!("  {name}:{hex}"));
            format!("{path}{}", digests.collect::<String>())
        });
        part.claim_each(name, lines);
    }
    let byproducts = link.byproducts.iter().collect::<Vec<_>>();
    part.claim_each(
        "byproduct",
        byproducts.into_iter().map(|(name, value)| format!("{name}: {value}")),
    );
    part
}
