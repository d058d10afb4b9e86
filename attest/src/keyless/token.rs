//! Identity tokens, as far as whoever shows one has to know it.
//!
//! Source: OpenID Connect Core 1.0, section 2; RFC 7519, section 4.1. The signature is for the
//! certificate authority to check. What is read here only tells early, and in plain words, that a
//! token would be refused.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::Timestamp;
use crate::json;

/// For whom a token must be.
pub const AUDIENCE: &str = "sigstore";
/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 32 << 10;

/// A token that says who one is. Whoever has it can sign in that name, so it is never printed.
#[derive(Clone)]
pub struct IdentityToken {
    text: Zeroizing<String>,
    issuer: String,
    /// Whom the issuer passes on, if it is one that does (`federated_claims` of Dex).
    connector: Option<String>,
    subject: String,
    audiences: Vec<String>,
    expires: i64,
}

/// Why a text is no token that a certificate authority would take.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three parts in base64, with claims in the second.
    #[error("it is not an identity token (a JWT of OpenID Connect)")]
    Malformed,
    /// More than [`MAX_TOKEN_BYTES`].
    #[error("it has {0} bytes, and a token has at most {MAX_TOKEN_BYTES}")]
    TooLarge(
        /// How many it has.
        usize,
    ),
    /// A claim that every token has is not there.
    #[error("the token does not say `{0}`")]
    Missing(
        /// The claim.
        &'static str,
    ),
    /// For somebody else.
    #[error("the token is for {}, not for `{AUDIENCE}`", spoken(.found))]
    Audience {
        /// For whom it is.
        found: Vec<String>,
    },
    /// Not good any more.
    #[error("the token expired at {at}")]
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

impl IdentityToken {
    /// Reads a token; white space around it is passed over.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::TooLarge`] and [`TokenError::Missing`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge(text.len()));
        }
        // It goes into a header as it is.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let parts: Vec<&str> = text.split('.').collect();
        let [_, said, _] = parts.as_slice() else { return Err(TokenError::Malformed) };
        if !text.bytes().all(plain) {
            return Err(TokenError::Malformed);
        }
        let said = URL_SAFE_NO_PAD.decode(said).map_err(|_| TokenError::Malformed)?;
        let claims = json::parse(&said).map_err(|_| TokenError::Malformed)?;
        let string = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => return Err(TokenError::Missing("aud")),
        };
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            issuer: string("iss").ok_or(TokenError::Missing("iss"))?,
            connector: claims
                .pointer("/federated_claims/connector_id")
                .and_then(Value::as_str)
                .map(str::to_owned),
            subject: string("email").or_else(|| string("sub")).ok_or(TokenError::Missing("sub"))?,
            audiences,
            expires: claims.get("exp").and_then(Value::as_i64).ok_or(TokenError::Missing("exp"))?,
        })
    }

    /// Refuses what a certificate authority would refuse at `now`.
    ///
    /// # Errors
    /// [`TokenError::Audience`] and [`TokenError::Expired`].
    pub fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        if !self.audiences.iter().any(|audience| audience == AUDIENCE) {
            return Err(TokenError::Audience { found: self.audiences.clone() });
        }
        let at = Timestamp::from_second(self.expires).map_err(|_| TokenError::Malformed)?;
        if at <= now { Err(TokenError::Expired { at }) } else { Ok(()) }
    }

    /// The token itself, a secret.
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// Who vouches, as the token says.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a certificate for this token can name `issuer`: the token's own, or the one that it
    /// passes on (`oidc.md` of sigstore/fulcio).
    pub fn is_of(&self, issuer: &str) -> bool {
        self.issuer == issuer || self.connector.as_deref() == Some(issuer)
    }

    /// For whom, as the token says: an address, or what the issuer calls it.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IdentityToken({} of {})", self.subject, self.issuer)
    }
}

fn spoken(audiences: &[String]) -> String {
    let quoted: Vec<String> = audiences
        .iter()
        .take(4)
        .map(|audience| format!("`{}`", audience.chars().take(100).collect::<String>()))
        .collect();
    if quoted.is_empty() { "nobody".into() } else { quoted.join(", ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.AAAA", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn what_would_be_refused_is_told_early() {
        let now = Timestamp::from_second(1_000).unwrap();
        let good = r#"{"iss":"https://login.example","sub":"ada","aud":"sigstore","exp":1001}"#;
        let missing = |name| Some(TokenError::Missing(name));
        let other = |found: &[&str]| {
            let found = found.iter().map(|text| (*text).to_owned()).collect();
            Some(TokenError::Audience { found })
        };
        let cases = [
            ("good", token(good), None),
            ("with a line feed", format!("{}\n", token(good)), None),
            ("for several", token(&good.replace(r#""sigstore""#, r#"["x","sigstore"]"#)), None),
            ("for another", token(&good.replace("sigstore", "sigstor")), other(&["sigstor"])),
            ("for nobody", token(&good.replace(r#""sigstore""#, "[]")), other(&[])),
            (
                "expired",
                token(&good.replace("1001", "1000")),
                Some(TokenError::Expired { at: now }),
            ),
            ("no end", token(&good.replace("exp", "ex")), missing("exp")),
            ("no audience", token(&good.replace("aud", "au")), missing("aud")),
            ("no issuer", token(&good.replace("iss", "is")), missing("iss")),
            ("nobody", token(&good.replace("sub", "su")), missing("sub")),
            ("two parts", token(good).replace(".AAAA", ""), Some(TokenError::Malformed)),
            ("four parts", token(good) + ".A", Some(TokenError::Malformed)),
            ("not JSON", token("{"), Some(TokenError::Malformed)),
            (
                "a claim twice",
                token(&good.replace("{", r#"{"sub":"eve","#)),
                Some(TokenError::Malformed),
            ),
            ("a header in it", token(good) + "\r\nx: y", Some(TokenError::Malformed)),
            (
                "too long",
                "a".repeat(MAX_TOKEN_BYTES + 1),
                Some(TokenError::TooLarge(MAX_TOKEN_BYTES + 1)),
            ),
        ];
        for (name, text, want) in cases {
            let found = IdentityToken::parse(&text).and_then(|token| token.check(now));
            assert_eq!(found.err(), want, "{name}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let text =
            token(r#"{"iss":"i","sub":"4711","email":"a@b.example","aud":"sigstore","exp":9}"#);
        let token = IdentityToken::parse(&text).unwrap();
        assert_eq!(format!("{token:?}"), "IdentityToken(a@b.example of i)");
        assert_eq!([token.is_of("i"), token.is_of("j")], [true, false]);
        let passed = r#"{"iss":"i","sub":"x","aud":"sigstore","exp":9,"federated_claims":{"connector_id":"j"}}"#;
        let token_of = IdentityToken::parse(&self::token(passed)).unwrap();
        assert_eq!(["i", "j", ""].map(|issuer| token_of.is_of(issuer)), [true, true, false]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,200}", claims in ".{0,100}") {
            let _ = IdentityToken::parse(&text);
            let _ = IdentityToken::parse(&token(&claims));
        }
    }
}
