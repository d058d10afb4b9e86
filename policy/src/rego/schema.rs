//! The members of the input document, `schemas/rego/input.v1.json`: what can be read of each, and
//! what can never be there.

use crate::document::nearest;

/// A structure of the input.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Record {
    Input,
    Statement,
    Named,
    Signer,
    Keyless,
    Certified,
}

/// What a member is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Is {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A structure.
    One(Record),
    /// A list of structures.
    List(Record),
    /// A list of statements for each step of the policy.
    Chain,
    /// Whatever a statement says: nothing is known of it.
    Open,
}

/// The members of a structure.
type Members = &'static [(&'static str, Is)];

impl Record {
    /// Every one of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] =
        [Self::Input, Self::Statement, Self::Named, Self::Signer, Self::Keyless, Self::Certified];

    /// Its members, as the schema has them.
    pub(super) const fn members(self) -> Members {
        match self {
            Self::Input => &[
                ("artifact", Is::Text),
                ("chain", Is::Chain),
                ("now", Is::Text),
                ("stage", Is::Text),
                ("statements", Is::List(Self::Statement)),
                ("version", Is::Text),
            ],
            Self::Statement => &[
                ("body", Is::Text),
                ("index", Is::Number),
                ("materials", Is::List(Self::Named)),
                ("predicate", Is::Open),
                ("predicateType", Is::Text),
                ("signers", Is::List(Self::Signer)),
                ("step", Is::Text),
                ("subjects", Is::List(Self::Named)),
                ("unidentified", Is::Texts),
                ("verifier", Is::Text),
            ],
            Self::Named => &[("artifact", Is::Text), ("name", Is::Text), ("role", Is::Text)],
            Self::Signer => &[
                ("certified", Is::One(Self::Certified)),
                ("custody", Is::Text),
                ("key", Is::Text),
                ("keyless", Is::One(Self::Keyless)),
                ("name", Is::Text),
                ("owner", Is::Text),
            ],
            Self::Keyless => &[("issuer", Is::Text), ("subject", Is::Text)],
            Self::Certified => &[("authority", Is::Text), ("kind", Is::Text), ("name", Is::Text)],
        }
    }

    /// In words.
    const fn words(self) -> &'static str {
        match self {
            Self::Input => "the input",
            Self::Statement => "a statement of the input",
            Self::Named => "a subject or material of the input",
            Self::Signer => "a signer of the input",
            Self::Keyless => "`keyless` of a signer",
            Self::Certified => "`certified` of a signer",
        }
    }
}

/// Something that a rule has in its hands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Node {
    /// The one document besides the input, of which only the rule's own package is there.
    Data,
    /// The rule's own package.
    Package,
    /// A structure of the input.
    Record(Record),
    /// A list of structures.
    List(Record),
    /// A list of texts.
    Texts,
    /// A list for each step.
    Chain,
    /// A text or number that is this member.
    Leaf(Record, &'static str, Is),
    /// A list that the rule makes.
    MadeList,
    /// An object or a set that the rule makes, with whatever keys.
    Made,
}

/// What is found at a place in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Nothing that is known: it may be anything.
    Open,
    /// A member.
    Node(Node),
    /// What the rule has put there itself, which is known without this.
    Put,
    /// Nothing, whatever the evidence; and why, after what was written.
    Never(String),
}

/// What stands at `key` of `node`, in a policy with those steps; `written` is how the rule says it.
pub(super) fn at_key(node: Node, key: &str, written: &str, steps: &[&str]) -> Found {
    let (whose, known): (&str, Vec<&str>) = match node {
        Node::Data if key == super::PACKAGE => return Found::Node(Node::Package),
        Node::Data | Node::Package => return Found::Open,
        Node::Made => return Found::Put,
        Node::Chain if steps.contains(&key) => return Found::Node(Node::List(Record::Statement)),
        Node::Chain => (Record::Input.words(), steps.to_vec()),
        Node::Record(record) => {
            if let Some((name, is)) = record.members().iter().find(|(name, _)| *name == key) {
                return of(record, name, *is);
            }
            (record.words(), record.members().iter().map(|(name, _)| *name).collect())
        }
        Node::List(_) | Node::Texts | Node::MadeList => {
            return Found::Never(format!(
                "there is no `{written}`: it is a list; take one of it, `some one in …`"
            ));
        }
        Node::Leaf(..) => return below(node, written),
    };
    let mean = nearest(key, known.iter().copied()).map(|known| format!(" did you mean `{known}`?"));
    let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Found::Never(format!(
        "{whose} has no `{written}`;{} known are {known}",
        mean.unwrap_or_default()
    ))
}

/// One of `node`, whichever; `written` is how the rule says it.
pub(super) fn each(node: Node, written: &str) -> Found {
    match node {
        Node::List(record) => Found::Node(Node::Record(record)),
        Node::Texts => Found::Node(Node::Leaf(Record::Statement, "unidentified", Is::Text)),
        Node::Chain => Found::Node(Node::List(Record::Statement)),
        Node::Data | Node::Package | Node::Record(_) => Found::Open,
        Node::MadeList | Node::Made => Found::Put,
        Node::Leaf(..) => below(node, written),
    }
}

fn of(record: Record, name: &'static str, is: Is) -> Found {
    Found::Node(match is {
        Is::Open => return Found::Open,
        Is::One(record) => Node::Record(record),
        Is::List(record) => Node::List(record),
        Is::Texts => Node::Texts,
        Is::Chain => Node::Chain,
        Is::Text | Is::Number => Node::Leaf(record, name, is),
    })
}

/// What is below a text or a number.
fn below(node: Node, written: &str) -> Found {
    let Node::Leaf(record, name, is) = node else { return Found::Open };
    let what = if is == Is::Number { "number" } else { "text" };
    Found::Never(format!(
        "there is nothing in `{written}`: `{name}` of {} is a {what}",
        record.words()
    ))
}
