//! A recorded step as an in-toto link: every file that went in or came out, by its path.
//!
//! Source: in-toto specification v1.0, section 4.4. A link names files where a statement names
//! artifacts, so that a folder becomes its files. What it says is what the statement says, and
//! secrets are kept out of it in the same way. Standard output and error are not in it: the
//! command kept them.

use serde_json::{Map, json};

use super::Plan;
use super::recorder::{Inputs, Outputs};
use super::statement::command;
use crate::content::{Content, Listing};
use crate::digest::Sha256;
use crate::in_toto::{Artifacts, Link};

/// The link of a step that succeeded. `products` are the listings of what came out, in the order
/// of the outputs.
pub(super) fn write(
    plan: &Plan,
    inputs: &Inputs,
    outputs: &Outputs,
    products: &[&Listing],
) -> Link {
    let mut link = Link {
        name: plan.step.as_str().into(),
        command: command(&plan.command),
        ..Link::default()
    };
    for input in &inputs.materials {
        take(&mut link.materials, &input.listing, &input.content);
    }
    for (listing, (_, content)) in products.iter().zip(&outputs.products) {
        take(&mut link.products, listing, content);
    }
    if let Some(metrics) = &outputs.metrics {
        put(&mut link.products, &metrics.name, Sha256::of(&metrics.bytes));
    }
    link.byproducts = Map::from_iter([("return-value".to_owned(), json!(outputs.status))]);
    link
}

fn take(artifacts: &mut Artifacts, listing: &Listing, content: &Content) {
    for (file, digest) in listing.files().iter().zip(&content.files) {
        put(artifacts, &file.name, *digest);
    }
}

fn put(artifacts: &mut Artifacts, path: &str, digest: Sha256) {
    artifacts.insert(path.to_owned(), [("sha256".to_owned(), digest.hex())].into());
}
