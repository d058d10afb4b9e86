//! What is known of a value in a rule, before any evidence: which members of the input it may be,
//! and which collections that the rule makes.

use std::collections::BTreeSet;

use super::schema::{Found, Node, Record, at_key, each};

/// How many collections that a rule makes around one another are told apart; what is in more of
/// them may be anything.
const MAX_LEVELS: u8 = 4;

/// A member of the input or a made collection, within so many collections that the rule makes.
type Thing = (u8, Node);

/// What a value may be. Nothing at all is what never has members: a number or text that the rule
/// says, or a name that has no value yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Kind {
    /// Whether it may be what is not known: of such nothing is refused.
    open: bool,
    things: BTreeSet<Thing>,
}

impl Kind {
    /// What nothing is known of.
    pub(super) fn open() -> Self {
        Self { open: true, things: BTreeSet::new() }
    }

    fn of(node: Node) -> Self {
        Self { open: false, things: [(0, node)].into() }
    }

    pub(super) fn input() -> Self {
        Self::of(Node::Record(Record::Input))
    }

    pub(super) fn data() -> Self {
        Self::of(Node::Data)
    }

    /// Whether this is the rule's own package.
    pub(super) fn is_package(&self) -> bool {
        self.things.contains(&(0, Node::Package))
    }

    /// Adds what `other` may be; whether that is more than it was.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let (open, many) = (self.open, self.things.len());
        self.open |= other.open;
        self.things.extend(&other.things);
        (open, many) != (self.open, self.things.len())
    }

    /// A list of such values.
    pub(super) fn listed(&self) -> Self {
        self.within(Node::MadeList)
    }

    /// An object or a set of such values and keys.
    pub(super) fn collected(&self) -> Self {
        self.within(Node::Made)
    }

    /// A collection is there whatever is in it, and were it only numbers: what else a value may be
    /// says nothing of the members of this one.
    fn within(&self, made: Node) -> Self {
        let (near, deep): (BTreeSet<Thing>, BTreeSet<Thing>) =
            self.things.iter().copied().partition(|(levels, _)| *levels < MAX_LEVELS);
        let inner = near.into_iter().map(|(levels, node)| (levels + 1, node));
        let things = inner.chain([(0, made)]).collect();
        Self { open: self.open || !deep.is_empty(), things }
    }

    /// What stands at a key of it.
    ///
    /// # Errors
    /// Why nothing ever does.
    pub(super) fn at_key(&self, key: &str, written: &str, steps: &[&str]) -> Result<Self, String> {
        self.inner(|node| at_key(node, key, written, steps))
    }

    /// What stands at a number of it.
    ///
    /// # Errors
    /// Why nothing ever does.
    pub(super) fn at_number(
        &self,
        key: &str,
        written: &str,
        steps: &[&str],
    ) -> Result<Self, String> {
        self.inner(|node| match node {
            // Their keys are texts.
            Node::Record(_) | Node::Chain => at_key(node, key, written, steps),
            _ => each(node, written),
        })
    }

    /// One of its members, whichever.
    ///
    /// # Errors
    /// Why it never has any.
    pub(super) fn each(&self, written: &str) -> Result<Self, String> {
        self.inner(|node| each(node, written))
    }

    /// One of its members, where it is a collection that the rule made: of a set the key is the
    /// member.
    pub(super) fn keys(&self) -> Self {
        let made = self.things.iter().filter(|(levels, _)| *levels > 0);
        let things = made.map(|(levels, node)| (levels - 1, *node)).collect();
        Self { open: self.open, things }
    }

    /// Never is only what is never in anything that it may be.
    fn inner(&self, look: impl Fn(Node) -> Found) -> Result<Self, String> {
        let mut inner = Self { open: self.open, things: BTreeSet::new() };
        let (mut never, mut found) = (None, self.open);
        for (levels, node) in &self.things {
            let (levels, place) = match levels.checked_sub(1) {
                Some(levels) => (levels, Found::Node(*node)),
                None => (0, look(*node)),
            };
            match place {
                Found::Never(why) => {
                    never = never.or(Some(why));
                    continue;
                }
                Found::Open => inner.open = true,
                Found::Node(node) => {
                    inner.things.insert((levels, node));
                }
                // It is among those within a collection.
                Found::Put => {}
            }
            found = true;
        }
        match never {
            Some(why) if !found => Err(why),
            _ => Ok(inner),
        }
    }
}
