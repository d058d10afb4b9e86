//! What a rule reads of the input that can never be there: it would be undefined whatever the
//! evidence, and the rule pass for ever.
//!
//! Every value of the rule is followed from `input` on, through names, functions, comprehensions
//! and patterns, as the members of the input and the collections of the rule's own that it may be
//! ([`Kind`]), in rounds, until nothing new is found. Refused is a member that none of them has. An
//! object that the rule makes has every key, and what stands there is any of what the rule puts
//! into it. What cannot be followed is let through: whatever a predicate says, a key that is worked
//! out, what most functions give.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Source;
use regorus::unstable::{Expr, Module, Parser, Query, Ref, Rule, RuleAssign, RuleHead, Span};

use super::kind::Kind;
use super::module::of_engine;
use super::names::{declared, variables};
use super::{ModuleError, PACKAGE};

/// How many rounds are made: a name in each may lead to one that stands before it.
const MAX_ROUNDS: usize = 64;
/// How much of what is written a message shows, in characters.
const MAX_SHOWN: usize = 80;

/// Whoever reads the text, which the engine has read already, is behind the fence: its structures
/// are as deep as it has words.
///
/// # Errors
/// [`ModuleError::Never`] for what can never be there; [`ModuleError::TooLong`] for names that lead
/// through too many others.
pub(super) fn check(id: &str, text: &str, steps: &[&str]) -> Result<(), ModuleError> {
    let source = Source::from_contents(id.into(), text.into());
    let source = source.map_err(|error| of_engine(&error))?;
    let mut parser = Parser::new(&source).map_err(|error| of_engine(&error))?;
    parser.enable_rego_v1().map_err(|error| of_engine(&error))?;
    let module = parser.parse().map_err(|error| of_engine(&error))?;
    let mut reader = Reader::new(&module, steps);
    for _ in 0..MAX_ROUNDS {
        reader.round(&module);
        if !reader.changed {
            return reader.never.map_or(Ok(()), |(line, column, why)| {
                Err(ModuleError::Never { line, column, why })
            });
        }
    }
    Err(ModuleError::TooLong(format!("names that lead through more than {MAX_ROUNDS} others")))
}

/// What is known so far.
pub(super) struct Reader<'m> {
    pub(super) steps: &'m [&'m str],
    /// How many arguments each function of the rule has.
    pub(super) functions: BTreeMap<&'m str, usize>,
    /// Every name that holds in the whole text, and what it may be; of a function, what it gives.
    pub(super) globals: BTreeMap<&'m str, Kind>,
    /// What each argument of each function may be.
    pub(super) arguments: BTreeMap<(&'m str, usize), Kind>,
    /// The names of each body, by the order in which bodies come in every round.
    locals: BTreeMap<(usize, &'m str), Kind>,
    /// The bodies around what is read, outermost first, with what each declares.
    scopes: Vec<(usize, BTreeSet<&'m str>)>,
    bodies: usize,
    changed: bool,
    /// The first that can never be there, in this round.
    never: Option<(u32, u32, String)>,
}

impl<'m> Reader<'m> {
    fn new(module: &'m Module, steps: &'m [&'m str]) -> Self {
        let mut functions = BTreeMap::new();
        let mut globals = BTreeMap::new();
        for rule in &module.policy {
            let name = match rule.as_ref() {
                Rule::Spec { head: RuleHead::Func { refr, args, .. }, .. } => {
                    functions.insert(written(refr), args.len());
                    written(refr)
                }
                Rule::Spec { head: RuleHead::Compr { refr, .. }, .. }
                | Rule::Spec { head: RuleHead::Set { refr, .. }, .. }
                | Rule::Default { refr, .. } => root(refr),
            };
            globals.insert(name, Kind::default());
        }
        for import in &module.imports {
            // Others turn on what is on.
            if matches!(root(&import.refr), "input" | "data") {
                globals.insert(import_name(&import.refr, import.r#as.as_ref()), Kind::default());
            }
        }
        Self {
            steps,
            functions,
            globals,
            arguments: BTreeMap::new(),
            locals: BTreeMap::new(),
            scopes: Vec::new(),
            bodies: 0,
            changed: false,
            never: None,
        }
    }

    fn round(&mut self, module: &'m Module) {
        (self.bodies, self.changed, self.never) = (0, false, None);
        for import in &module.imports {
            let name = import_name(&import.refr, import.r#as.as_ref());
            if self.globals.contains_key(name) && matches!(root(&import.refr), "input" | "data") {
                let kind = self.value(&import.refr);
                self.give(name, &kind);
            }
        }
        for rule in &module.policy {
            self.rule(rule);
        }
    }

    fn rule(&mut self, rule: &'m Rule) {
        let (head, bodies) = match rule {
            Rule::Spec { head, bodies, .. } => (head, bodies),
            Rule::Default { refr, value, .. } => {
                let kind = self.value(value);
                let name = if self.functions.contains_key(written(refr)) {
                    written(refr)
                } else {
                    root(refr)
                };
                return self.give(name, &kind);
            }
        };
        let mut named = BTreeSet::new();
        if let RuleHead::Func { args, .. } = head {
            args.iter().for_each(|arg| variables(arg, &mut named));
            named.remove("_");
        }
        self.enter(named);
        if let RuleHead::Func { refr, args, .. } = head {
            for (index, arg) in args.iter().enumerate() {
                let kind = self.arguments.get(&(written(refr), index)).cloned();
                self.bind(arg, &kind.unwrap_or_default());
            }
        }
        let assign = match head {
            RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assign.as_ref(),
            RuleHead::Set { .. } => None,
        };
        if bodies.is_empty() {
            self.head(head, assign);
        }
        for body in bodies {
            let declared = self.declared(&body.query);
            self.enter(declared);
            self.query(&body.query);
            let own = body.assign.as_ref();
            self.head(head, if body.is_else { own } else { own.or(assign) });
            self.leave();
        }
        self.leave();
    }

    /// What a rule gives, in the scope of a body.
    fn head(&mut self, head: &'m RuleHead, assign: Option<&'m RuleAssign>) {
        let mut kind = assign.map(|assign| self.value(&assign.value)).unwrap_or_default();
        let refr = match head {
            RuleHead::Func { refr, .. } => return self.give(written(refr), &kind),
            RuleHead::Set { refr, key, .. } => {
                kind = key.as_ref().map(|key| self.value(key)).unwrap_or_default().collected();
                refr
            }
            RuleHead::Compr { refr, .. } => refr,
        };
        let mut part: &'m Expr = refr;
        loop {
            part = match part {
                Expr::RefDot { refr, .. } => refr,
                Expr::RefBrack { refr, index, .. } => {
                    let keys = self.value(index);
                    kind.join(&keys);
                    refr
                }
                _ => break,
            };
            kind = kind.collected();
        }
        self.give(root(refr), &kind);
    }

    /// Adds to what a name of the whole text may be.
    fn give(&mut self, name: &'m str, kind: &Kind) {
        self.changed |= self.globals.entry(name).or_default().join(kind);
    }

    /// Adds to what an argument of a function may be.
    pub(super) fn pass(&mut self, function: &'m str, index: usize, kind: &Kind) {
        self.changed |= self.arguments.entry((function, index)).or_default().join(kind);
    }

    /// Adds to what a name of a body may be.
    pub(super) fn set(&mut self, name: &'m str, kind: &Kind) {
        if let Some(body) = self.body_of(name) {
            self.changed |= self.locals.entry((body, name)).or_default().join(kind);
        }
    }

    /// What a name of the rule's own package may be.
    pub(super) fn named_in_package(&self, name: &str) -> Kind {
        self.globals.get(name).cloned().unwrap_or_default()
    }

    /// What a name may be.
    pub(super) fn named(&self, name: &str) -> Kind {
        if let Some((body, name)) = self
            .scopes
            .iter()
            .rev()
            .find_map(|(body, names)| names.get(name).map(|name| (*body, *name)))
        {
            return self.locals.get(&(body, name)).cloned().unwrap_or_default();
        }
        match name {
            "input" => Kind::input(),
            "data" => Kind::data(),
            _ => self.globals.get(name).cloned().unwrap_or_default(),
        }
    }

    fn body_of(&self, name: &str) -> Option<usize> {
        let body = self.scopes.iter().rev().find(|(_, names)| names.contains(name));
        body.map(|(body, _)| *body)
    }

    pub(super) fn enter(&mut self, names: BTreeSet<&'m str>) {
        self.bodies += 1;
        self.scopes.push((self.bodies, names));
    }

    pub(super) fn leave(&mut self) {
        self.scopes.pop();
    }

    /// What a body declares: what it says that it does, and what nothing around it has.
    pub(super) fn declared(&self, query: &'m Query) -> BTreeSet<&'m str> {
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        declared(query, &mut own, &mut others);
        let around = |name: &str| {
            matches!(name, "input" | "data")
                || self.globals.contains_key(name)
                || self.body_of(name).is_some()
        };
        own.extend(others.into_iter().filter(|name| !around(name)));
        own
    }

    /// Keeps the first that can never be there.
    pub(super) fn followed(&mut self, span: &Span, found: Result<Kind, String>) -> Kind {
        found.unwrap_or_else(|why| {
            self.never.get_or_insert((span.line, span.col, why));
            Kind::default()
        })
    }
}

/// How the text says it; of what is long, the beginning.
pub(super) fn shown(span: &Span) -> String {
    let words = span.text().split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

/// The name of a function, without the package that it is in.
pub(super) fn written(refr: &Ref<Expr>) -> &str {
    let text = refr.span().text();
    let inner = text.strip_prefix("data.").and_then(|text| text.strip_prefix(PACKAGE));
    inner.and_then(|text| text.strip_prefix('.')).unwrap_or(text)
}

/// The first word of a path.
fn root(refr: &Ref<Expr>) -> &str {
    let mut part: &Expr = refr;
    while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = part {
        part = refr;
    }
    part.span().text()
}

/// What an import is called: its last word, or what it says.
fn import_name<'m>(refr: &'m Ref<Expr>, given: Option<&'m Span>) -> &'m str {
    match (given, refr.as_ref()) {
        (Some(given), _) => given.text(),
        (None, Expr::RefDot { field, .. }) => field.0.text(),
        (None, Expr::RefBrack { index, .. }) => index.span().text().trim_matches('"'),
        (None, other) => other.span().text(),
    }
}

#[cfg(test)]
mod tests;
