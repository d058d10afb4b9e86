//! What the expressions of a rule may be, of the members of the input.

use regorus::unstable::{ArithOp, AssignOp, Expr, Literal, Query, Ref, Span};

use super::fields::{Reader, shown, written};
use super::kind::Kind;

impl<'m> Reader<'m> {
    /// Follows every line of a body, whose scope has been entered.
    pub(super) fn query(&mut self, query: &'m Query) {
        for line in &query.stmts {
            for with in &line.with_mods {
                self.value(&with.r#as);
            }
            match &line.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    let (keys, one) = self.one_of(collection);
                    self.bind(value, &one);
                    if let Some(key) = key {
                        self.bind(key, &keys);
                    }
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                    self.value(expr);
                }
                Literal::Every { key, value, domain, query, .. } => {
                    let (keys, one) = self.one_of(domain);
                    self.enter(key.iter().chain([value]).map(|name| name.text()).collect());
                    self.set(value.text(), &one);
                    if let Some(key) = key {
                        self.set(key.text(), &keys);
                    }
                    self.body(query);
                    self.leave();
                }
            }
        }
    }

    /// A body within another.
    fn body(&mut self, query: &'m Query) {
        let declared = self.declared(query);
        self.enter(declared);
        self.query(query);
        self.leave();
    }

    /// What the terms may be for a body.
    fn terms(&mut self, terms: &[&'m Ref<Expr>], query: &'m Query) -> Kind {
        let declared = self.declared(query);
        self.enter(declared);
        self.query(query);
        let kind = self.any_of(terms.iter().copied());
        self.leave();
        kind
    }

    fn any_of(&mut self, all: impl IntoIterator<Item = &'m Ref<Expr>>) -> Kind {
        let mut kind = Kind::default();
        for one in all {
            kind.join(&self.value(one));
        }
        kind
    }

    /// The keys and the members of a collection.
    fn one_of(&mut self, collection: &'m Expr) -> (Kind, Kind) {
        let kind = self.value(collection);
        let one = self.followed(collection.span(), kind.each(&shown(collection.span())));
        (kind.keys(), one)
    }

    /// What an expression may be.
    pub(super) fn value(&mut self, expr: &'m Expr) -> Kind {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => Kind::default(),
            Expr::Var { span, .. } => self.named(span.text()),
            Expr::Array { items, .. } => self.any_of(items).listed(),
            Expr::Set { items, .. } => self.any_of(items).collected(),
            // What goes over its keys may have them in its hands.
            Expr::Object { fields, .. } => {
                self.any_of(fields.iter().flat_map(|(_, key, value)| [key, value])).collected()
            }
            Expr::ArrayCompr { term, query, .. } => self.terms(&[term], query).listed(),
            Expr::SetCompr { term, query, .. } => self.terms(&[term], query).collected(),
            Expr::ObjectCompr { key, value, query, .. } => {
                self.terms(&[key, value], query).collected()
            }
            Expr::Call { fcn, params, .. } => self.call(fcn, params),
            Expr::UnaryExpr { expr, .. } => {
                self.value(expr);
                Kind::default()
            }
            Expr::RefDot { span, refr, field, .. } => {
                let base = self.value(refr);
                self.at_key(&base, field.0.text(), span)
            }
            Expr::RefBrack { span, refr, index, .. } => {
                let base = self.value(refr);
                match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => {
                        let key = value.as_string().map(|key| key.to_string());
                        self.at_key(&base, &key.unwrap_or_default(), span)
                    }
                    Expr::Number { .. } => {
                        let found = base.at_number(index.span().text(), &shown(span), self.steps);
                        self.followed(span, found)
                    }
                    _ => {
                        self.bind(index, &base.keys());
                        self.followed(span, base.each(&shown(refr.span())))
                    }
                }
            }
            // Of sets; of numbers there is nothing to know.
            Expr::BinExpr { lhs, rhs, .. } => self.any_of([lhs, rhs]),
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let kind = self.value(lhs);
                self.value(rhs);
                if *op == ArithOp::Sub { kind } else { Kind::default() }
            }
            Expr::BoolExpr { lhs, rhs, .. } => {
                self.any_of([lhs, rhs]);
                Kind::default()
            }
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                let right = self.value(rhs);
                if *op == AssignOp::Eq {
                    let left = self.value(lhs);
                    self.bind(rhs, &left);
                }
                self.bind(lhs, &right);
                Kind::default()
            }
            Expr::Membership { key, value, collection, .. } => {
                self.any_of(key.iter().chain([value]));
                self.one_of(collection);
                Kind::default()
            }
        }
    }

    fn at_key(&mut self, base: &Kind, key: &str, span: &'m Span) -> Kind {
        if base.is_package() {
            return self.named_in_package(key);
        }
        let found = base.at_key(key, &shown(span), self.steps);
        self.followed(span, found)
    }

    fn call(&mut self, function: &'m Ref<Expr>, params: &'m [Ref<Expr>]) -> Kind {
        let kinds: Vec<Kind> = params.iter().map(|param| self.value(param)).collect();
        let known = self.functions.get_key_value(written(function));
        if let Some((name, arguments)) = known.map(|(name, many)| (*name, *many)) {
            for (index, kind) in kinds.iter().enumerate().take(arguments) {
                self.pass(name, index, kind);
            }
            let gives = self.globals.get(name).cloned().unwrap_or_default();
            // What comes after the arguments is where the answer goes.
            if let Some(answer) = params.get(arguments) {
                self.bind(answer, &gives);
            }
            return gives;
        }
        match (written(function), kinds.as_slice(), params) {
            ("array.concat" | "array.reverse" | "array.slice" | "sort", kinds, _) => {
                let mut kind = Kind::default();
                kinds.iter().for_each(|one| {
                    kind.join(one);
                });
                kind
            }
            ("object.get", [object, _, otherwise], [_, key, _]) => {
                let mut kind = self.got(object, key, function.span());
                kind.join(otherwise);
                kind
            }
            _ => Kind::open(),
        }
    }

    /// What `object.get` finds at a key, or at a path of such.
    fn got(&mut self, object: &Kind, key: &'m Expr, span: &'m Span) -> Kind {
        let keys: Vec<&Expr> = match key {
            Expr::Array { items, .. } => items.iter().map(AsRef::as_ref).collect(),
            other => vec![other],
        };
        let mut kind = object.clone();
        for key in keys {
            let (Expr::String { value, .. } | Expr::RawString { value, .. }) = key else {
                return Kind::open();
            };
            let name = value.as_string().map(|key| key.to_string()).unwrap_or_default();
            let found = kind.at_key(&name, &name, self.steps);
            kind = self.followed(span, found);
        }
        kind
    }

    /// Takes a value apart by a pattern.
    pub(super) fn bind(&mut self, pattern: &'m Expr, kind: &Kind) {
        match pattern {
            Expr::Var { span, .. } => self.set(span.text(), kind),
            Expr::Array { span, items, .. } => {
                let one = self.followed(span, kind.each(&shown(span)));
                items.iter().for_each(|item| self.bind(item, &one));
            }
            Expr::Object { fields, .. } => {
                for (span, key, value) in fields {
                    let one = match key.as_ref() {
                        Expr::String { value, .. } | Expr::RawString { value, .. } => {
                            let name = value.as_string().map(|key| key.to_string());
                            let name = name.unwrap_or_default();
                            self.followed(span, kind.at_key(&name, &name, self.steps))
                        }
                        _ => Kind::open(),
                    };
                    self.bind(value, &one);
                }
            }
            other => {
                self.value(other);
            }
        }
    }
}
