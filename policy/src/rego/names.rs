//! The names in a body, and which of them it declares.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, Expr, Literal, Query};

/// The names that a body says it declares, and the others in it, but for those of bodies within.
pub(super) fn declared<'m>(
    query: &'m Query,
    own: &mut BTreeSet<&'m str>,
    others: &mut BTreeSet<&'m str>,
) {
    for line in &query.stmts {
        match &line.literal {
            Literal::SomeVars { vars, .. } => own.extend(vars.iter().map(|name| name.text())),
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().chain([value]).for_each(|pattern| variables(pattern, own));
                variables(collection, others);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => match expr.as_ref() {
                Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                    variables(lhs, own);
                    variables(rhs, others);
                }
                other => variables(other, others),
            },
            Literal::Every { domain, .. } => variables(domain, others),
        }
    }
    own.remove("_");
    others.remove("_");
}

/// The names in an expression, but for those in bodies of its own.
pub(super) fn variables<'m>(expr: &'m Expr, names: &mut BTreeSet<&'m str>) {
    match expr {
        Expr::Var { span, .. } => {
            names.insert(span.text());
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| variables(item, names));
        }
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                variables(key, names);
                variables(value, names);
            }
        }
        Expr::Call { params, .. } => params.iter().for_each(|param| variables(param, names)),
        Expr::UnaryExpr { expr, .. } | Expr::RefDot { refr: expr, .. } => variables(expr, names),
        Expr::RefBrack { refr, index, .. } => {
            variables(refr, names);
            variables(index, names);
        }
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            variables(lhs, names);
            variables(rhs, names);
        }
        Expr::Membership { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(|one| variables(one, names));
        }
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::ArrayCompr { .. }
        | Expr::SetCompr { .. }
        | Expr::ObjectCompr { .. } => {}
    }
}
